# SPDX-License-Identifier: MIT
"""What a service manager is told, sd_notify(3), by a helper in the foreground and by a daemon."""

import os
import signal

import pytest
from support import proc
from support.helper import Helper, wait_for
from support.launch import Daemon, run
from support.manager import Manager, sleeps_until_something_happens
from support.wire import Client

CLIENTS = "{} clients, {} requests answered"


@pytest.fixture
def manager(tmp_path):
    with Manager(tmp_path) as listening:
        yield listening


def test_ready_comes_when_clients_can_connect(export, run_directory, manager):
    name = run_directory / "s"
    with Helper(export, socket=name, env=manager.environment) as helper:
        told = manager.receive()
        assert told == {"READY": "1", "MAINPID": str(helper.pid), "STATUS": CLIENTS.format(0, 0)}
        with Client.connect(name) as client:
            assert client.lstat("/").nlink >= 2


def test_clients_are_told_of_a_little_later(export, manager):
    with Helper(export, env=manager.environment) as helper:
        assert "READY" in manager.receive()
        with helper.connect() as client, helper.connect() as other:
            for _ in range(5):
                client.lstat("/")
            other.lstat("/")
            assert manager.receive() == {"STATUS": CLIENTS.format(2, 6)}
            client.lstat("/")
        assert manager.receive() == {"STATUS": CLIENTS.format(0, 7)}, "what those had that are gone counts"


def test_who_has_nothing_to_tell_sleeps(export, manager):
    with Helper(export, env=manager.environment) as helper, helper.connect() as client:
        assert "READY" in manager.receive()
        assert client.lstat("/").nlink >= 2
        assert "STATUS" in manager.receive()
        wait_for(lambda: sleeps_until_something_happens(helper.pid), what="a sleep without a time limit")
        for _ in range(100):
            client.lstat("/")
        assert sleeps_until_something_happens(helper.pid), "requests alone are no news"
        assert manager.pending() == []


def test_worker_that_is_replaced_is_no_news(export, manager):
    with Helper(export, env=manager.environment) as helper:
        assert "READY" in manager.receive()
        (worker,) = helper.children()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: helper.children() not in ([], [worker]), what="another worker")
        with helper.connect() as client:
            assert client.lstat("/").nlink >= 2
            assert manager.receive() == {"STATUS": CLIENTS.format(1, 1)}


def test_stopping_is_told(export, manager):
    with Helper(export, env=manager.environment) as helper, helper.connect() as client:
        assert client.lstat("/").nlink >= 2
        assert "READY" in manager.receive()
        assert helper.stop() == 0
        (last,) = [told for told in manager.pending() if "STOPPING" in told]
        assert last == {"STOPPING": "1", "STATUS": "Stopping: 1 clients are left"}


def test_watchdog_is_fed_if_it_is_asked_for(export, manager):
    with Helper(export, env={**manager.environment, "WATCHDOG_USEC": "200000"}):
        assert "READY" in manager.receive()
        for _ in range(3):
            assert manager.receive() == {"WATCHDOG": "1"}


@pytest.mark.parametrize("wish", [{}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}], ids=["nobody's", "another's"])
def test_no_watchdog_no_timer(export, manager, wish):
    with Helper(export, env={**manager.environment, **wish}) as helper:
        assert "READY" in manager.receive()
        wait_for(lambda: sleeps_until_something_happens(helper.pid), what="a sleep without a time limit")


def test_daemon_tells_its_own_process_id(export, run_directory, manager):
    with Daemon(
        "--path", export, "--socket", run_directory / "s", env={**os.environ, **manager.environment}
    ) as daemon:
        told = manager.receive()
        assert (told["READY"], told["MAINPID"]) == ("1", str(daemon.pid))
        assert daemon.stop() == 0


def test_daemon_feeds_the_watchdog_that_its_starter_was_asked_for(export, run_directory, manager):
    """WATCHDOG_PID names the process that was started."""
    asked = 'export WATCHDOG_USEC=200000 WATCHDOG_PID=$$; exec "$@"'
    options = {"prefix": ("sh", "-c", asked, "sh"), "env": {**os.environ, **manager.environment}}
    with Daemon("--path", export, "--socket", run_directory / "s", **options):
        assert "READY" in manager.receive()
        assert manager.receive() == {"WATCHDOG": "1"}


def test_start_that_fails_is_never_ready(run_directory, manager):
    arguments = ("--nodaemon", "--path", "/nowhere", "--socket", run_directory / "s")
    assert run(*arguments, env={**os.environ, **manager.environment}).returncode == 1
    assert manager.pending() == []


def test_manager_that_is_not_there_changes_nothing(export, tmp_path):
    with Helper(export, env={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as helper, helper.connect() as client:
        assert client.lstat("/").nlink >= 2
        assert "cannot tell the service manager" in helper.log()


def test_worker_has_no_part_in_it(export, manager):
    """The manager's socket is the monitor's to write to; no descriptor of it is left to the worker."""
    with Helper(export, env=manager.environment) as helper:
        (worker,) = helper.children()
        sockets = [what for fd, what in proc.descriptors(worker).items() if what.startswith("socket:") and fd <= 2]
        assert sockets == []
