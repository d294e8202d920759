# SPDX-License-Identifier: MIT
"""--ready-fd: a newline when clients can connect, for s6 and whoever else waits so."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest
from support.helper import OURS
from support.launch import Daemon, run, under_number
from support.wire import Client

TIMEOUT = 15.0
NUMBER = 9


@pytest.fixture
def pair():
    """The end to read from, with a time limit, and the helper's end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(TIMEOUT)
    with ours, theirs:
        yield ours, theirs


@contextlib.contextmanager
def foreground(*args, prefix, **options):
    """A helper that does not become a daemon."""
    command = [*map(str, (*prefix, OURS, "--nodaemon", *args))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **options) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("start", [Daemon, foreground])
def test_newline_comes_when_clients_can_connect_and_then_the_end(export, run_directory, pair, start):
    ours, theirs = pair
    name = run_directory / "s"
    with contextlib.ExitStack() as stack:
        with under_number(NUMBER, theirs) as options, theirs:
            stack.enter_context(start("--path", export, "--socket", name, "--ready-fd", NUMBER, **options))
        assert ours.recv(10) == b"\n"
        with Client.connect(name) as client:
            assert client.lstat("/").ino == export.stat().st_ino
        assert ours.recv(10) == b"", "nobody holds it any more"


def test_start_that_fails_writes_nothing(run_directory, pair):
    ours, theirs = pair
    with under_number(NUMBER, theirs) as options:
        done = run("--nodaemon", "--path", "/nowhere", "--socket", run_directory / "s", "--ready-fd", NUMBER, **options)
    theirs.close()
    assert done.returncode == 1
    assert ours.recv(10) == b""


def test_listener_that_is_gone_stops_nobody(export, run_directory, pair):
    ours, theirs = pair
    name = run_directory / "s"
    ours.close()
    with under_number(NUMBER, theirs) as options:
        with Daemon("--path", export, "--socket", name, "--ready-fd", NUMBER, **options), Client.connect(name) as client:
            assert client.lstat("/").ino == export.stat().st_ino


@pytest.mark.parametrize("mode", [(), ("--nodaemon",)], ids=["daemon", "foreground"])
def test_descriptor_that_is_closed(export, run_directory, mode):
    done = run(*mode, "--path", export, "--socket", run_directory / "s", "--ready-fd", 77)
    assert done.returncode == 1
    assert "--ready-fd 77: Bad file descriptor" in done.stderr
    assert os.listdir(run_directory) == []


def test_descriptor_that_cannot_be_written_to(export, run_directory):
    with open("/dev/null", "rb") as readable, under_number(NUMBER, readable) as options:
        done = run("--path", export, "--socket", run_directory / "s", "--ready-fd", NUMBER, **options)
    assert done.returncode == 1
    assert f"--ready-fd {NUMBER}" in done.stderr
