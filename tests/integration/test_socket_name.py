# SPDX-License-Identifier: MIT
"""The socket's name: put back when QEMU has removed it, never taken from others, and gone after the end."""

import os
import signal
import socket
import threading
import time

import pytest
from support import proc
from support.helper import Helper, wait_for
from support.namewatch import NameWatch
from support.wire import Client

RESTORE_TIMEOUT = 5.0
RETRY_TIMEOUT = 15.0  # after an attempt that failed


@pytest.fixture
def name(run_directory):
    return run_directory / "s"


@pytest.fixture
def helper(export, name):
    """Serves `export` on the socket `name`."""
    running = Helper(export, socket=name)
    yield running
    assert running.stop() == 0, running.log()


def identity(path):
    made = os.lstat(path)
    return made.st_dev, made.st_ino


def assert_serves(name):
    with Client.connect(name) as client:
        assert client.lstat("/").nlink >= 2


# Put back


def test_removed_name_is_put_back_and_old_connections_go_on(helper, name):
    clients = []
    for _ in range(5):
        clients.append(helper.connect())
        name.unlink()
        wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
    clients.append(helper.connect())
    for client in clients:
        with client:
            assert client.lstat("/").nlink >= 2
    assert (os.lstat(name).st_uid, os.lstat(name).st_mode) == (0, 0o140660)


def test_renamed_name_is_put_back(helper, name, run_directory):
    name.rename(run_directory / "elsewhere")
    wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
    assert_serves(name)
    assert helper.stop() == 0
    assert os.listdir(run_directory) == ["elsewhere"]


def test_client_that_connected_just_before_the_removal_is_served(helper, name):
    for _ in range(10):
        with helper.connect() as client:
            name.unlink()
            assert client.lstat("/").nlink >= 2
        wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")


def test_name_that_is_removed_again_and_again_comes_back_at_little_cost(helper, name):
    watch = NameWatch(name)
    before, start = proc.cpu_seconds(helper.pid), time.monotonic()
    with helper.connect() as client:
        while time.monotonic() < start + 2:
            name.unlink(missing_ok=True)
            assert client.lstat("/").nlink >= 2
    spent, passed = proc.cpu_seconds(helper.pid) - before, time.monotonic() - start
    assert spent < 0.2 * passed
    changes = watch.wait_for(4, RESTORE_TIMEOUT)
    watch.close()
    assert changes[:4] == ("gone", "back", "gone", "back")
    wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
    assert_serves(name)


def test_name_is_put_back_after_descriptors_had_run_out(helper, name):
    """Without one, no new socket can be made; the attempt is repeated."""
    limit = max(proc.descriptors(helper.pid)) + 1
    clients = [helper.connect() for _ in range(limit - len(proc.descriptors(helper.pid)))]
    wait_for(lambda: len(proc.descriptors(helper.pid)) >= limit, what="clients accepted")
    proc.limit_descriptors(helper.pid, limit)
    name.unlink()
    wait_for(lambda: "Too many open files" in helper.log(), what="the failure in the log")
    assert not name.exists()
    proc.limit_descriptors(helper.pid, 1024)
    wait_for(name.exists, RETRY_TIMEOUT, "the socket's name")
    assert_serves(name)
    for client in clients:
        client.close()


def test_directory_that_is_removed_ends_nothing(helper, name, run_directory):
    with helper.connect() as client:
        name.unlink()
        wait_for(lambda: not any(run_directory.iterdir()) and (run_directory.rmdir() or True), what="removal")
        assert client.lstat("/").nlink >= 2
        time.sleep(1)  # for what must not happen: a log that fills, a core that is busy
        assert helper.log().count("\n") < 10
        assert proc.cpu_seconds(helper.pid) < 0.5


# Others' names


def by_new_file(name, _):
    name.unlink()
    name.write_text("precious")


def by_rename(name, _):
    mine = name.with_name("mine")
    mine.write_text("precious")
    mine.rename(name)


def by_rename_from_elsewhere(name, elsewhere):
    mine = elsewhere / "mine"
    mine.write_text("precious")
    mine.rename(name)


@pytest.mark.parametrize("replace", [by_new_file, by_rename, by_rename_from_elsewhere])
def test_name_that_a_file_has_taken_is_left_alone(helper, name, tmp_path, replace):
    with helper.connect() as client:
        replace(name, tmp_path)
        wait_for(lambda: "something else has taken its name" in helper.log(), what="a warning")
        assert client.lstat("/").nlink >= 2
    assert name.read_text() == "precious"
    assert helper.stop() == 0
    assert name.read_text() == "precious"


def test_name_comes_back_when_the_file_is_gone(helper, name, tmp_path):
    by_rename_from_elsewhere(name, tmp_path)
    wait_for(lambda: "something else has taken its name" in helper.log(), what="a warning")
    name.unlink()
    wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
    assert_serves(name)


def test_name_that_another_server_has_taken_stays_with_it(helper, name):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{name}.new")
        other.listen()
        os.rename(f"{name}.new", name)
        taken = identity(name)
        wait_for(lambda: "something else has taken its name" in helper.log(), what="a warning")
        assert helper.stop() == 0
        assert identity(name) == taken


# Made and removed


def wait_until_replaced(name, old):
    """A Helper that finds a name takes it for its own; here it may be the left-over one yet."""
    wait_for(lambda: identity(name) != old, what="another socket")


def test_left_over_socket_is_replaced(export, name, run_directory):
    with Helper(export, socket=name) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        old = identity(name)
        with Helper(export, socket=name):
            wait_until_replaced(name, old)
            assert_serves(name)
    assert os.listdir(run_directory) == []


def test_left_over_socket_of_another_server_is_replaced(export, name):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(name))
    os.chown(name, 1234, 4321)
    old = identity(name)
    with Helper(export, socket=name):
        wait_until_replaced(name, old)
        assert_serves(name)
        assert (os.lstat(name).st_uid, os.lstat(name).st_gid) == (0, 0)


def test_end_without_a_name_is_clean(helper, name, run_directory):
    name.unlink()
    assert helper.stop() == 0
    assert os.listdir(run_directory) == []


def can_connect(name):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(name))
        except ConnectionRefusedError:
            return False
    return True


def observe(name):
    """Owner, group, mode, and whether one can connect; None if the socket was not there all the while."""
    try:
        found = os.lstat(name)
        accepts = can_connect(name)
        if identity(name) != (found.st_dev, found.st_ino):
            return None
    except FileNotFoundError:
        return None
    return found.st_uid, found.st_gid, oct(found.st_mode), accepts


def test_nobody_sees_the_socket_with_other_rights_or_without_a_listener(export, name):
    """Neither at the start, nor when it is put back, nor at the end: who looks all the time sees one state only."""
    seen, done = set(), threading.Event()

    def look():
        while not done.is_set():
            seen.add(observe(name))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(5):
            with Helper(export, socket=name, args=("-u", "1234", "-g", "4321")):
                name.unlink()
                wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
    finally:
        done.set()
        looker.join()
    assert seen - {None} == {(1234, 4321, "0o140660", True)}


# The directory


@pytest.mark.parametrize(
    ("owner", "group", "mode", "expected"),
    [
        (0, 0, 0o755, 0),
        (0, 0, 0o700, 0),
        (0, 0, 0o775, 0),
        (0, 1000, 0o755, 0),
        (0, 0, 0o777, 1),
        (0, 0, 0o1777, 1),
        (0, 1000, 0o775, 1),
        (1000, 0, 0o755, 1),
        (1000, 1000, 0o700, 1),
    ],
)
def test_directory_that_others_can_write_is_warned_of_once(export, run_directory, name, owner, group, mode, expected):
    os.chown(run_directory, owner, group)
    run_directory.chmod(mode)
    with Helper(export, socket=name) as helper:
        name.unlink()
        wait_for(name.exists, RESTORE_TIMEOUT, "the socket's name")
        assert helper.log().count("can write to its directory") == expected
