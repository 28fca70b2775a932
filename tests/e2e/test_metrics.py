"""What Prometheus reads of a running service."""

from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from jobstore.clock import now_ms
from jobstore.store import Store
from local.stack import Stack

FEW = 10  # values of a label


def scrape(stack: Stack) -> dict[tuple[str, ...], float]:
    answer = httpx2.get(f"{stack.url}/metrics", headers={"X-API-Key": stack.key})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_happens_is_counted(stack: Stack) -> None:
    before = scrape(stack)
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"
    after = scrape(stack)
    completed = ("wan22_jobs", "completed")
    assert after[completed] > before[completed]
    assert after["wan22_jobs", "queued"] == after["wan22_queue_age_seconds",] == 0
    assert after["wan22_outbox_owed", "no"] == after["wan22_outbox_owed", "yes"] == 0
    for stage in ("render", "deliver"):
        assert after["wan22_stage_up", stage] == after["wan22_stage_ready", stage] == 1
    assert after["wan22_disk_free_bytes",] > 0


def test_nothing_is_shown_that_the_readme_does_not_tell(stack: Stack) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    shown = {name for name, *_ in scrape(stack)}
    assert len(shown) >= 8
    assert not [name for name in shown if f"`{name}`" not in readme]


def test_a_card_is_told_of_as_the_renderer_saw_it(stack: Stack) -> None:
    """There is none here, so a stage of another machine says that it has one."""
    assert not [name for name, *_ in scrape(stack) if name.startswith("wan22_gpu")]
    store = Store.open(f"sqlite:///{stack.folder / 'jobs.db'}", stack.folder / "work" / "wake")
    figures = {"memory_used_bytes": 2.0**34, "utilization_ratio": 0.5}
    facts = {"owner": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "state": "ready", "card": figures}
    store.stages.beat("render", "~another", facts, now_ms())
    try:
        after = scrape(stack)
        assert after["wan22_gpu_memory_used_bytes",] == 2.0**34
        assert after["wan22_gpu_utilization_ratio",] == 0.5
        assert ("wan22_gpu_temperature_celsius",) not in after
    finally:
        store.stages.leave("render", "~another")
        store.close()


def test_no_label_has_many_values(stack: Stack) -> None:
    values: dict[str, int] = {}
    for name, *labels in scrape(stack):
        values[name] = values.get(name, 0) + bool(labels)
    assert max(values.values()) < FEW


def test_a_queue_that_waits_is_seen(stack: Stack) -> None:
    """Nobody renders meanwhile."""
    stack.processes["render"].end()
    job_id = stack.client.submit("a red circle moves right")["job_id"]
    waiting = scrape(stack)
    assert waiting["wan22_jobs", "queued"] == 1
    assert waiting["wan22_queue_age_seconds",] > 0
    assert waiting["wan22_stage_up", "render"] == 0
    stack.up("render")
    assert list(stack.client.follow(job_id, patience_s=60))[-1]["status"] == "completed"
