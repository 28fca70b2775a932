"""Whether somebody is logged in; the only file that knows psutil."""

import re
from collections.abc import Iterable
from pathlib import PurePath

import psutil

SESSION = re.compile(r"sshd(-session)?: [^\s\[@]+@")
"""How OpenSSH calls the process of a session, with a terminal or without (`alice@notty`).

Source:
    OpenSSH, session.c: `setproctitle("%s@%s", name, terminals)`; before somebody has a right key or
    password, it is `[accepted]`, `[preauth]` or `NAME [priv]`, which is what strangers come to.
"""
SSM_SESSION = "ssm-session-worker"  # one per session of AWS Systems Manager


def somebody_is_logged_in() -> bool:
    """Tell whether anybody is: on a terminal, by SSH (a copy too), or by Systems Manager."""
    return bool(psutil.users()) or any(is_session(line) for line in command_lines())


def is_session(command_line: Iterable[str]) -> bool:
    """Tell whether a process is there for somebody who is logged in."""
    words = list(command_line)
    program = PurePath(words[0]).name if words else ""
    return program == SSM_SESSION or SESSION.match(" ".join(words)) is not None


def command_lines() -> list[list[str]]:
    """List what the processes of this machine were called with."""
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]


def booted_at() -> int:
    """Tell since when the machine runs, in milliseconds since 1970."""
    return int(psutil.boot_time() * 1000)
