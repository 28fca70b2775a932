"""How every process begins and ends: logging first, then its work, then an honest exit code."""

import sys
from collections.abc import Callable

from structlog.stdlib import get_logger

from jobstore import logs
from jobstore.errors import SettingsWrong, Wan22Error

log = get_logger()

EXIT_FAILED = 1
EXIT_SETTINGS = 2


def run(stage: str, work: Callable[[], int]) -> int:
    """Do the work of a process.

    Returns:
        The exit code: 0 after an orderly end, 2 where a setting is wrong, 1 for anything else.
    """
    logs.configure(stage)
    try:
        return work()
    except SettingsWrong as error:
        for fault in error.faults:
            sys.stderr.write(f"{fault}\n")
        return EXIT_SETTINGS
    except Wan22Error as error:
        log.error("stage.refused", error=str(error))
        return EXIT_FAILED
    except Exception:
        log.exception("stage.crashed")
        return EXIT_FAILED
