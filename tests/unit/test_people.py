"""Who is logged in is told by the processes that are there for him."""

import subprocess
from collections.abc import Iterator

import pytest

from runner.idle.people import booted_at, command_lines, is_session

SESSIONS = [
    ["sshd: ubuntu@pts/0"],
    ["sshd:", "ubuntu@notty"],
    ["sshd-session: alice@pts/1,pts/2"],
    ["sshd-session: some.one-else@internal-sftp"],
    ["/usr/bin/ssm-session-worker", "alice-0123456789", "i-0123456789"],
    ["/snap/amazon-ssm-agent/9881/ssm-session-worker", "alice"],
]
OTHERS = [
    [],
    [""],
    ["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"],
    ["/usr/sbin/sshd", "-D"],
    ["sshd: [accepted]"],
    ["sshd: unknown [priv]"],
    ["sshd: root [net]"],
    ["sshd-session: invalid user [preauth]"],
    ["vim", "sshd: alice@pts/0"],
    ["grep", "ssm-session-worker"],
    ["/usr/bin/amazon-ssm-agent"],
]


@pytest.mark.parametrize("command_line", SESSIONS)
def test_a_session_is_somebody(command_line: list[str]) -> None:
    assert is_session(command_line)


@pytest.mark.parametrize("command_line", OTHERS)
def test_a_stranger_who_knocks_is_nobody(command_line: list[str]) -> None:
    """The internet knocks at every port 22, all day."""
    assert not is_session(command_line)


@pytest.fixture
def renamed() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called as OpenSSH calls one of a session."""
    process = subprocess.Popen(["sshd: nobody@notty", "60"], executable="/usr/bin/sleep")
    yield process
    process.kill()
    process.wait()


def test_it_is_found_among_the_processes_of_the_machine(
    renamed: subprocess.Popen[bytes],
) -> None:
    assert renamed.poll() is None
    assert ["sshd: nobody@notty", "60"] in [line for line in command_lines() if is_session(line)]


def test_the_machine_runs_for_a_while_already() -> None:
    assert 0 < booted_at() < 2**53
