# SPDX-License-Identifier: MIT
"""The helper ends while its clients are busy: none of them may take the end for a reply.

QEMU takes an end of file in the place of a reply to OPEN for success. So whoever sends an OPEN while the helper ends
must see its reply, a reset, or a broken pipe, and never an end of file.
"""

import contextlib
import os
import signal
import threading

import pytest
from support.expect import descriptor
from support.helper import Helper, wait_for
from support.wire import MalformedReply, Op, request

CLIENTS = 8
CREATE = {"path": "//created", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o644, "uid": 1000, "gid": 1000}


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    (path / "file").write_text("content")
    return path


class OpenLoop(threading.Thread):
    """A client that opens and creates without a pause, until its connection ends."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.opened = 0
        self.end = None
        self.start()

    def run(self):
        try:
            while True:
                os.close(self.client.open("//file"))
                os.close(self.client.call(Op.CREATE, **CREATE))
                self.opened += 1
        except (OSError, EOFError, MalformedReply) as error:
            self.end = error


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
            loop.client.close()


def test_pipelined_requests_are_answered_or_reset(export):
    single = request(Op.OPEN, path="//file", flags=0)
    with Helper(export) as helper, helper.connect() as client:
        client.sock.setblocking(False)
        sent = client.sock.send(single * 1000)
        client.sock.settimeout(10)
        os.close(client.recv_fd())
        os.kill(helper.pid, signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError):
            for _ in range(sent // len(single) - 1):
                os.close(client.recv_fd())
        assert helper.wait(5) == 0


def test_descriptors_passed_before_the_end_go_on_working(export):
    with Helper(export) as helper, helper.connect() as client:
        with descriptor(client.open("//file", os.O_RDWR)) as fd:
            assert helper.stop() == 0
            assert os.read(fd, 100) == b"content"
            os.write(fd, b" and more")
    assert (export / "file").read_text() == "content and more"
