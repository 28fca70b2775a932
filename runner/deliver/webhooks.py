"""Telling whoever wants to know that a job has ended: one webhook, one try."""

import random
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import SecretStr
from structlog.stdlib import get_logger

from jobstore.clock import now_ms
from jobstore.errors import FetchRefused
from jobstore.failpoints import failpoint
from jobstore.fetch import Fetcher
from jobstore.job import Delivery, Job
from jobstore.outbox import Outbox
from jobstore.webhooks import WebhookSettings, reach_of, scheme_of
from runner.deliver.event import body_of, headers_of

log = get_logger()

PAUSES_S = (5, 60, 600, 3600, 21_600)
"""How long to wait after each failure; after the one behind the last, it is given up."""
JITTER = 0.1  # of a pause, so that what failed together does not come back together
UNREACHED = "The receiver could not be reached."
UNSIGNED = "WEBHOOK_SECRET is not set, so nothing can be signed."


class Webhooks:
    """Sends webhooks, signed, to where they may go."""

    def __init__(
        self,
        outbox: Outbox,
        secret: SecretStr | None,
        fetchers: Mapping[str, Fetcher],
        dice: random.Random,
    ) -> None:
        """Take what they are signed with, if there is a secret, and what sends them, by scheme."""
        self._outbox = outbox
        self._secret = secret
        self._fetchers = fetchers
        self._dice = dice

    @classmethod
    def of(cls, given: WebhookSettings, outbox: Outbox, dice: random.Random) -> "Webhooks":
        """Make it as the settings say."""
        exempt = given.webhook_exempt
        fetchers = {scheme: Fetcher(reach_of(scheme, exempt)) for scheme in ("https", "http")}
        return cls(outbox, given.webhook_secret, fetchers, dice)

    def pay(self, delivery: Delivery, job: Job) -> None:
        """Tell the end of a job once; what becomes of it is recorded and logged.

        Raises:
            LeaseLost, StoreUnavailable: as each says.
        """
        if self._secret is None:
            log.error("webhook.blocked", error=UNSIGNED)
            self._fail(delivery, UNSIGNED)
            return
        try:
            status = self._send(self._secret, delivery.key, job)
        except FetchRefused as error:
            self._fail(delivery, UNREACHED, reason=error.reason, detail=error.detail)
            return
        if HTTPStatus(200) <= status < HTTPStatus.MULTIPLE_CHOICES:
            failpoint("webhook.sent")
            self._outbox.tell(delivery, now_ms())
            log.info("webhook.delivered", webhook_id=delivery.key, status=status)
        elif status == HTTPStatus.GONE:
            self._give_up(delivery, "The receiver answered 410: it wants no more.")
        else:
            self._fail(delivery, f"The receiver answered {status}.")

    def _send(self, secret: SecretStr, event_id: str, job: Job) -> int:
        url = job.webhook_url or ""
        fetcher = self._fetchers.get(scheme_of(url))
        if fetcher is None:
            raise FetchRefused("scheme")
        body = body_of(job, event_id)
        headers = headers_of(secret.get_secret_value(), event_id, body, now_ms())
        return fetcher.send(url, body, headers)

    def _fail(self, delivery: Delivery, error: str, **why: str) -> None:
        """Try it again later, or never: the row tells its owner little, the log has the reason."""
        if delivery.attempt > len(PAUSES_S):
            self._give_up(delivery, error, **why)
            return
        pause_s = pause_after(delivery.attempt, self._dice)
        self._outbox.postpone(delivery, now_ms() + int(pause_s * 1000), error)
        log.warning("webhook.postponed", error=error, again_in_s=round(pause_s, 1), **why)

    def _give_up(self, delivery: Delivery, error: str, **why: str) -> None:
        self._outbox.give_up(delivery, error)
        log.error("webhook.abandoned", webhook_id=delivery.key, error=error, **why)


def pause_after(attempt: int, dice: random.Random) -> float:
    """Choose the pause after a try that failed, in seconds; tries count from 1."""
    return PAUSES_S[attempt - 1] * dice.uniform(1, 1 + JITTER)
