"""What the delivery stage has to know."""

from jobstore.settings import StorageSettings
from jobstore.webhooks import WebhookSettings


class DeliverSettings(WebhookSettings, StorageSettings):
    """Where videos go, and what webhooks are signed with."""
