"""The job store's server database, for more than one machine; the only file that knows psycopg."""

import contextlib
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from jobstore.database import load_statements, migrate
from jobstore.errors import MoveRefused, StoreFull, StoreUnavailable

CHANNEL = "wan22"
POOL_MAX = 8
PATIENCE_S = 10
LISTEN_S = 0.5  # how long to listen before looking whether to stop
# A statement or an idle transaction never holds others up for long, and a server that has gone
# silently is noticed: postgresql.org/docs, "Client Connection Defaults" and libpq's keywords.
SERVER_LIMITS = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=15s"
# The planner takes a queue that grows between two ANALYZEs for nearly empty, and would collect and
# sort all of it for each claim; every statement here has an index in the order it needs.
PLANS = "-c enable_bitmapscan=off"
KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

Connection = psycopg.Connection[dict[str, object]]


class PostgresDatabase:
    """A pool of connections to one PostgreSQL database, and the named statements to run on them."""

    def __init__(self, url: str) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            StoreRefused: the database must not be used as it is; says why.
            StoreUnavailable: the server cannot be reached.
        """
        self.name = f"PostgreSQL on {urlsplit(url).hostname or 'this machine'}"
        self.queries = load_statements("postgresql", "psycopg")
        self._url = url
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            connection_class=Connection,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "options": f"{SERVER_LIMITS} {PLANS}",
                "connect_timeout": PATIENCE_S,
                **KEEPALIVES,
            },
            min_size=0,
            max_size=POOL_MAX,
            timeout=PATIENCE_S,
            check=check_connection,
            open=True,
        )
        try:
            migrate(self, "postgresql")
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection for single statements; each is a transaction of its own."""
        with self._as_our_errors(), self._pool.connection() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, *wakes: str) -> Iterator[Connection]:
        """Lend a connection inside one transaction; the wake-up is part of it.

        Statements are sent together with BEGIN and COMMIT, and are waited for when their rows are
        asked for, at the latest here: whoever gets past this knows that the commit stands.
        """
        with self.reading() as connection:
            try:
                with connection.pipeline():
                    connection.execute("BEGIN")
                    yield connection
                    for topic in wakes:
                        self.queries.notify(connection, topic=topic)
                    connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    connection.rollback()
                raise

    def run_script(self, connection: Connection, script: str) -> None:
        """Run a script inside the transaction of the connection; a pipeline takes one statement."""
        connection.execute(f"DO $migration$ BEGIN\n{script}\nEND $migration$".encode())

    def watch(self, topic: str, call: Callable[[], None], stop: threading.Event) -> None:
        """Call back when a process on any machine has woken the topic, and after each reconnect."""

        def listen() -> None:
            with psycopg.connect(self._url, autocommit=True, **KEEPALIVES) as connection:
                connection.execute(f"LISTEN {CHANNEL}".encode())
                call()
                while not stop.is_set():
                    for note in connection.notifies(timeout=LISTEN_S):
                        if note.payload == topic:
                            call()

        def run() -> None:
            while not stop.is_set():
                with contextlib.suppress(psycopg.OperationalError):
                    listen()
                stop.wait(1)

        threading.Thread(target=run, name=f"wake-{topic}", daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextlib.contextmanager
    def _as_our_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.IntegrityError as error:
            raise MoveRefused(str(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            message = f"The job store, {self.name}, cannot be used right now: {error}."
            full = isinstance(error, psycopg.errors.DiskFull)
            raise (StoreFull if full else StoreUnavailable)(message) from error


def look(url: str) -> tuple[str, int]:
    """Tell the server's version and the last migration (0: none), and change nothing.

    Raises:
        StoreUnavailable: the server cannot be reached, or refuses us.
    """
    try:
        with psycopg.connect(url, connect_timeout=PATIENCE_S, options=SERVER_LIMITS) as connection:
            version = str(connection.info.parameter_status("server_version"))
            row = connection.execute("SELECT to_regclass('migrations')").fetchone()
            if row is None or row[0] is None:
                return version, 0
            last = connection.execute("SELECT max(number) FROM migrations").fetchone()
    except psycopg.Error as error:
        message = f"The job store cannot be used right now: {error}."
        raise StoreUnavailable(message) from error
    return version, int(last[0] or 0) if last else 0


def check_connection(connection: Connection) -> None:
    """Ask the server whether it is there, but only if it has said something unasked.

    A server that ends, or drops a connection, says so: the socket can be read. Without that, asking
    costs a round trip each time and finds nothing.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        ConnectionPool.check_connection(connection)
