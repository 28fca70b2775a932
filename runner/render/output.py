"""The videos on this machine's disk: unfinished in `work/`, whole in `outputs/`.

Every name carries the job and the fence of the claim that made it. An older claim, should it wake
up again, can therefore neither overwrite nor remove what a newer one has made.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jobstore.failpoints import failpoint
from jobstore.files import publish, sync_folder
from jobstore.job import Job, Video
from jobstore.moves import State
from jobstore.settings import Settings
from jobstore.views import Views
from runner.remains import WORK_FILE

BESIDE = (".json", ".jpg")  # the sidecar and the poster


@dataclass(frozen=True)
class Output:
    """Where the video of one claim lies."""

    settings: Settings
    job: Job

    @property
    def work(self) -> Path:
        """Its file while it is being made."""
        return self.settings.work / f"{self.job.job_id}.{self.job.fence}.mp4"

    @property
    def whole(self) -> Path:
        """Its file once it is whole."""
        return self.settings.outputs / f"{self.job.job_id}.{self.job.fence}.mp4"

    @property
    def sidecar(self) -> Path:
        """The file that tells of it."""
        return self.whole.with_suffix(".json")

    def measure(self) -> Video:
        """Measure the finished work file, as what it is to be published as."""
        return self._measured(self.work)

    def publish(self, sidecar: bytes, poster: bytes) -> None:
        """Give the finished work file its public name, durably; what lies beside it goes first."""
        self._publish_beside(".json", sidecar)
        failpoint("render.described")
        self._publish_beside(".jpg", poster)
        failpoint("render.pictured")
        publish(self.work, self.whole)
        failpoint("render.published")
        self._forget_earlier()

    def _publish_beside(self, suffix: str, content: bytes) -> None:
        work = self.work.with_suffix(suffix)
        work.write_bytes(content)
        publish(work, self.whole.with_suffix(suffix))

    def adopt(self) -> Video | None:
        """Take over the whole file of an earlier claim that ended before it could say so."""
        for earlier in self.settings.outputs.glob(f"{self.job.job_id}.*.mp4"):
            earlier.rename(self.whole)
            failpoint("render.adopted")
            sync_folder(self.settings.outputs)
            video = self._measured(self.whole)
            self._adopt_sidecar(video)
            return video
        return None

    def picture(self, poster: bytes) -> None:
        """Lay a poster beside a video that was taken over, in place of any there may be."""
        self._publish_beside(".jpg", poster)

    def _adopt_sidecar(self, video: Video) -> None:
        """Take over what tells of this very video, if anything does."""
        for earlier in self.settings.outputs.glob(f"{self.job.job_id}.*.json"):
            if video.sha256.encode() in earlier.read_bytes():
                earlier.rename(self.sidecar)
        self._forget_earlier()

    def _forget_earlier(self) -> None:
        """Remove what claims before this one left that ended before their video was whole."""
        for suffix in BESIDE:
            for file in self.settings.outputs.glob(f"{self.job.job_id}.*{suffix}"):
                if int(file.name.split(".")[1]) < self.job.fence:
                    file.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what this claim has made; nobody else's."""
        self.discard_work()
        for suffix in (".mp4", *BESIDE):
            self.whole.with_suffix(suffix).unlink(missing_ok=True)

    def discard_work(self) -> None:
        """Remove what this claim has not finished."""
        for suffix in (".mp4", *BESIDE):
            self.work.with_suffix(suffix).unlink(missing_ok=True)

    def _measured(self, file: Path) -> Video:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        path = PurePosixPath(self.whole.relative_to(self.settings.data_dir))
        return Video(path, file.stat().st_size, sha256)


def sweep(settings: Settings, views: Views) -> list[Path]:
    """Remove the work files of claims that are over; answers which.

    A checkpoint stays as long as its job may be rendered again, whichever claim has made it.
    """
    swept = []
    for file in settings.work.iterdir():
        name = WORK_FILE.fullmatch(file.name)
        if name is None or not file.is_file():
            continue
        job = views.find(name["job_id"])
        if job is None:
            wanted = False
        elif name["suffix"] == "ckpt":
            wanted = job.state in {State.QUEUED, State.PROCESSING}
        else:
            wanted = job.state is State.PROCESSING and str(job.fence) == name["fence"]
        if not wanted:
            file.unlink(missing_ok=True)
            swept.append(file)
    return swept
