"""How long things are kept."""

import math
from typing import Annotated

from pydantic import Field

from jobstore.job import Job
from jobstore.moves import State
from jobstore.settings import Settings

Age = Annotated[float, Field(ge=0)]
NEVER = -1  # before every moment: nothing is as old as that


class KeepSettings(Settings):
    """How long each kind of thing is kept, in seconds; `inf` is for ever."""

    keep_videos_s: Age = Field(
        2_592_000, description="a video in the storage or on the disk, since it was completed"
    )
    keep_outputs_s: Age = Field(
        86_400, description="the copy of a video on the disk, since its delivery"
    )
    keep_images_s: Age = Field(
        604_800, description="a picture, since the last job that starts from it has ended"
    )
    keep_strays_s: Age = Field(86_400, description="files that belong to no job, or to no claim")
    keep_embeddings_s: Age = Field(2_592_000, description="the embedding of a text, unused")
    keep_inputs_s: Age = Field(2_592_000, description="what is left of dropped job files")
    keep_jobs_s: Age = Field(7_776_000, description="a job that has ended, and has no video")
    keep_deleted_s: Age = Field(86_400, description="the trace of a job that was deleted")

    def expires_at(self, job: Job) -> int | None:
        """Tell when the video of a job ends, or ended; None if there is none, or it never does."""
        if job.state is not State.COMPLETED or job.ended_at is None:
            return job.expired_at
        if math.isinf(self.keep_videos_s):
            return job.expired_at
        planned = job.ended_at + int(self.keep_videos_s * 1000)
        return planned if job.expired_at is None else min(planned, job.expired_at)


def before(age_s: float, now: int) -> int:
    """Tell the moment at and before which a thing is as old as that; `NEVER` if none can be."""
    return NEVER if math.isinf(age_s) else now - int(age_s * 1000)
