# SPDX-License-Identifier: MIT
"""The end by SIGTERM or SIGINT: what is in flight is answered, the rest is cut, within five seconds, with status 0."""

import contextlib
import errno
import os
import signal
import socket
import struct
import time

import pytest
from support import proc
from support.expect import descriptor, fails
from support.hanging import HangingFileSystem
from support.helper import Helper, wait_for
from support.mounts import ext4, frozen
from support.wire import Client, EndOfFile, Op, message, request

PROMISED = 5.0  # seconds to the end
SLACK = 2.0  # for a busy machine

OPEN = {"path": "//file", "flags": os.O_RDONLY}
CREATE = {"path": "//file", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o600, "uid": 1000, "gid": 1001}
MKDIR = {"path": "//directory", "mode": 0o755, "uid": 1000, "gid": 1001}
LSTAT = {"path": "//file"}
AN_OPEN = (Op.OPEN, OPEN)


def assert_ended(client):
    """Nothing but the end of the connection comes, in whatever form."""
    with pytest.raises((EndOfFile, ConnectionResetError)):
        client.recv_exact(1)


@contextlib.contextmanager
def hanging(helper, *requests):
    """A client for each request, all of which hang."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(helper.connect()) for _ in requests]
        for client, (op, fields) in zip(clients, requests):
            client.send(op, **fields)
        (worker,) = helper.children()
        proc.wait_for_hanging(worker, len(clients))
        yield clients


def wait_until_stopping(helper):
    wait_for(lambda: not os.path.exists(helper.socket), what="the removal of the socket's name")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_both_processes_and_removes_the_socket(export, number):
    with Helper(export) as helper, helper.connect() as client:
        client.lstat("/")
        (worker,) = helper.children()
        os.kill(helper.pid, number)
        assert_ended(client)
        assert helper.wait() == 0
        assert proc.has_ended(worker)
        assert not os.path.exists(helper.socket)


def test_end_without_clients(export):
    assert Helper(export).stop() == 0


def test_signals_that_come_again_change_nothing(export):
    with HangingFileSystem(export) as file_system, Helper(export) as helper, hanging(helper, AN_OPEN) as (client,):
        for _ in range(5):
            os.kill(helper.pid, signal.SIGTERM)
            os.kill(helper.pid, signal.SIGINT)
        wait_until_stopping(helper)
        file_system.release()
        with fails(errno.ENOENT):
            client.recv_fd()
        assert helper.wait() == 0


def test_interrupt_of_a_terminal_reaches_both_and_loses_no_answer(export):
    """Ctrl-C goes to the whole process group."""
    with HangingFileSystem(export) as file_system, Helper(export) as helper, hanging(helper, AN_OPEN) as (client,):
        os.killpg(helper.pid, signal.SIGINT)
        wait_until_stopping(helper)
        file_system.release()
        with fails(errno.ENOENT):
            client.recv_fd()
        assert helper.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_worker_leaves_signals_to_the_monitor(helper, client, number):
    (worker,) = helper.children()
    os.kill(worker, number)
    for _ in range(3):
        assert client.lstat("/").nlink >= 2
    assert helper.children() == [worker]


# Requests in flight


@pytest.fixture
def disk(export, tmp_path):
    """The export as an ext4, which can be frozen."""
    with ext4(export, tmp_path / "image"):
        yield export


def test_requests_in_flight_are_answered_when_they_return(disk):
    with Helper(disk) as helper, contextlib.ExitStack() as cold:
        cold.enter_context(frozen(disk))
        with hanging(helper, (Op.CREATE, CREATE), (Op.MKDIR, MKDIR)) as clients:
            os.kill(helper.pid, signal.SIGTERM)
            wait_until_stopping(helper)
            cold.close()
            creator, maker = clients
            with descriptor(creator.recv_fd()) as fd:
                assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (1000, 1001)
            maker.recv_status()
            for client in clients:
                assert_ended(client)
        assert helper.wait() == 0


def expect_eio(client, op):
    """-EIO in the form of the operation, and the end of the connection after it."""
    if op in (Op.OPEN, Op.CREATE):
        assert client.recv_exact(4) == struct.pack("=i", -errno.EIO)
    else:
        assert client.recv_exact(12) == struct.pack("=IIi", 1, 4, -errno.EIO)
    assert_ended(client)


def assert_ends_in_time_without(helper, idle, waiting):
    """`waiting` are clients with the operation that each waits for, which never returns."""
    start = time.monotonic()
    os.kill(helper.pid, signal.SIGTERM)
    assert_ended(idle)
    assert time.monotonic() - start < SLACK, "who waits for nothing is not made to wait"
    for client, op in waiting:
        expect_eio(client, op)
    assert helper.wait() == 0
    assert time.monotonic() - start < PROMISED + SLACK


def test_requests_that_never_return_are_answered_with_eio_in_time(export):
    requests = ((Op.OPEN, OPEN), (Op.CREATE, CREATE), (Op.MKDIR, MKDIR), (Op.LSTAT, LSTAT))
    with HangingFileSystem(export), Helper(export) as helper, helper.connect() as idle:
        with hanging(helper, *requests) as clients:
            (worker,) = helper.children()
            assert_ends_in_time_without(helper, idle, list(zip(clients, (op for op, _ in requests))))
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")


def test_requests_that_cannot_even_be_killed_are_answered_with_eio_in_time(disk):
    with Helper(disk) as helper, helper.connect() as idle:
        with frozen(disk), hanging(helper, (Op.CREATE, CREATE), (Op.MKDIR, MKDIR)) as (creator, maker):
            (worker,) = helper.children()
            assert_ends_in_time_without(helper, idle, [(creator, Op.CREATE), (maker, Op.MKDIR)])
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")


def test_requests_behind_one_in_flight_are_answered_or_cut_with_a_reset(export):
    """They need not be read any more, but an end of file would be taken for success by who waits for an OPEN."""
    behind = 40
    with HangingFileSystem(export) as file_system, Helper(export) as helper, hanging(helper, AN_OPEN) as (client,):
        client.send_raw(request(Op.OPEN, **OPEN) * behind)
        os.kill(helper.pid, signal.SIGTERM)
        wait_until_stopping(helper)
        file_system.release()
        answered = 0
        with pytest.raises(ConnectionResetError):
            while True:
                with fails(errno.ENOENT):
                    client.recv_fd()
                answered += 1
        assert 1 <= answered <= behind
        assert helper.wait() == 0


def test_client_that_shares_a_reactor_with_one_in_flight_is_cut_with_a_reset(export):
    with HangingFileSystem(export), Helper(export, args=("--threads", "1")) as helper:
        with hanging(helper, AN_OPEN) as (client,), helper.connect() as other:
            other.send(Op.OPEN, path="/", flags=os.O_DIRECTORY)
            os.kill(helper.pid, signal.SIGTERM)
            expect_eio(client, Op.OPEN)
            other.expect_reset()
        assert helper.wait() == 0


# Clients that are slow or in the middle of something


def test_client_that_does_not_read_its_replies_delays_the_end_by_no_more(export):
    with Helper(export) as helper, helper.connect() as deaf:
        deaf.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                deaf.send_raw(request(Op.LSTAT, path="/") * 100)
        start = time.monotonic()
        assert helper.stop() == 0
        assert time.monotonic() - start < PROMISED + SLACK


@pytest.mark.parametrize("size", [1, 7, 8, 12])
def test_client_in_the_middle_of_a_message_is_cut(export, size):
    with Helper(export) as helper, helper.connect() as client:
        client.lstat("/")
        client.send_raw(message(Op.OPEN, b"x" * 100)[:size])
        start = time.monotonic()
        os.kill(helper.pid, signal.SIGTERM)
        assert_ended(client)
        assert helper.wait() == 0
        assert time.monotonic() - start < SLACK


def test_nobody_can_connect_any_more_while_it_ends(export):
    with HangingFileSystem(export) as file_system, Helper(export) as helper, hanging(helper, AN_OPEN) as (client,):
        name = helper.socket
        os.kill(helper.pid, signal.SIGTERM)
        wait_until_stopping(helper)
        with pytest.raises(FileNotFoundError):
            Client.connect(name)
        file_system.release()
        with fails(errno.ENOENT):
            client.recv_fd()
        assert helper.wait() == 0


def test_worker_that_does_not_react_is_not_waited_for(export):
    with Helper(export) as helper:
        (worker,) = helper.children()
        os.kill(worker, signal.SIGSTOP)
        start = time.monotonic()
        assert helper.stop() == 0
        assert time.monotonic() - start < PROMISED + SLACK
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")


def test_connected_socket_of_the_launcher_is_served_to_the_end(export):
    ours, theirs = socket.socketpair()
    with HangingFileSystem(export) as file_system, Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        with Client(ours) as client:
            assert client.lstat("/").nlink >= 2
            client.send(Op.OPEN, **OPEN)
            (worker,) = helper.children()
            proc.wait_for_hanging(worker)
            os.kill(helper.pid, signal.SIGTERM)
            file_system.release()
            with fails(errno.ENOENT):
                client.recv_fd()
            assert_ended(client)
            assert helper.wait() == 0
