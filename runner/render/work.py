"""The work of the render stage: one job after the other, and beside each the end of the last."""

import contextvars
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.disk import Disk
from jobstore.errors import StoreUnavailable
from jobstore.failpoints import failpoint
from jobstore.job import Phase, Video
from jobstore.jobs import STREAK_REST_MS
from jobstore.settings import ModelSettings
from runner.render import film, video
from runner.render.ahead import Ahead
from runner.render.belt import Belt
from runner.render.card import Card
from runner.render.claim import Claim
from runner.render.decode import Frames
from runner.render.draining import Draining
from runner.render.judgement import Rejected
from runner.render.meter import Meter
from runner.render.model import Model, load
from runner.render.output import sweep
from runner.render.sidecar import Course, sidecar, tags
from runner.render.transformer import Speed
from runner.render.weights.readahead import progress
from runner.stage import Stage

log = get_logger()

DISK_LOW = "disk_low"
REST_S = 60.0  # after a fault of the machine, before the next job is tried

Rest = Callable[[], Video]


class Render:
    """The work of the render stage.

    The card works for one job at a time. While it does, another thread makes the video of the job
    before whole (encoding, looking at it, hashing, recording), and a third one encodes the prompt
    of the job that is next.
    """

    grace_s = 120.0  # a step of the 5B takes about 22 s, its decoding up to 90 s

    def __init__(self, stage: Stage, settings: ModelSettings, dice: random.Random) -> None:
        """Render the jobs of the stage's store; `dice` spreads the retries."""
        self.stage = stage
        self.settings = settings
        self.dice = dice
        self._said: dict[str, object] = {"model_loaded": False}
        self._card = Card()
        self.draining = Draining(stage)
        self._disk = Disk(settings)
        self._model: Model | None = None
        self.ahead: Ahead | None = None
        self._rests_until = 0.0
        self._decodes: Counter[str] = Counter()
        self._phases_s: Counter[str] = Counter()
        self.beside = ThreadPoolExecutor(1, "beside")
        self.again: deque[Claim] = deque()
        self._closing: Future[None] | None = None

    @property
    def still_s(self) -> float:
        """For how long a render may go without a step."""
        return self.settings.stall_s

    @property
    def facts(self) -> Mapping[str, object]:
        """What the stage tells of itself, the card of this moment included."""
        card = self._card.figures()
        said = self.draining.over(self._said)
        return {**said, "card": card} if card else said

    def prepare(self) -> None:
        """Load the model; nothing is claimed before."""
        abilities = self.settings.abilities()
        began = time.monotonic()

        def tell(done_bytes: int, total_bytes: int) -> None:
            loading = progress(done_bytes, total_bytes, time.monotonic() - began)
            self._said = {"model_loaded": False, "loading": loading}

        settings = self.settings
        speed = Speed(settings.attention, settings.compile)
        self._model = load(settings.model, abilities, settings.embeddings, tell, speed=speed)
        self.ahead = Ahead(self._model, self.stage.store.views, self.stage.stopping)
        self._sweep()
        self._said = {
            "state": "ready",
            "gpu": self._model.gpu,
            "model": abilities.name,
            "model_loaded": True,
        }

    def run_once(self) -> bool:
        """Claim the next job, if any and if this machine can take one, and see its frames made.

        What is left to do then goes on beside the next call; `settle` waits for it. A job whose
        video turned out broken, in either part, is rendered `again` before another is claimed.
        """
        rests = self.stage.hands_back or time.monotonic() < self._rests_until
        if rests or not self._has_room():
            self._give_back()
            return False
        with self._resting_after_faults():
            self._sweep()
        claim = self.again.popleft() if self.again else self._claim()
        if claim is None:
            return False
        with claim.in_context(), self._resting_after_faults():
            rest = claim.try_to(lambda: self._adopt(claim) or self._render(claim))
            self._wait_for_the_one_before()
            if rest:
                close = partial(self._close, claim, rest)
                self._closing = self.beside.submit(contextvars.copy_context().run, close)
            elif claim.is_held:
                self.again.append(claim)
            if claim.job.attempt > 1:  # it may kill this process again: nobody else shall be in it
                self._wait_for_the_one_before()
        return True

    def settle(self) -> None:
        """Wait until nothing goes on beside; once the stage stops, nothing is held after it."""
        self._wait_for_the_one_before()
        if self.ahead:
            self.ahead.settle()
        if self.stage.stopping.is_set():
            self._give_back()

    def _give_back(self) -> None:
        """Give back what waits to be rendered again: it may be long until then."""
        while self.again:
            claim = self.again.popleft()
            with claim.in_context(), suppress(StoreUnavailable):
                claim.try_to(claim.give_back)

    def _wait_for_the_one_before(self) -> None:
        closing, self._closing = self._closing, None
        if closing:
            closing.result()

    def _sweep(self) -> None:
        """Remove what ended claims left; most of it is gone already, so this lists a folder."""
        for file in sweep(self.settings, self.stage.store.views):
            log.info("work.swept", file=file.name)

    def _claim(self) -> Claim | None:
        self._say_if_resting()  # before, since an error after a claim would leave it to nobody
        lease_ms = int(self.settings.lease_s * 1000)
        job = self.stage.store.jobs.claim(
            self.stage.owner.owner_id, self.stage.host, lease_ms, now_ms()
        )
        if job is None:
            return None
        claim = Claim(self.stage, self.settings, job, self._loaded.abilities, self.dice)
        with claim.in_context():
            log.info("job.claimed", fence=job.fence)
        return claim

    @property
    def _loaded(self) -> Model:
        if self._model is None:
            message = "prepare comes first"
            raise RuntimeError(message)
        return self._model

    def _adopt(self, claim: Claim) -> Rest | None:
        adopted = claim.output.adopt()
        if adopted is None:
            return None
        request = claim.job.request
        shape = (request.num_frames, request.height, request.width)
        try:
            claim.output.picture(video.probe(claim.output.whole, shape, request.fps))
        except Rejected as error:
            log.warning("output.altered", path=str(adopted.path), error=str(error))
            claim.output.discard()
            return None
        log.info("render.adopted", path=str(adopted.path))
        return lambda: adopted

    def _render(self, claim: Claim) -> Rest:
        model, request, output = self._loaded, claim.job.request, claim.output
        encoded: Future[None]
        meter = Meter()

        def tell(phase: Phase, done: int) -> None:
            meter.tell(phase)
            claim.tell(phase, done)
            if self.ahead and phase is Phase.DENOISING:
                self.ahead.look()

        def write(pieces: Iterable[Frames]) -> None:
            nonlocal encoded
            belt = Belt()
            encoded = self.beside.submit(
                encode, belt, output.work, request.fps, tags(claim.job, model.abilities)
            )
            try:
                belt.carry(pieces)
            except BaseException:
                wait([encoded])
                output.discard_work()
                raise

        images = self.settings.images
        kept = claim.kept()
        rung = film.render(
            model, request, images, tell, write, mode=claim.mode, kept=kept, check=claim.check
        )
        self._decodes[rung] += 1
        course = Course(claim.mode, rung, claim.rejected, meter, meter.peaks())
        took_s = meter.timings_s()
        self._phases_s.update(took_s)
        self._said = {**self._said, "decodes": dict(self._decodes), "phases_s": self._phases_s}
        said = {f"{phase}_s": seconds for phase, seconds in took_s.items()}
        log.info("frames.decoded", rung=rung, steps=request.steps, **said)
        return lambda: self._whole(claim, encoded, course)

    def _whole(self, claim: Claim, encoded: Future[None], course: Course) -> Video:
        """Look whether what was encoded is the video that was asked for, and publish it."""
        job, request, output = claim.job, claim.job.request, claim.output
        shape = (request.num_frames, request.height, request.width)
        try:
            encoded.result()
            failpoint("render.encoded")
            poster = video.probe(output.work, shape, request.fps)
            claim.check_wanted()
            made = output.measure()
            output.publish(sidecar(self.settings, job, course, made), poster)
        finally:
            output.discard_work()
        return made

    def _close(self, claim: Claim, rest: Rest) -> None:
        """Make the video of a job whole and let the job go, beside the next render."""
        with self._resting_after_faults(), suppress(StoreUnavailable):
            claim.try_to(lambda: claim.finish(rest()))
            if claim.is_held:
                self.again.append(claim)

    def _say_if_resting(self) -> None:
        """Say aloud when this machine gets no jobs, because different ones crashed on it."""
        resting = self.stage.store.jobs.is_resting(self.stage.host, now_ms())
        if resting and self._said["state"] == "ready":
            log.error("machine.suspected", again_in_s=STREAK_REST_MS / 1000)
        self._said = {**self._said, "state": "resting" if resting else "ready"}

    def _has_room(self) -> bool:
        outputs, images = self.settings.outputs, self.settings.images
        try:
            for folder in (outputs, images):
                folder.mkdir(parents=True, exist_ok=True)
            has_room = self._disk.may_render()
        except OSError as error:
            self._rest(error)
            return False
        if has_room == (self._said.get("state") == DISK_LOW):
            self._said = {**self._said, "state": "ready" if has_room else DISK_LOW}
            self.stage.heartbeat.tick()
        return has_room

    @contextmanager
    def _resting_after_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._rest(error)

    def _rest(self, error: OSError) -> None:
        """Leave the jobs alone for a while: the fault is the machine's, not theirs."""
        self._rests_until = time.monotonic() + REST_S
        log.error("stage.rested", error=str(error), again_in_s=REST_S)


def encode(belt: Belt, path: Path, fps: int, tags: Mapping[str, str]) -> None:
    """Write the frames that a belt brings; what breaks that off breaks off the decoding too."""
    try:
        video.encode(belt, path, fps, tags)
    except BaseException as error:
        belt.break_off(error)
        raise
