"""What can be wrong with a checkpoint on this machine, and who can mend it."""

from pathlib import Path

from jobstore.errors import Wan22Error


class SetupRefused(Wan22Error):
    """The weights cannot be brought here as things are: do what the message says, and run again."""


class NotWhole(OSError):
    """The checkpoint is not what its manifest says.

    No job is at fault: let them wait, and have a person run the set-up.
    """

    def __init__(self, folder: Path, fault: str) -> None:
        """Name the folder, and what is wrong with it."""
        super().__init__(f"{folder}: {fault}; run bin/setup --weights {folder}")
