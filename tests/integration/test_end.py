# SPDX-License-Identifier: MIT
"""How the helper ends: a request that it has read is answered, and no client mistakes the end for a reply.

QEMU takes an end of file in the place of a reply to OPEN for success. So whoever sends an OPEN while the helper ends
must see its reply, a reset, or a broken pipe, and never an end of file.
"""

import os
import signal
import threading

import pytest
from support.expect import descriptor
from support.helper import Helper, wait_for
from support.wire import EndOfFile, Op, RemoteError, request

CLIENTS = 8
CREATE = {"path": "//created", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o644, "uid": 1000, "gid": 1000}


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    (path / "file").write_text("content")
    return path


class OpenLoop(threading.Thread):
    """A client that opens and creates without a pause, until the connection or `enough` ends it."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.enough = threading.Event()
        self.opened = 0
        self.failed = 0
        self.end = None
        self.start()

    def run(self):
        try:
            while not self.enough.is_set():
                self.step()
        except Exception as error:
            self.end = error

    def step(self):
        try:
            os.close(self.client.open("//file"))
            os.close(self.client.call(Op.CREATE, **CREATE))
            self.opened += 1
        except RemoteError:
            self.failed += 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_an_idle_helper_cleanly(export, number):
    with Helper(export) as helper, helper.connect() as client:
        client.lstat("/")
        children = helper.children()
        os.kill(helper.pid, number)
        assert helper.wait(5) == 0
        assert not os.path.exists(helper.socket)
        assert not any(os.path.exists(f"/proc/{pid}") for pid in children)
        with pytest.raises((EndOfFile, ConnectionResetError)):
            client.recv_exact(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_client_takes_the_end_for_a_reply(export, number):
    with Helper(export) as helper:
        loops = [OpenLoop(helper.connect()) for _ in range(CLIENTS)]
        wait_for(lambda: all(loop.opened > 20 for loop in loops))
        os.kill(helper.pid, number)
        assert helper.wait(5) == 0
        for loop in loops:
            loop.join(10)
            assert isinstance(loop.end, (ConnectionResetError, BrokenPipeError)), repr(loop.end)
            assert loop.failed == 0
            loop.client.close()


def test_pipelined_requests_are_answered_or_reset(export):
    with Helper(export) as helper, helper.connect() as client:
        count = 1000
        client.sock.setblocking(False)
        sent = client.sock.send(request(Op.OPEN, path="//file", flags=0) * count)
        client.sock.settimeout(10)
        os.close(client.recv_fd())
        os.kill(helper.pid, signal.SIGTERM)
        answered = 1
        try:
            while answered < sent // len(request(Op.OPEN, path="//file", flags=0)):
                os.close(client.recv_fd())
                answered += 1
        except ConnectionResetError:
            pass
        assert helper.wait(5) == 0


def test_message_that_never_becomes_whole_does_not_delay_the_end(export):
    with Helper(export) as helper, helper.connect() as client, helper.connect() as other:
        client.send_raw(request(Op.OPEN, path="//file", flags=0)[:-1])
        other.lstat("/")
        assert helper.stop(5) == 0
        with pytest.raises((EndOfFile, ConnectionResetError)):
            client.recv_exact(1)


def test_descriptors_passed_before_the_end_go_on_working(export):
    with Helper(export) as helper, helper.connect() as client:
        with descriptor(client.open("//file", os.O_RDWR)) as fd:
            assert helper.stop() == 0
            assert os.read(fd, 100) == b"content"
            os.write(fd, b" and more")
    assert (export / "file").read_text() == "content and more"


def test_killed_worker_is_replaced_and_its_clients_go_on(export):
    """A request that was in hand is answered with an error; a message cut in pieces ends its connection by reset."""
    with Helper(export) as helper:
        loops = [OpenLoop(helper.connect()) for _ in range(CLIENTS)]
        for _ in range(3):
            before = [loop.opened + loop.failed for loop in loops]
            wait_for(lambda: all(loop.end or loop.opened + loop.failed > 20 + b for loop, b in zip(loops, before)))
            (worker,) = wait_for(helper.children)
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: helper.children() not in ([], [worker]), what="a new worker")
        reached = [loop.opened for loop in loops]
        wait_for(lambda: all(loop.end or loop.opened > before for loop, before in zip(loops, reached)))
        for loop in loops:
            loop.enough.set()
            loop.join(10)
            assert loop.end is None or isinstance(loop.end, (ConnectionResetError, BrokenPipeError)), repr(loop.end)
            loop.client.close()
        with helper.connect() as late:
            os.close(late.open("//file"))
        assert helper.stop() == 0
