# SPDX-License-Identifier: MIT
"""Defects of upstream with FIFOs and devices: it waits for them, and opens them before it looks at what they are."""

import contextlib
import ctypes
import errno
import os
import stat

import pytest
from support.wire import RemoteError

from .defects import defect, judge, parametrize

CHECKS = []
IN_OPEN = 0x20
LIBC = ctypes.CDLL(None, use_errno=True)
MAKE = os.O_CREAT | os.O_RDWR


def openings(client):
    """Every request that opens something, each as a function of a path."""
    yield lambda path: client.open(path, os.O_RDONLY)
    yield lambda path: client.open(path, os.O_WRONLY)
    yield lambda path: client.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield lambda path: client.create(path, MAKE)
    yield lambda path: client.create(path, os.O_CREAT | os.O_WRONLY, uid=1000, gid=1000)
    yield client.getversion


@contextlib.contextmanager
def opens_noticed(path):
    """A function that tells how often the object was opened since the context began (inotify)."""
    descriptor = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0 or LIBC.inotify_add_watch(descriptor, os.fsencode(path), IN_OPEN) < 0:
        pytest.fail(f"inotify: {os.strerror(ctypes.get_errno())}")

    def count():
        try:
            return len(os.read(descriptor, 65536)) // 16  # events of a watched file carry no name
        except BlockingIOError:
            return 0

    try:
        yield count
    finally:
        os.close(descriptor)


def check_refused(implementation, tmp_path, name, mode, device=0):
    """Each opening is refused at once, by name and through the object's type, and the object is never opened."""
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    os.mknod(export / name, mode, device)
    with implementation.serve(export) as (_, client), opens_noticed(export / name) as opened:
        for ask in openings(client):
            with pytest.raises(RemoteError) as refusal:
                ask(f"//{name}")
            assert refusal.value.errno == errno.ENXIO
            assert not opened(), f"the {name} was opened"


@defect(CHECKS, "05-fifo-blocks", TimeoutError)
def check_fifo(implementation, tmp_path):
    """Defect 5: opening a FIFO waits for ever for its other end."""
    check_refused(implementation, tmp_path, "fifo", 0o666 | stat.S_IFIFO)


@defect(CHECKS, "05-device-opened", AssertionError, "the device was opened")
def check_device(implementation, tmp_path):
    """Defect 5: a device is opened, which its driver may act upon, before its type is looked at."""
    check_refused(implementation, tmp_path, "device", 0o666 | stat.S_IFCHR, os.makedev(1, 3))


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
