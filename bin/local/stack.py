"""The whole service on this machine: one S3 server, three processes, free ports, one folder."""

import contextlib
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from gateway.client import Client
from local.running import Running, free_ports, undisturbed
from local.s3 import S3Server

Say = Callable[[str], None]

KEY_BEGINS = "local-key-"  # so that one that is where it should not be is known for what it is


class Stack:
    """Start what is needed, in any order; `stop` ends whatever was started."""

    def __init__(
        self,
        folder: Path,
        model: str = "pocket",
        say: Say = lambda _: None,
        env: Mapping[str, str] | None = None,
        authority: Path | None = None,
    ) -> None:
        """Choose ports and settings, those in `env` last; everything is kept under `folder`.

        With TLS in `env`, callers trust `authority`.
        """
        self.folder = folder
        self.say = say
        self.key = f"{KEY_BEGINS}{secrets.token_hex(16)}"
        self.s3 = S3Server(folder / "s3", folder / "logs" / "s3.log")
        (self.port,) = free_ports(1)
        self.env = {
            "DATA_DIR": str(folder),
            "DATABASE_URL": "",
            "MODEL_DIR": model,
            "API_SECRET_KEY": self.key,
            "ALLOW_UNSAFE": "",
            "TLS_CERT": "",
            "TLS_KEY": "",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **self.s3.env,
            **(env or {}),
        }
        self.client = Client(self.url, self.key, authority=authority)
        self.processes: dict[str, Running] = {}

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        scheme = "https" if self.env["TLS_CERT"] else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Start everything, and wait until all of it is ready.

        Raises:
            StartFailed: a part ended, or was not ready in time.
        """
        self.say("Starting SeaweedFS, the S3 server ...")
        self.s3.start()
        self.say("Starting wan22: gateway, render, deliver ...")
        for name in ("gateway", "render", "deliver"):
            self.launch(name)
        for name in ("gateway", "render", "deliver"):
            self.wait(name)

    def launch(self, name: str, **env: str) -> Running:
        """Start one process, without waiting for it."""
        command = ["gateway"] if name == "gateway" else ["runner", name]
        with undisturbed():
            self.processes[name] = Running(
                [sys.executable, "-P", "-m", *command],
                self.folder / "logs" / f"{name}.log",
                {**self.env, **env},
            )
        return self.processes[name]

    def wait(self, name: str) -> None:
        """Wait until a process is ready.

        Raises:
            StartFailed: it ended, or was not ready in time.
        """
        ready = self._answers if name == "gateway" else lambda: self._stage(name) == "ready"
        self.processes[name].wait_until(ready)

    def up(self, name: str) -> Running:
        """Start one process and wait until it is ready."""
        running = self.launch(name)
        self.wait(name)
        return running

    def stop(self) -> None:
        """End what was started: the processes in good order, all at once, then the S3 server."""
        with undisturbed():
            for running in self.processes.values():
                running.tell()
            for running in self.processes.values():
                running.let_end()
            self.s3.stop()
            self.client.__exit__()

    def check(self) -> None:
        """Make sure that all that was started still works.

        Raises:
            StartFailed: a part has ended.
        """
        for running in (self.s3.running, *self.processes.values()):
            if running:
                running.check()

    def health(self) -> dict[str, Any]:
        """Ask the gateway how all are; empty while it does not answer."""
        with contextlib.suppress(httpx2.TransportError):
            return self.client.health()
        return {}

    def _answers(self) -> bool:
        return bool(self.health())

    def _stage(self, name: str) -> str:
        return str(self.health().get("stages", {}).get(name))
