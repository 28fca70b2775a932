"""What ends a render before its end, though the machine is as it should be."""


class Stopped(Exception):
    """The stage was told to stop."""


class Cancelled(Exception):
    """Somebody asked for the job to be cancelled."""


class Hopeless(Exception):
    """A job fails for good: to try again would end the same way.

    The message is for whoever asked for it; `error_code` is what programs go by.
    """

    error_code: str


class DeadlineExceeded(Hopeless):
    """A job was rendered for longer than it may."""

    error_code = "deadline_exceeded"

    def __init__(self, deadline_s: float) -> None:
        """Say how long that is."""
        super().__init__(
            f"It was rendered for {deadline_s:.0f} s (DEADLINE_S) and is not done. Ask for less, or"
            " raise the limit."
        )
