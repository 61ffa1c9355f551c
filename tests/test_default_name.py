"""The name of a manager that was given none: that of its host, whatever the host is called."""

from __future__ import annotations

import os
import socket
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.client import Client
from qw.errors import BadName
from qw.keys import check_name, to_bytes
from qw.manager import Manager
from qw.manager._making import default_name
from qw.worker import Worker
from tests.support import targets


def name_on(host: str) -> str:
    """Return the name that a manager has on this host."""
    with mock.patch.object(socket, "gethostname", return_value=host):
        return default_name()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("web-1.example.org", "web-1.example.org"),
        ("two words", "two-words"),
        ("tab\tnewline\nnull\0del\x7fnel\x85", "tab-newline-null-del-nel-"),
        ("no\N{NO-BREAK SPACE}break\N{LINE SEPARATOR}", "no-break-"),
        ("{web}", "-web-"),
        ("web:1", "web-1"),
        ("", "manager"),
        ("büro-東京", "büro-東京"),
        (os.fsdecode(b"b\xfcro"), "b\udcfcro"),
        ("x" * 300, "x" * 255),
        ("all", "all-host"),
        ("job", "job-host"),
        ("result", "result-host"),
        ("ALL", "ALL"),
    ],
)
def test_is_as_near_to_the_hosts_as_can_be(host: str, name: str) -> None:
    """What cannot stand in a key becomes a dash; a name that qw keeps for its own keys gets a word behind it."""
    assert name_on(host) == check_name(name) == name


@given(st.text())
def test_can_always_be_used(host: str) -> None:
    """No host's name keeps a manager from starting that was given none."""
    assert check_name(name_on(host))


def test_is_what_a_manager_and_a_worker_take(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of them; and what was given is refused, and not mended."""
    monkeypatch.setattr(socket, "gethostname", lambda: "all")

    assert Manager(targets.succeed).name == "all-host"
    assert Worker(client, targets.succeed).manager_name == "all-host"
    with pytest.raises(BadName, match="'all' is taken by qw's own keys"):
        Manager(targets.succeed, name="all")


def test_bytes_come_back_as_they_were() -> None:
    """A host that is called by bytes which are no UTF-8 has them in its keys."""
    assert to_bytes(name_on(os.fsdecode(b"b\xfcro"))) == b"b\xfcro"
