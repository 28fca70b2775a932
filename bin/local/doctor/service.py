"""The service that runs, as it tells of itself; and with --deep, a whole small render."""

import tempfile
from pathlib import Path
from typing import Any

import httpx2

from gateway.client import Client, Refused
from gateway.settings import GatewaySettings
from jobstore import settings
from jobstore.errors import SettingsWrong
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

Answer = dict[str, Any]
START = "bin/start, or sudo systemctl start wan22.target"
MENDS = {
    "down": f"{START}; then: journalctl -u wan22-{{stage}} -n 50",
    "loading": "wait: the model comes from the disk",
    "draining": "wait: the machine is being stopped, and takes up again once it runs on",
    "resting": "journalctl -u wan22-{stage} -p err says which fault of the machine it met",
    "disk_low": "make room: bin/wan22 prune --dry-run",
    "storage_away": "wait: it is tried again; see the check bucket",
    "storage_refused": "see the check bucket",
    "stopping": START,
}
FRAMES, STEPS = 5, 4
CLIP_S = 3000.0


def service(machine: Machine) -> Finding:
    """Ask `GET /health`."""
    answer = health(machine)
    if not answer:
        return warn(f"nothing answers at {machine.service()[0]}", START)
    states = ", ".join(f"{stage} {state}" for stage, state in answer["stages"].items())
    if answer["status"] == "ok":
        return ok(f"{states}; {answer['model']} on {answer['gpu'] or 'the CPU'}")
    mends = [
        MENDS.get(state, "GET /health says more").format(stage=stage)
        for stage, state in answer["stages"].items()
        if state != "ready"
    ]
    return warn(
        f"{answer['status']}: {states}, disk {answer['disk']}", "; ".join(mends) or "make room"
    )


def health(machine: Machine) -> Answer:
    """Ask how the service is; empty if none of ours answers."""
    try:
        with connected(machine) as client:
            answer = client.health()
    except (httpx2.HTTPError, OSError, ValueError, Refused, SettingsWrong):
        return {}
    return answer if "stages" in answer else {}


def stages(machine: Machine) -> dict[str, str]:
    """Tell the state of each stage; empty if none answers."""
    return dict(health(machine).get("stages", {}))


def connected(machine: Machine, timeout_s: float = 5) -> Client:
    """Make a client of the service that these settings are for."""
    url, authority = machine.service()
    key = settings.read(GatewaySettings).api_secret_key.get_secret_value()
    return Client(url, key, timeout_s, authority)


def clip(machine: Machine) -> Finding:
    """Render the smallest video through the API, see that it arrives, and delete it."""
    if not health(machine):
        return fail("nothing answers, so nothing can be rendered", START)
    with connected(machine, timeout_s=30) as client:
        can = client.capabilities()
        job_id = client.submit(
            "a red circle moves right",
            size=smallest(can),
            num_frames=FRAMES,
            steps=max(STEPS, can["presets"]["quality"]["steps_least"]),
            priority=100,
        )["job_id"]
        status: Answer = {}
        try:
            for status in client.follow(job_id, every_s=0.5, patience_s=CLIP_S):
                machine.say(f"{status['phase'] or status['status']} {status['progress']} %")
            if status["status"] != "completed":
                return fail(
                    f"job {job_id} {status['status']} ({status['error_code']}): {status['error']}",
                    f"journalctl -u wan22-render -o cat | jq 'select(.job_id == \"{job_id}\")'",
                )
            size = arrived(client, job_id, status)
        finally:
            tidy(client, job_id)
    return ok(f"{status['width']}x{status['height']}, {FRAMES} frames: {size} bytes arrived")


def smallest(can: Answer) -> str:
    """Choose the smallest size that the model takes."""
    if can["sizes_by_area"]:
        side = can["sizes_by_area"]["side_least"]
        return f"{side}x{side}"
    sizes: list[str] = can["sizes"]
    return min(sizes, key=lambda size: int(size.split("x")[0]) * int(size.split("x")[1]))


def arrived(client: Client, job_id: str, status: Answer) -> int:
    """Fetch the video from the service, and by its link if it leads to S3; its size in bytes.

    Raises:
        Refused: the service has none.
        httpx2.HTTPError: the link does not lead to it.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours, linked = Path(folder) / "ours.mp4", Path(folder) / "linked.mp4"
        client.video(job_id, ours)
        if f"/{job_id}/video" not in status["video_url"]:
            client.fetch(status["video_url"], linked)
            if linked.read_bytes() != ours.read_bytes():
                message = "the link leads to another video than the service has"
                raise Refused(message)
        return ours.stat().st_size


def tidy(client: Client, job_id: str) -> None:
    """Leave nothing of the job: cancel it if it goes on, and delete it once it has ended."""
    status = client.status(job_id)
    if status["status"] in {"queued", "processing"}:
        client.cancel(job_id)
        status = client.status(job_id, wait_s=30)
    if status["status"] not in {"queued", "processing"}:
        client.delete(job_id)
