# SPDX-License-Identifier: MIT
"""A file system call that does not return: it stops one client, not the others, and not the helper's end.

A frozen ext4 stands for a dead NFS server or a failing disk: creating in it hangs until it is thawed.
"""

import contextlib
import os
import struct
import time

import pytest
from support.helper import Helper, wait_for
from support.mounts import ext4, frozen
from support.wire import EndOfFile, Op, RemoteError, request

STOP_MAX = 5.0


@pytest.fixture
def disk(export, tmp_path):
    """An ext4 below the export, mounted before a helper starts."""
    (export / "disk").mkdir()
    with ext4(export / "disk", tmp_path / "image") as path:
        yield path


@contextlib.contextmanager
def serving(export):
    """A helper that may be killed at the end: the thread that hangs ends only with the frost, so thaw first."""
    helper = Helper(export)
    try:
        yield helper
    finally:
        helper.kill()


def hangs(helper):
    """Whether some thread of the helper is in a call that no signal interrupts."""
    for pid in [helper.pid, *helper.children()]:
        with contextlib.suppress(FileNotFoundError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii", errors="replace") as file:
                    if file.read().rpartition(")")[2].split()[0] == "D":
                        return True
    return False


def send_and_hang(helper, client, op, **fields):
    client.send(op, **fields)
    wait_for(lambda: hangs(helper), what="a call that hangs")


def test_other_clients_go_on_while_one_hangs(disk, export):
    (export / "file").touch()
    with serving(export) as helper:
        stuck, second, third = (helper.connect() for _ in range(3))
        with frozen(disk):
            send_and_hang(helper, stuck, Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
            for client in (second, third) * 100:
                assert client.lstat("//file").nlink == 1
                client.mkdir("//elsewhere")
                client.remove("//elsewhere")
            with helper.connect() as late:
                assert late.lstat("//disk").nlink == 3
        stuck.recv_status()
        assert (disk / "new").is_dir()
        for client in (stuck, second, third):
            client.close()
        assert helper.stop() == 0


@pytest.mark.parametrize(
    "op, fields",
    [
        (Op.CREATE, {"path": "//disk/new", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o644, "uid": 0, "gid": 0}),
        (Op.OPEN, {"path": "//disk/file", "flags": os.O_RDWR | os.O_TRUNC}),
        (Op.MKDIR, {"path": "//disk/new", "mode": 0o755, "uid": 0, "gid": 0}),
    ],
)
def test_helper_ends_in_time_and_answers_the_request_that_hangs(disk, export, op, fields):
    (disk / "file").write_text("content")
    with serving(export) as helper:
        stuck, idle = helper.connect(), helper.connect()
        idle.lstat("/")
        with frozen(disk):
            send_and_hang(helper, stuck, op, **fields)
            started = time.monotonic()
            assert helper.stop(STOP_MAX + 5) == 0
            assert time.monotonic() - started < STOP_MAX + 1
            assert not os.path.exists(helper.socket)
            with pytest.raises(RemoteError):
                stuck.recv(op)
            for client in (stuck, idle):
                with pytest.raises((EndOfFile, ConnectionResetError)):
                    client.recv_exact(1)


def test_requests_behind_the_one_that_hangs_are_not_lost_silently(disk, export):
    """At the end of the helper, an OPEN that it has not read yet must not find a clean end of file either."""
    with serving(export) as helper:
        stuck = helper.connect()
        with frozen(disk):
            create = {"path": "//disk/new", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o644, "uid": 0, "gid": 0}
            send_and_hang(helper, stuck, Op.CREATE, **create)
            stuck.send_raw(request(Op.OPEN, path="/", flags=0))
            assert helper.stop(STOP_MAX + 5) == 0
            with pytest.raises(RemoteError):
                stuck.recv_fd()
            with pytest.raises(ConnectionResetError):
                stuck.recv_exact(struct.calcsize("=i"))
