"""What ends a render before its end, without anything being broken."""


class Stopped(Exception):
    """The stage was told to stop."""


class Cancelled(Exception):
    """Somebody asked for the job to be cancelled."""


class DeadlineExceeded(Exception):
    """A job was rendered for longer than it may; the message is for whoever asked for it."""

    def __init__(self, deadline_s: float) -> None:
        """Say how long that is."""
        super().__init__(
            f"It was rendered for {deadline_s:.0f} s (DEADLINE_S) and is not done. Ask for less, or"
            " raise the limit."
        )
