# SPDX-License-Identifier: MIT
"""Expectations that read as sentences."""

import contextlib
import ctypes
import errno as errnos
import os

import pytest

from .wire import RemoteError

IN_OPEN = 0x20


@contextlib.contextmanager
def fails(*codes):
    """The block must be answered with one of these errnos."""
    with pytest.raises(RemoteError) as caught:
        yield
    names = [errnos.errorcode.get(code, code) for code in codes]
    answer = errnos.errorcode.get(caught.value.errno, caught.value.errno)
    assert caught.value.errno in codes, f"answered {answer}, expected {' or '.join(map(str, names))}"


@contextlib.contextmanager
def descriptor(fd):
    """A received descriptor, closed at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def not_opened(path):
    """Nobody may open the object at `path` during the block; opening with O_PATH has no side effect and is allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watcher < 0 or libc.inotify_add_watch(watcher, os.fsencode(path), IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    try:
        yield
        with pytest.raises(BlockingIOError):
            os.read(watcher, 4096)
    finally:
        os.close(watcher)
