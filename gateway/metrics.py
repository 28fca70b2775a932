"""`GET /metrics`: the state of the service as Prometheus reads it, looked up at each scrape."""

import shutil
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from gateway.health import STAGES, living_stages
from gateway.parts import Parts, in_thread, parts_of
from jobstore.clock import now_ms

DAY_MS = 86_400_000
CARD = {
    "memory_used_bytes": "Memory of the card in use, by all processes.",
    "memory_bytes": "Memory of the card.",
    "utilization_ratio": "Share of the last moment in which the card worked.",
    "temperature_celsius": "Temperature of the card.",
}


async def metrics(request: Request) -> Response:
    """Answer in the text format of Prometheus."""
    parts = parts_of(request)
    text = await in_thread(parts.reads, scrape, parts)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def scrape(parts: Parts) -> bytes:
    """Write down all figures of this moment."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(parts))
    return bytes(generate_latest(registry))


class Figures:
    """The figures of one scrape; labels have few values, never an id."""

    def __init__(self, parts: Parts) -> None:
        """Take them from the store and from what the stages say of themselves."""
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """List them; the name is the library's."""
        yield from self._jobs()
        yield from self._stages()
        yield from self._credentials()
        free = shutil.disk_usage(self._parts.settings.data_dir).free
        yield gauge("wan22_disk_free_bytes", "Free disk where DATA_DIR lies.", free)

    def _jobs(self) -> Iterator[Metric]:
        views, now = self._parts.store.views, now_ms()
        jobs = GaugeMetricFamily(
            "wan22_jobs",
            "Jobs by state; of those that have ended, the last 24 hours'.",
            labels=["state"],
        )
        for state, count in views.counts(now - DAY_MS).items():
            jobs.add_metric([state], count)
        yield jobs
        backlog = views.backlog()
        accepted_at = backlog.oldest_accepted_at
        age_s = (now - accepted_at) / 1000 if accepted_at else 0
        yield gauge("wan22_queue_age_seconds", "How long the oldest queued job waits.", age_s)
        owed = GaugeMetricFamily(
            "wan22_outbox_owed",
            "Deliveries that are owed, by whether a try has failed.",
            labels=["failed"],
        )
        owed.add_metric(["no"], backlog.owed - backlog.failing)
        owed.add_metric(["yes"], backlog.failing)
        yield owed
        about = "Webhooks that were given up."
        yield gauge("wan22_webhooks_dead", about, backlog.untold)

    def _stages(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("wan22_stage_up", "Whether a stage beats.", labels=["stage"])
        ready = GaugeMetricFamily("wan22_stage_ready", "Whether it can work.", labels=["stage"])
        state = GaugeMetricFamily(
            "wan22_stage_state", "1 for what a stage says of itself.", labels=["stage", "state"]
        )
        spent = CounterMetricFamily(
            "wan22_phase_seconds",
            "Seconds spent in each phase since render began.",
            labels=["phase"],
        )
        living = {stage.name: stage.facts for stage in living_stages(self._parts)}
        for name in STAGES:
            up.add_metric([name], float(name in living))
            said = str(living.get(name, {}).get("state", "down"))
            ready.add_metric([name], float(said == "ready"))
            state.add_metric([name, said], 1)
        phases = living.get("render", {}).get("phases_s", {})
        for phase, seconds in phases.items() if isinstance(phases, dict) else ():
            spent.add_metric([phase], seconds)
        yield from (up, ready, state, spent)
        card = living.get("render", {}).get("card") or {}
        for name, about in CARD.items():
            if name in card:
                yield gauge(f"wan22_gpu_{name}", about, card[name])

    def _credentials(self) -> Iterator[Metric]:
        objects = self._parts.objects
        ends_at = objects.credentials_end_at() if objects else None
        if ends_at is not None:
            about = "When the credentials end that links are signed with, in Unix time."
            yield gauge("wan22_credentials_end_timestamp_seconds", about, ends_at / 1000)


def gauge(name: str, about: str, value: float) -> Metric:
    """Make a figure that has no labels."""
    figure = GaugeMetricFamily(name, about)
    figure.add_metric([], value)
    return figure
