"""The three processes without systemd: supervisord starts them anew whenever they end.

The only file that knows supervisord. What it calls a program is a process of ours.
"""

import hashlib
import json
import os
import pwd
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from jobstore.files import write_whole
from jobstore.owner import living_owners

PROCESSES = ("gateway", "render", "deliver")
COMMANDS = {"gateway": "gateway", "render": "runner render", "deliver": "runner deliver"}
STOP_S = {"gateway": 30, "render": 150, "deliver": 30}
"""How long each may take to end in good order: a render finishes its step, or the decoding."""
BRIEF_S = 3  # whoever ends within it counts as not started, and waits longer from try to try
FOR_EVER = 1_000_000
FOR_THE_OWNER = 0o600

SERVER = """\
[unix_http_server]
file={folder}/socket
chmod=0700

[supervisord]
logfile={logs}/supervisord.log
pidfile={folder}/pid
childlogdir={logs}
directory={folder}
user={user}
identifier=wan22

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{folder}/socket
"""
PROGRAM = """
[program:{name}]
command={python} -P -m {command}
autorestart=true
startsecs={brief_s}
startretries={for_ever}
stopwaitsecs={stop_s}
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=5
"""


class Supervised:
    """A supervisord for one DATA_DIR."""

    def __init__(self, data_dir: Path) -> None:
        """Remember where everything lies; nothing is started."""
        self.logs = data_dir / "logs"
        self._folder = data_dir / "work" / "supervisor"
        self._conf = self._folder / "supervisord.conf"
        self._began_with = self._folder / "settings.json"

    @property
    def is_up(self) -> bool:
        """Whether it runs; while it shuts down it refuses to say its pid."""
        if not self._conf.exists():
            return False
        answer = self._control("pid")
        return answer.returncode == 0 or "SHUTDOWN_STATE" in answer.stdout + answer.stderr

    @property
    def is_passed_over(self) -> bool:
        """Whether processes of this DATA_DIR run that are none of its own, or not any more."""
        return not self.is_up and bool(living_owners(self._folder.parent))

    def changed(self, names: Iterable[str]) -> list[str]:
        """Name the settings that have another value in this environment than when it began."""
        before = json.loads(self._began_with.read_bytes())
        return sorted(name for name in names if digest_of(name) != before.get(name))

    def start(self, names: Iterable[str]) -> None:
        """Start it, with this process' environment, and it the three; those that run go on.

        Args:
            names: the settings, for `changed`.

        Raises:
            CalledProcessError: it does not start; it said why on stderr.
        """
        if self.is_up:
            self._control("start", "all")
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        digests = {name: digest for name in names if (digest := digest_of(name))}
        write_whole(self._began_with, json.dumps(digests).encode("ascii"), FOR_THE_OWNER)
        self._conf.write_text(self._configured(), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._conf)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End the three in good order, and then it."""
        if self.is_up:
            self._control("shutdown")
        while self.is_up:
            time.sleep(0.2)

    def states(self) -> dict[str, str]:
        """Tell how each process is, in supervisord's words: RUNNING, STARTING, BACKOFF, STOPPED."""
        lines = self._control("status").stdout.splitlines()
        return {name: state for name, state, *_ in (line.split() for line in lines if line)}

    def log_of(self, name: str, lines: int = 10) -> str:
        """Show the end of what a process said."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _control(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self._conf), *words]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def _configured(self) -> str:
        folders = {"folder": self._folder, "logs": self.logs}
        paths = {name: str(path).replace("%", "%%") for name, path in folders.items()}
        python = shlex.quote(sys.executable).replace("%", "%%")
        programs = [
            PROGRAM.format(
                **paths,
                name=name,
                python=python,
                command=COMMANDS[name],
                stop_s=STOP_S[name],
                brief_s=BRIEF_S,
                for_ever=FOR_EVER,
            )
            for name in PROCESSES
        ]
        user = pwd.getpwuid(os.geteuid()).pw_name
        return SERVER.format(**paths, user=user) + "".join(programs)


def digest_of(name: str) -> str | None:
    """Tell one value of a setting from another without keeping it; None: it is not set."""
    value = os.environ.get(name)
    return hashlib.sha256(value.encode()).hexdigest()[:16] if value else None
