"""A process that locks a job store against writers, until it is told to let go.

`python locking.py URL`: says `locked`, and ends when its standard input does.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import psycopg
from pysqlite3 import dbapi2 as driver

from jobstore.settings import SQLITE


@contextlib.contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Have another process hold the lock."""
    other = subprocess.Popen(
        [sys.executable, __file__, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin
    assert other.stdout
    try:
        assert other.stdout.readline() == "locked\n"
        yield
    finally:
        other.stdin.close()
        other.wait()
        other.stdout.close()


def hold(database_url: str) -> None:
    """Hold the lock that keeps writers out, but no reader."""
    if database_url.startswith(SQLITE):
        connection = driver.connect(database_url.removeprefix(SQLITE), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(database_url)
        connection.execute("LOCK TABLE jobs IN EXCLUSIVE MODE")
    print("locked", flush=True)
    sys.stdin.read()
    connection.close()


if __name__ == "__main__":
    hold(sys.argv[1])
