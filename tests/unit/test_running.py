"""Programs of several test processes stand side by side on one machine."""

import socket
import subprocess
import sys
from pathlib import Path

from local.running import PORTS, SEAWEED_ADDS, free_ports, is_free

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
