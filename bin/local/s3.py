"""A real S3 server on loopback: SeaweedFS, from a wheel."""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import boto3
from pydantic import SecretStr

from jobstore.errors import ObjectsRefused, ObjectsUnavailable
from jobstore.objects import Objects
from jobstore.settings import StorageSettings
from local.running import Running, free_ports, sockets_of, undisturbed

KEY_ID, SECRET, REGION, BUCKET = "wan22-local", "wan22-local-secret", "us-east-1", "wan22-videos"


class S3Server:
    """SeaweedFS with one bucket; what it stores lies under `folder`."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Choose its ports, and write who may use it."""
        self.folder = folder
        self.log = log
        self.ports = free_ports(4)
        self.port, *self._inner_ports = self.ports
        folder.mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "wan22",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Admin"],
        }
        self._identities = folder / "s3.json"
        self._identities.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        self.running: Running | None = None

    @property
    def env(self) -> dict[str, str]:
        """The settings of a process that uses this server."""
        return {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "S3_BUCKET": BUCKET,
            "S3_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    @property
    def objects(self) -> Objects:
        """The bucket, as the product sees it."""
        return Objects.of(
            StorageSettings(
                data_dir=self.folder,
                s3_endpoint_url=self.env["S3_ENDPOINT_URL"],
                s3_bucket=BUCKET,
                s3_region=REGION,
                aws_access_key_id=SecretStr(KEY_ID),
                aws_secret_access_key=SecretStr(SECRET),
            )
        )

    @property
    def client(self) -> Any:
        """The bucket, as anybody's S3 client sees it."""
        return boto3.client(
            "s3",
            endpoint_url=self.env["S3_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )

    def objects_of(self, job_id: str) -> list[dict[str, Any]]:
        """List the objects of one job."""
        listing = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [entry for entry in listing if job_id in entry["Key"]]

    def videos_of(self, job_id: str) -> list[dict[str, Any]]:
        """List those of them that are videos: one, once it is delivered."""
        return [entry for entry in self.objects_of(job_id) if entry["Key"].endswith(".mp4")]

    def start(self) -> None:
        """Start the server, and wait until it has our bucket.

        Raises:
            StartFailed: it ended, or was not ready in time.
        """
        with undisturbed():
            self.running = Running(self._command(), self.log, {})
        self.running.wait_until(self._has_bucket)

    def stop(self) -> None:
        """Kill it: it may not end on SIGTERM, and what it acknowledged is on disk."""
        if self.running:
            self.running.end(signal.SIGKILL)
            for socket in sockets_of(*self.ports):
                socket.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        master, volume, filer = self._inner_ports
        return [
            str(weed()),
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            f"-s3.port={self.port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self._identities}",
            f"-master.port={master}",
            f"-volume.port={volume}",
            f"-filer.port={filer}",
            "-volume.max=8",
            "-master.volumeSizeLimitMB=64",
        ]

    def _has_bucket(self) -> bool:
        try:
            self.objects.make_bucket()
        except (ObjectsUnavailable, ObjectsRefused):
            return False
        return True


def weed() -> Path:
    """Find SeaweedFS's program beside this Python."""
    beside = Path(sys.executable).with_name("weed")
    return beside if beside.exists() else Path(shutil.which("weed") or "weed")
