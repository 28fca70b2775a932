"""Where the end of a job may be told: checked before the job is accepted."""

from gateway.problems import Fault
from jobstore.errors import FetchRefused
from jobstore.webhooks import WebhookSettings, check_target

FIELD = "webhook_url"
REFUSED = (
    f"{FIELD} leads nowhere that webhooks go; send an https:// URL that anybody on the internet can"
    " reach."
)
UNSIGNED = (
    f"{FIELD} cannot be used: the service has no WEBHOOK_SECRET to sign with. Leave it out, or have"
    " the owner set one."
)


def target_faults(given: WebhookSettings, url: object) -> list[Fault]:
    """Tell what is wrong with where a job's end is to be told; no text is another check's fault."""
    if not isinstance(url, str):
        return []
    if given.webhook_secret is None:
        return [Fault(FIELD, "webhook_unsigned", UNSIGNED)]
    try:
        check_target(url, given.webhook_exempt)
    except FetchRefused:
        return [Fault(FIELD, "webhook_refused", REFUSED)]
    return []
