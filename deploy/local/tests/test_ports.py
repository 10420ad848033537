"""Busy ports are named clearly."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from local_stack import ports
from local_stack.ports import LOOPBACK, BusyPortError, PortUse, free_port, require_free
from local_stack.settings import StackSettings


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, free_port()))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_busy_port_is_named_with_its_user_its_holder_and_the_variable_that_moves_it(busy_port: int) -> None:
    uses = [
        PortUse(free_port(), "the inbox", "ALMANAC_INBOX_PORT"),
        PortUse(busy_port, "SNS/SQS", "ALMANAC_EMULATOR_PORT"),
    ]
    with pytest.raises(BusyPortError) as complaint:
        require_free(uses)
    message = str(complaint.value)
    assert f"port {busy_port}, wanted by SNS/SQS, is held by process {os.getpid()} (" in message
    assert "ALMANAC_EMULATOR_PORT=<port>" in message
    assert "inbox" not in message


def test_all_busy_ports_are_named_at_once(busy_port: int) -> None:
    with pytest.raises(BusyPortError) as complaint:
        require_free([PortUse(busy_port, "one", "A"), PortUse(busy_port, "two", "B")])
    assert len(str(complaint.value).splitlines()) == 2


def test_free_ports_are_accepted() -> None:
    require_free([PortUse(free_port(), "the inbox", "ALMANAC_INBOX_PORT")])


def test_every_port_of_the_stack_can_be_moved_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, use in enumerate(StackSettings().port_uses()):
        monkeypatch.setenv(use.variable, str(21_000 + number))
    assert [use.port for use in StackSettings().port_uses()] == [21_000 + number for number in range(7)]


def test_two_parts_cannot_have_the_same_port() -> None:
    with pytest.raises(ValidationError, match="same port"):
        StackSettings(inbox_port=8_001)


GIVE_FIVE = """
import sys
from local_stack import ports
ports._FREE_RANGE = range(int(sys.argv[1]), int(sys.argv[1]) + 10)
print(*(ports.free_port() for _ in range(5)), flush=True)
sys.stdin.read()
"""


def test_two_processes_are_given_different_ports_and_an_ended_one_leaves_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = 10_000 + os.getpid() % 900 * 10  # no other run of this test is likely to use these
    monkeypatch.setattr(ports, "_FREE_RANGE", range(first, first + 10))
    command = [sys.executable, "-c", GIVE_FIVE, str(first)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        ours = {ports.free_port() for _ in range(5)}
        with pytest.raises(OSError, match="no free port"):
            ports.free_port()
        other.communicate()
    assert len(theirs | ours) == 10
    assert ports.free_port() in theirs
