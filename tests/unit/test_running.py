"""Programs of several test processes stand side by side on one machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from local.running import PORTS, SEAWEED_ADDS, SOCKETS, free_ports, is_clear, is_free, sockets_of
from local.s3 import S3Server

BIN = Path(__file__).parent.parent.parent / "bin"
MANY = 250  # more than one block
ASK = f"from local.running import *; print(*free_ports({MANY}), flush=True); input()"


def test_no_two_processes_find_the_same_port() -> None:
    others = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], cwd=BIN, stdin=-1, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    found = [set(free_ports(MANY))]
    for other in others:
        assert other.stdout
        found.append({int(port) for port in other.stdout.readline().split()})
    for other in others:
        other.communicate("enough")
    assert [len(ports) for ports in found] == [MANY] * 3
    ports = set().union(*found)
    assert len(ports) == 3 * MANY
    assert not ports & {port + SEAWEED_ADDS for port in ports}
    assert ports <= set(PORTS)


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_for_which_another_user_left_a_socket_is_not_clear() -> None:
    (port,) = free_ports(1)
    left = SOCKETS / f"seaweedfs-test-grpc-{port + SEAWEED_ADDS}.sock"
    left.touch()
    try:
        assert is_clear(port, os.geteuid())
        assert not is_clear(port, os.geteuid() + 1)
    finally:
        left.unlink()


def test_an_s3_server_that_is_stopped_leaves_no_sockets(tmp_path: Path) -> None:
    server = S3Server(tmp_path / "s3", tmp_path / "s3.log")
    server.start()
    made = sockets_of(*server.ports)
    server.stop()
    assert made
    assert not any(it.exists() for it in made)
