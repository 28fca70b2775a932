"""A real small disk, full: the gateway refuses aloud, keeps what it took in, and goes on."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pysqlite3 as driver
import pytest

from local.running import Running
from local.stack import Stack

MOUNT = ["unshare", "--map-root-user", "--mount"]
MOUNTED = """
mount -t tmpfs -o size=7m small "$DATA_DIR" && head -c 5m /dev/zero > "$DATA_DIR/ballast" &&
exec "$0" -P -m gateway
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[Stack, Running]]:
    """A gateway that alone sees a disk of 7 MB in its DATA_DIR, of which 5 are taken."""
    may = subprocess.run([*MOUNT, "true"], capture_output=True, text=True, check=False)
    assert may.returncode == 0, (
        f"this test mounts a disk that only it can see, which is refused: {may.stderr.strip()};"
        " run it as root, or allow it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )
    folder = tmp_path / "small"
    folder.mkdir()
    with Stack(tmp_path, env={"DATA_DIR": str(folder)}) as stack:
        stack.processes["gateway"] = Running(
            [*MOUNT, "sh", "-c", MOUNTED, sys.executable],
            tmp_path / "logs" / "gateway.log",
            stack.env,
        )
        stack.wait("gateway")
        yield stack, stack.processes["gateway"]


def test_a_full_disk(gateway: tuple[Stack, Running], tmp_path: Path) -> None:
    stack, running = gateway
    inside = Path(f"/proc/{running.pid}/root{stack.env['DATA_DIR']}")
    accepted = []

    def send() -> httpx2.Response:
        answer = httpx2.post(
            f"{stack.url}/generate",
            json={"prompt": "a red circle " * 100},
            headers={"X-API-Key": stack.key},
        )
        if answer.status_code == 202:
            accepted.append(answer.json()["job_id"])
        return answer

    while (answer := send()).status_code == 202:
        assert len(accepted) < 3000, "the disk never fills"
    assert len(accepted) > 20
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert "room" in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    assert stack.client.health()["status"] == "degraded"
    assert [stack.client.status(each)["status"] for each in accepted] == ["queued"] * len(accepted)
    (inside / "ballast").unlink()
    assert send().status_code == 202
    running.tell(signal.SIGSTOP)
    copy = shutil.copytree(inside, tmp_path / "as it would lie after a power cut")
    running.tell(signal.SIGCONT)
    with driver.connect(str(copy / "jobs.db")) as connection:
        found = [job_id for (job_id,) in connection.execute("SELECT job_id FROM jobs ORDER BY seq")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert found == accepted
