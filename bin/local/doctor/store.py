"""The job store: its library, its bytes, its schema."""

from jobstore import settings
from jobstore.errors import StoreRefused, StoreUnavailable
from jobstore.settings import Settings
from jobstore.soundness import Soundness, look
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine

RESTORE = "stop wan22, then: bin/wan22 restore FILE"


def store(machine: Machine) -> Finding:
    """Look at the job store without changing it."""
    try:
        seen = look(settings.read(Settings), whole=machine.deep)
    except FileNotFoundError as error:
        return warn(f"there is none yet at {error}", "start the gateway, which makes it")
    except StoreRefused as error:
        return fail(str(error), RESTORE)
    except StoreUnavailable as error:
        return fail(str(error), "look at DATABASE_URL, and whether the server runs")
    return judged(seen, deep=machine.deep)


def judged(seen: Soundness, *, deep: bool) -> Finding:
    """Judge what was seen of it."""
    found = f"{seen.name}, migration {seen.migration} of {seen.known}"
    if seen.damage:
        return fail(f"{found}, damaged: {seen.damage}", RESTORE)
    if seen.migration > seen.known:
        return fail(f"{found}: made by a newer wan22", "update wan22: bin/update")
    if seen.migration < seen.known:
        return warn(f"{found}: an older wan22 runs, or none has run", "restart the gateway")
    return ok(f"{found}, {'every page was checked' if deep else 'sound'}")
