"""The checkpoint in MODEL_DIR."""

import subprocess
import sys

from jobstore import settings
from jobstore.settings import EMBEDDED_MODEL, ModelSettings
from local.doctor.finding import Finding, fail, ok, warn
from local.doctor.machine import Machine
from runner.render.weights.faults import NotWhole
from runner.render.weights.manifest import Manifest, look_at

BRING = "bin/setup --weights"


def weights(machine: Machine) -> Finding:
    """Look at the description, at the sizes of all files, and with --deep at every byte."""
    given = settings.read(ModelSettings)
    folder, can = given.model, given.abilities()
    found = f"{can.name} ({can.revision}) in {folder}"
    if folder == EMBEDDED_MODEL:
        return ok(f"{found}: the embedded model, for trying things out")
    try:
        look_at(folder)
    except NotWhole as error:
        return fail(str(error), f"{BRING} {folder}")
    if Manifest.read(folder) is None:
        return warn(f"{found}, without a manifest", f"none for a model of your own; else: {BRING}")
    if not machine.deep:
        return ok(f"{found}: all files have their size (--deep reads every byte)")
    command = [sys.executable, "-P", "-m", "runner.render.weights", "--check", str(folder)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        lines = asked.stderr.strip().splitlines() or [f"it ended with {asked.returncode}"]
        return fail("; ".join(lines[-3:]), f"{BRING} {folder}")
    return ok(f"{found}: every byte was read")
