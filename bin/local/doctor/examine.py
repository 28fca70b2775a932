"""One check is run: whatever it meets, and however long it takes, is what was found."""

import queue
import threading

from jobstore.errors import ObjectsRefused, ObjectsUnavailable, SettingsWrong
from local.doctor.finding import Finding, fail
from local.doctor.machine import Machine
from local.doctor.table import Check

AGAIN = "see what holds it up (network, disk, job store), then: bin/wan22 doctor"


def examine(check: Check, machine: Machine) -> Finding:
    """Run a check for as long as it may take; one that hangs is left behind."""
    answers: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    thread = threading.Thread(
        target=lambda: answers.put(looked(check, machine)), name=check.name, daemon=True
    )
    thread.start()
    try:
        return answers.get(timeout=check.patience_s)
    except queue.Empty:
        return fail(f"no answer within {check.patience_s:g} s", f"{AGAIN} {check.name}")


def looked(check: Check, machine: Machine) -> Finding:
    """Run a check; one that breaks has failed."""
    try:
        return check.look(machine)
    except SettingsWrong as error:
        names = ", ".join(fault.partition(" ")[0] for fault in error.faults)
        return fail(f"not looked at, as these are wrong: {names}", "see the check settings")
    except (ObjectsRefused, ObjectsUnavailable) as error:
        return fail(str(error), "see the check bucket")
    except Exception as error:
        found = f"the check broke: {type(error).__name__}: {error}"
        return fail(found.replace("\n", " "), "mend what it names, or report this line")
