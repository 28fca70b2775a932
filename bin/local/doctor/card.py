"""The graphics card, its driver, and whether torch was built for it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from local.doctor.finding import Finding, fail, gib, ok, warn
from local.doctor.machine import Machine
from local.doctor.service import stages

NEEDED_BYTES = 20.5 * (1 << 30)
PATIENCE_S = 60
ANEW = "rm -r .venv && bin/prepare gateway,deliver,render,doctor"
Facts = Mapping[str, Any]


def torch(_machine: Machine) -> Finding:
    """Look whether torch and the driver of the card fit."""
    return judged_driver(seen())


def card(machine: Machine) -> Finding:
    """Look how much memory the card has; our own render stage may hold some of it."""
    return judged_memory(seen(), ours=stages(machine).get("render", "down") != "down")


@cache
def seen() -> Facts:
    """Ask a process of its own, since a broken driver may end whoever loads torch.

    Raises:
        RuntimeError: torch cannot be loaded.
    """
    command = [sys.executable, "-P", "-m", "runner.render.card"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if asked.returncode != 0:
        last = asked.stderr.strip().splitlines()[-1:] or [f"it ended with {asked.returncode}"]
        raise RuntimeError(last[0])
    facts: Facts = json.loads(asked.stdout)
    return facts


def judged_driver(facts: Facts) -> Finding:
    """Judge whether torch can use the card."""
    built = facts["built_for"]
    name = f"torch {facts['torch']} ({f'CUDA {built}' if built else 'for the CPU'})"
    if "driver" not in facts:
        return warn(
            f"{name}, and no NVIDIA driver answers: it renders on the CPU, where only the embedded"
            " model is of use",
            "on a machine with a GPU: install its driver (580 or newer); nvidia-smi then shows it",
        )
    driver = f"driver {facts['driver']} (CUDA {facts['driver_cuda']})"
    if built is None:
        return fail(f"{name} beside {driver}: it does not use the card", ANEW)
    if major(facts["driver_cuda"]) < major(built):
        return fail(f"{name} is too new for {driver}", "install driver 580 or newer, and restart")
    if not facts["usable"]:
        return fail(f"{name} cannot use {driver}", "sudo reboot; then look at: nvidia-smi, dmesg")
    return ok(f"{name}, {driver}")


def judged_memory(facts: Facts, *, ours: bool) -> Finding:
    """Judge whether the 5B fits into the card."""
    if "memory_bytes" not in facts:
        return warn("no card is seen", "none on a CPU; else as the check torch says")
    free, total = facts["free_bytes"], facts["memory_bytes"]
    found = f"{facts['name']}, {gib(free)} of {gib(total)} free"
    if total < NEEDED_BYTES:
        return fail(
            f"{found}; the 5B needs {gib(NEEDED_BYTES)}", "take a card with 24 GB, as g5.xlarge has"
        )
    if free < NEEDED_BYTES and not ours:
        return warn(f"{found}; the 5B needs {gib(NEEDED_BYTES)}", "nvidia-smi shows who holds it")
    return ok(f"{found}{', our render stage holds the rest' if ours else ''}")


def major(version: str) -> int:
    """Read the first number of a version."""
    return int(version.partition(".")[0])
