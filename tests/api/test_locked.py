"""While another process keeps the job store from being written, who sends a job is told in time."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2
import pytest

from calling import Calling
from locking import locked

SENDERS = 6  # more than write at one time
WITHIN_S = 11
Answers = list[tuple[httpx2.Response, float]]  # and how long each took


def send(api: Calling) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    answer = api.http.post("/generate", json={"prompt": "a red circle"}, timeout=60)
    return answer, time.monotonic() - began


def send_until(api: Calling, end: float) -> Answers:
    """Send jobs one after the other, at least one."""
    answers = [send(api)]
    while time.monotonic() < end:
        answers.append(send(api))
    return answers


def read_meanwhile(api: Calling, job_id: str, sent: Sequence[Future[Answers]]) -> list[float]:
    """Read the status of a job again and again, until all that was sent is answered."""
    took_s = []
    while not all(future.done() for future in sent):
        began = time.monotonic()
        assert api.http.get(f"/status/{job_id}").status_code == 200
        took_s.append(time.monotonic() - began)
    return took_s


@pytest.mark.parametrize("lasts_s", [0, pytest.param(30, marks=pytest.mark.long)])
def test_a_locked_store_is_told_in_time_and_reads_go_on(api: Calling, lasts_s: float) -> None:
    """The job that is read was never read before: even to note that has to wait."""
    job_id = api.submit()
    with locked(api.database_url), ThreadPoolExecutor(SENDERS) as senders:
        end = time.monotonic() + lasts_s
        sent = [senders.submit(send_until, api, end) for _ in range(SENDERS)]
        reads_s = read_meanwhile(api, job_id, sent)
        answers = [pair for future in sent for pair in future.result()]
    assert {api.code(answer) for answer, _ in answers} == {(503, "store_unavailable")}
    assert all(int(answer.headers["retry-after"]) > 0 for answer, _ in answers)
    slowest_s = max(took_s for _, took_s in answers)
    print(
        f"figure: store locked: {len(answers)} jobs refused after at most {slowest_s:.1f} s;"
        f" {len(reads_s)} reads meanwhile, the slowest {max(reads_s):.2f} s"
    )
    assert slowest_s < WITHIN_S
    assert max(reads_s) < WITHIN_S / 2, "a read does not wait for the lock"
    assert len(api.store.views.page(100)) == 1, "nothing was changed, as the answer says"
    assert send(api)[0].status_code == 202
