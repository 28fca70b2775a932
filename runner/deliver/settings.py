"""What the delivery stage has to know."""

from jobstore.keeping import KeepSettings
from jobstore.settings import StorageSettings
from jobstore.webhooks import WebhookSettings


class DeliverSettings(WebhookSettings, StorageSettings, KeepSettings):
    """Where videos go, how long they stay there, and what webhooks are signed with."""
