"""Whether there is room on the disk for more, as the marks say."""

import shutil
import threading
from enum import StrEnum

from structlog.stdlib import get_logger

from jobstore.settings import Settings

log = get_logger()

LOW_SHARE, FULL_SHARE = 10, 20  # of a small disk the marks are at most a tenth and a twentieth


class Room(StrEnum):
    """How much room there is: `low` is enough to take jobs in, not to render more of them."""

    OK = "ok"
    LOW = "low"
    FULL = "full"


class Disk:
    """The disk that `DATA_DIR` lies on.

    What is under way is never stopped for it, and what makes room never is: renders are finished,
    videos delivered and removed. The marks leave room for the job store, which cannot even delete
    without any.
    """

    def __init__(self, settings: Settings) -> None:
        """Look at it only when asked."""
        self._folder = settings.data_dir
        self._marks = {
            Room.FULL: (settings.disk_full_bytes, FULL_SHARE),
            Room.LOW: (settings.disk_low_bytes, LOW_SHARE),
        }
        self._lock = threading.Lock()
        self._said = Room.OK

    @property
    def room(self) -> Room:
        """How much room there is now; a change is told in the log, once.

        Raises:
            OSError: the disk is gone.
        """
        disk = shutil.disk_usage(self._folder)
        marks = {
            room: min(mark, disk.total // share) for room, (mark, share) in self._marks.items()
        }
        room = next((room for room, mark in marks.items() if disk.free < mark), Room.OK)
        with self._lock:
            was, self._said = self._said, room
        if room is not was:
            self._tell(room, disk.free, marks)
        return room

    def may_take(self) -> bool:
        """Tell whether a new job may be taken in, from whomever; ask before anything is written.

        Raises:
            OSError: the disk is gone.
        """
        return self.room is not Room.FULL

    def may_render(self) -> bool:
        """Tell whether another render may begin.

        Raises:
            OSError: the disk is gone.
        """
        return self.room is Room.OK

    def _tell(self, room: Room, free_bytes: int, marks: dict[Room, int]) -> None:
        if room is Room.OK:
            log.info("disk.freed", free_bytes=free_bytes)
        else:
            log.warning("disk.filled", room=room, free_bytes=free_bytes, mark_bytes=marks[room])
