"""What can go wrong, by who can do something about it.

The docstring of an error is its default message and tells the catcher what to do.
"""


class Wan22Error(Exception):
    """The root of every error that wan22 raises on purpose."""

    def __init__(self, message: str = "") -> None:
        """Take the message, or else the first line of the docstring."""
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class SettingsWrong(Wan22Error):
    """A setting is missing or wrong: mend the environment and start again."""

    def __init__(self, faults: list[str]) -> None:
        """Keep every fault, so that all of them are mended in one go."""
        super().__init__("\n".join(faults))
        self.faults = faults


class StoreUnavailable(Wan22Error):
    """The job store cannot be used right now: nothing was changed, try again later."""


class StoreFull(StoreUnavailable):
    """There is no room for the job store: nothing was changed, make room on its disk."""


class StoreRefused(Wan22Error):
    """This job store must not be used as it is: an administrator has to look."""


class MoveRefused(Wan22Error):
    """The database refused a write that must never be: a fault in our code, look at it."""


class KeyReused(Wan22Error):
    """This idempotency key was used for another request: send a new key with a new request."""


class QueueFull(Wan22Error):
    """Too much waits already: nothing was changed, send it again later."""


class KeyQueueFull(QueueFull):
    """Too many jobs of this key wait: nothing was changed, send it again later."""


class KeyBusy(QueueFull):
    """Too many jobs of this key are being rendered: nothing was changed, send it again later."""


class NameWrong(Wan22Error):
    """This cannot be the name of a key: choose another."""


class LeaseLost(Wan22Error):
    """The job was given to somebody else: drop the work, it changes nothing any more."""


class ObjectsUnavailable(Wan22Error):
    """The object storage cannot be reached or is busy: try again later."""


class ObjectsRefused(Wan22Error):
    """The object storage refuses us (credentials, bucket, policy): a person has to mend it."""


class ObjectMissing(Wan22Error):
    """There is no such object: it was removed from the storage, by a person or by a rule of it."""


class KeyTaken(Wan22Error):
    """Another job's object stands under this key: never overwrite it, call for a person."""


class OutputLost(Wan22Error):
    """The rendered file is gone or was altered before its upload: the job cannot be delivered."""


class VideoDiffers(Wan22Error):
    """A video file is not the one its sidecar tells of: get it again from the storage."""


class FetchRefused(Wan22Error):
    """The URL cannot be fetched: use one that anybody on the internet can open over https.

    Nobody outside learns more than that: a precise answer would tell a stranger what there is in
    our network. The reason is for our log.
    """

    def __init__(self, reason: str, detail: object = "") -> None:
        """Keep the reason, a word, and its detail apart from the message."""
        super().__init__()
        self.reason = reason
        self.detail = str(detail)


class MetadataUnavailable(Wan22Error):
    """The metadata service of EC2 does not answer: this is no instance, or it may not be asked."""
