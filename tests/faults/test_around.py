"""Whole processes killed between a file, the store and the storage: the steps around the store."""

import signal
from collections.abc import Callable, Iterator

import httpx2
import pytest

from jobstore.clock import now_ms
from jobstore.store import Store
from local.stack import Stack

PROMPT = "a red circle moves right"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("around")) as stack:
        stack.start()
        yield stack


@pytest.fixture
def killed_at(stack: Stack) -> Iterator[Callable[[str, str], None]]:
    """Start a process anew, to be killed at a step; afterwards it is started as usual."""
    touched = []

    def arm(name: str, place: str) -> None:
        touched.append(name)
        stack.processes[name].end()
        stack.launch(name, FAILPOINT=f"kill:{place}")
        stack.wait(name)

    yield arm
    for name in touched:
        if not stack.processes[name].alive:
            stack.up(name)


def events(stack: Stack, name: str, job_id: str) -> list[str]:
    lines = (stack.folder / "logs" / f"{name}.log").read_text().splitlines()
    return [line.partition('"event": "')[2].partition('"')[0] for line in lines if job_id in line]


def completed(stack: Stack, job_id: str) -> None:
    """See the job to its end, and that it left one whole object and no scrap."""
    last = list(stack.client.follow(job_id))[-1]
    assert last["status"] == "completed"
    assert len(stack.s3.videos_of(job_id)) == 1
    assert httpx2.get(last["video_url"]).content[4:8] == b"ftyp"
    assert not list((stack.folder / "work").glob(f"{job_id}*"))


def test_a_whole_video_is_not_rendered_again(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    killed_at("render", "render.published")
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["render"].wait_for_end() == -signal.SIGKILL
    stack.up("render")
    completed(stack, job_id)
    assert "render.adopted" in events(stack, "render", job_id)
    assert len(list((stack.folder / "outputs").glob(f"{job_id}*"))) == 3, "it, sidecar and poster"


def test_a_stored_object_is_not_stored_again(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    killed_at("deliver", "deliver.stored")
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["deliver"].wait_for_end() == -signal.SIGKILL
    (before,) = stack.s3.videos_of(job_id)
    stack.up("deliver")
    completed(stack, job_id)
    assert stack.s3.videos_of(job_id)[0]["LastModified"] == before["LastModified"]


def test_a_render_that_was_killed_goes_on_from_its_last_kept_step(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    killed_at("render", "checkpoint.written")
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["render"].wait_for_end() == -signal.SIGKILL
    stack.up("render")
    completed(stack, job_id)
    assert "render.resumed" in events(stack, "render", job_id)
    assert "checkpoint.refused" not in events(stack, "render", job_id)


@pytest.mark.long
@pytest.mark.parametrize(
    "place",
    ["render.encoded", "render.described", "render.pictured", "finish.owed", "claim.committed"],
)
def test_a_renderer_killed_anywhere_is_taken_over_from(
    stack: Stack, killed_at: Callable[[str, str], None], place: str
) -> None:
    killed_at("render", place)
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["render"].wait_for_end() == -signal.SIGKILL
    stack.up("render")
    completed(stack, job_id)


@pytest.mark.long
def test_a_renderer_killed_while_it_adopts_leaves_the_video_whole(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    killed_at("render", "render.published")
    job_id = stack.client.submit(PROMPT)["job_id"]
    stack.processes["render"].wait_for_end()
    stack.launch("render", FAILPOINT="kill:render.adopted")
    assert stack.processes["render"].wait_for_end() == -signal.SIGKILL
    stack.up("render")
    completed(stack, job_id)


@pytest.mark.long
def test_a_delivery_killed_before_the_video_goes_stores_one(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    killed_at("deliver", "deliver.accompanied")
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["deliver"].wait_for_end() == -signal.SIGKILL
    assert stack.s3.videos_of(job_id) == []
    stack.up("deliver")
    completed(stack, job_id)


@pytest.mark.long
def test_a_video_that_is_kept_is_kept_once(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    """Without a bucket, killed right after; then the bucket is there, and it is delivered."""
    killed_at("deliver", "deliver.accompanied")
    stack.processes["deliver"].end()
    stack.launch("deliver", FAILPOINT="kill:keep.committed", S3_BUCKET="", S3_REGION="")
    job_id = stack.client.submit(PROMPT)["job_id"]
    assert stack.processes["deliver"].wait_for_end() == -signal.SIGKILL
    assert stack.client.status(job_id)["status"] == "completed"
    stack.up("deliver")
    stack.processes["deliver"].wait_until(lambda: bool(stack.s3.videos_of(job_id)))
    completed(stack, job_id)


@pytest.mark.long
def test_a_removal_cut_short_is_done_again(
    stack: Stack, killed_at: Callable[[str, str], None]
) -> None:
    job_id = stack.client.submit(PROMPT)["job_id"]
    completed(stack, job_id)
    killed_at("deliver", "removal.done")
    store = Store.open(f"sqlite:///{stack.folder / 'jobs.db'}", stack.folder / "work" / "wake")
    assert store.jobs.delete(job_id, now_ms())
    assert stack.processes["deliver"].wait_for_end() == -signal.SIGKILL
    stack.up("deliver")
    assert stack.s3.objects_of(job_id) == []
    store.close()


@pytest.mark.parametrize("place", ["accept.staged", "accept.committed"])
def test_a_gateway_killed_while_it_accepts_loses_nothing_it_promised(
    stack: Stack, killed_at: Callable[[str, str], None], place: str
) -> None:
    """Nobody got an answer: before the commit there is no job, after it there is a whole one."""
    store = Store.open(f"sqlite:///{stack.folder / 'jobs.db'}", stack.folder / "work" / "wake")
    before = {job.job_id for job in store.views.page(100)}
    killed_at("gateway", place)
    with pytest.raises(httpx2.TransportError):
        stack.client.submit(PROMPT)
    assert stack.processes["gateway"].wait_for_end() == -signal.SIGKILL
    stack.up("gateway")
    made = {job.job_id for job in store.views.page(100)} - before
    assert len(made) == (1 if place == "accept.committed" else 0)
    for job_id in made:
        completed(stack, job_id)
    store.close()
