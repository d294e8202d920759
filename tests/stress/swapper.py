# SPDX-License-Identifier: MIT
"""A process that has objects of all kinds take one name in turn, as fast as it can."""

import contextlib
import ctypes
import errno
import itertools
import os
import signal

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def _rename(old, new, flags):
    """renameat2(2) in the working directory; whether it worked, and False only for EEXIST."""
    if LIBC.renameat2(-100, old, -100, new, flags) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        return False
    raise OSError(ctypes.get_errno(), "renameat2")


def _leave_a_gap(name):
    """The name is nobody's for a moment, in which a client may create something; that is thrown away."""
    _rename(name, b"aside", 0)
    while not _rename(b"aside", name, RENAME_NOREPLACE):
        os.unlink(name)


def _swap_for_ever(directory, name, others, gaps):
    os.chdir(directory)
    for turn, other in enumerate(itertools.cycle(others)):
        _rename(name, other, RENAME_EXCHANGE)
        if gaps and turn % 8 == 0:
            _leave_a_gap(name)


def _move_for_ever(inside, outside):
    while True:
        os.rename(inside, outside)
        os.rename(outside, inside)


@contextlib.contextmanager
def _in_a_process(work, *arguments):
    """Runs `work`, which does not return, as long as the block lasts."""
    pid = os.fork()
    if pid == 0:
        try:
            work(*arguments)
        finally:
            os._exit(1)
    ended = False
    try:
        yield
        ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
        assert not ended, "what races with the clients did not last as long as the test"
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def swapping(directory, name, others, gaps=True):
    """As long as the block lasts, `name` is what it was, or one of `others`, or with `gaps` nothing."""
    return _in_a_process(_swap_for_ever, directory, os.fsencode(name), [os.fsencode(other) for other in others], gaps)


def moving_out(inside, outside):
    """As long as the block lasts, the directory `inside` is there or, every other moment, at `outside`."""
    return _in_a_process(_move_for_ever, inside, outside)
