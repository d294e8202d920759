# SPDX-License-Identifier: MIT
"""Defects of upstream with its clients: one only, cut in a way that QEMU misreads, and stuck with it."""

import contextlib
import os
import select
import signal
import socket
import time

import pytest
from support import mounts
from support.wire import HEADER, EndOfFile, Op, RemoteError, message, request

from .defects import defect, judge, parametrize
from .implementations import connect_soon, wait_until_stuck

CHECKS = []
MANY = 100  # more clients than we have threads
END_WITHIN = 7  # seconds: five are promised, the rest is for a slow machine


def make_export(tmp_path):
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    return export


# 11: how connections end


@defect(CHECKS, "11-unknown-type", EndOfFile)
def check_unknown_type(implementation, tmp_path):
    """Defect 11: a request of an unknown type ends the connection with an end of file, not with a reset."""
    with implementation.start(make_export(tmp_path)) as helper:
        for type_ in (0, 1, 22, 0xFFFFFFFF):
            with implementation.connect(helper) as client:
                client.send_raw(message(type_, b""))
                client.expect_reset()


@defect(CHECKS, "11-too-long", EndOfFile)
def check_too_long(implementation, tmp_path):
    """Defect 11: a header that announces too much does the same."""
    with implementation.serve(make_export(tmp_path)) as (_, client):
        client.send_raw(HEADER.pack(Op.OPEN, 65537))
        client.expect_reset()


@defect(CHECKS, "11-open-unanswered-at-exit", EndOfFile)
def check_exit(implementation, tmp_path):
    """Defect 11: SIGTERM while an OPEN is under way: end of file in place of its answer."""
    export = make_export(tmp_path)
    with slow_file(export, tmp_path) as freeze, implementation.serve(export) as (helper, client):
        with contextlib.ExitStack() as frozen:
            frozen.enter_context(freeze)
            client.send(Op.OPEN, path="//slow/file", flags=os.O_TRUNC | os.O_WRONLY)
            wait_until_stuck(helper)
            os.kill(helper.pid, signal.SIGTERM)
            if implementation.is_upstream:
                frozen.close()  # it ends only when the system call does
            began = time.monotonic()
            with pytest.raises(RemoteError):
                client.recv_fd()
            assert helper.wait() == 0
            assert time.monotonic() - began < END_WITHIN


@contextlib.contextmanager
def slow_file(export, tmp_path):
    """Mounts a file system on "slow" in the export, with a file; yields a context in which changes to it hang."""
    (export / "slow").mkdir()
    with mounts.ext4(export / "slow", tmp_path / "image"):
        (export / "slow/file").write_text("content")
        yield mounts.frozen(export / "slow")


# 12, 19, 25: one client at a time


@defect(CHECKS, "12-second-client", ConnectionRefusedError)
def check_two(implementation, tmp_path):
    """Defect 12: it accepts once, so a second client at the same time is refused."""
    with implementation.serve(make_export(tmp_path)) as (helper, first):
        first.lstat("/")
        with implementation.connect(helper) as second:
            for client in (second, first):
                client.lstat("/")


@defect(CHECKS, "12-client-after-client", ConnectionRefusedError)
def check_next(implementation, tmp_path):
    """Defect 12: when its client goes, it ends."""
    with implementation.start(make_export(tmp_path)) as helper:
        for _ in range(3):
            with implementation.connect(helper) as client:
                client.lstat("/")
                client.sock.shutdown(socket.SHUT_WR)
                assert client.sock.recv(1) == b""


@defect(CHECKS, "12-left-over-socket", RuntimeError, "ended with")
def check_left_over(implementation, tmp_path):
    """Defect 12: a socket that an earlier helper left behind stops the next from starting."""
    name = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(name))
    with implementation.start(make_export(tmp_path), socket=name):
        with connect_soon(name, implementation.patience) as client:  # the name is there from the beginning
            client.lstat("/")


@defect(CHECKS, "19-sigpipe", AssertionError, "ended with -13")
def check_sigpipe(implementation, tmp_path):
    """Defect 19: a reply to a client that does not read any more kills it with SIGPIPE."""
    with implementation.serve(make_export(tmp_path)) as (helper, client):
        client.sock.shutdown(socket.SHUT_RD)
        client.send(Op.LSTAT, path="/")
        wait_until_cut(client.sock)
        try:
            with implementation.connect(helper) as another:
                another.lstat("/")
        except (ConnectionRefusedError, ConnectionResetError, EndOfFile) as end:
            raise AssertionError(f"it ended with {helper.wait()}") from end


def wait_until_cut(sock):
    """Waits until the other end of the connection is closed."""
    poll = select.poll()
    poll.register(sock, 0)
    assert poll.poll(10_000), "the connection is still open"


@defect(CHECKS, "19-half-sent-message", ConnectionRefusedError)
def check_half_sent(implementation, tmp_path):
    """Defect 19: clients that stop in the middle of a message keep it from serving anyone, and from ending."""
    whole = request(Op.LSTAT, path="/")
    with implementation.start(make_export(tmp_path)) as helper, contextlib.ExitStack() as clients:
        for number in range(MANY):
            client = clients.enter_context(implementation.connect(helper))
            client.lstat("/")
            sent = 1 + number % (len(whole) - 1)
            client.send_raw(whole[:sent])
        another = clients.enter_context(implementation.connect(helper))
        another.lstat("/")
        client.send_raw(whole[sent:])
        client.recv_data()
        assert helper.stop() == 0


@defect(CHECKS, "25-slow-call-stops-everything", ConnectionRefusedError)
def check_slow(implementation, tmp_path):
    """Defect 25: while one system call takes its time, nobody else is served; upstream has nobody else at all."""
    export = make_export(tmp_path)
    with slow_file(export, tmp_path) as freeze, implementation.serve(export) as (helper, slow):
        with freeze:
            slow.send(Op.CREATE, path="//slow/new", flags=os.O_CREAT, mode=0o644, uid=0, gid=0)
            wait_until_stuck(helper)
            with implementation.connect(helper) as another:
                another.lstat("/")
        os.close(slow.recv_fd())


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
