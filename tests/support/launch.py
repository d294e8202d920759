# SPDX-License-Identifier: MIT
"""Ways to start a helper that a plain child process does not cover."""

import contextlib
import ctypes
import fcntl
import os
import shlex
import signal
import subprocess

from . import proc
from .helper import OURS, wait_for

PR_SET_CHILD_SUBREAPER = 36
START_TIMEOUT = 15.0
HIGH = 100  # a descriptor that is not in use


def launcher(directory, preparation="", prefix=""):
    """A program that becomes the helper after some shell, through a command like setpriv; for Helper's `binary`."""
    path = directory / "launcher"
    path.write_text(f'#!/bin/sh -e\n{preparation}\nexec {prefix} {shlex.quote(OURS)} "$@"\n')
    path.chmod(0o755)
    return str(path)


def _run(args, prefix=(), binary=OURS, **options):
    return subprocess.run(
        [*map(str, (*prefix, binary, *args))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
        **options,
    )


def run(*args, **options):
    """Runs a helper that is expected to end at once; returns a CompletedProcess with text.

    prefix  a command that runs the helper, such as setpriv with its options
    binary  another file than the helper's own
    and the options of Popen. A daemon that starts nevertheless is ended.
    """
    with _adoption() as adopted:
        try:
            return _run(args, **options)
        finally:
            _end_all(adopted)


@contextlib.contextmanager
def under_number(fd, inherited):
    """For run() and Popen: a command that hands `inherited` over, under the number `fd`, to what it executes."""
    passed = fcntl.fcntl(inherited, fcntl.F_DUPFD_CLOEXEC, HIGH)
    try:
        yield {"prefix": ("bash", "-c", f'exec "$@" {fd}<&{passed} {passed}<&-', "bash"), "pass_fds": [passed]}
    finally:
        os.close(passed)


class Daemon:
    """A helper started as a daemon with `args`; .pid is the monitor's, and .output what the start has said.

    The test adopts it in init's place, to learn its exit status. `options` are those of run().
    """

    def __init__(self, *args, **options):
        self.pid = None
        with contextlib.ExitStack() as stack:
            adopted = stack.enter_context(_adoption())
            stack.callback(_end_all, adopted)
            done = _run(args, **options)
            self.output = done.stdout + done.stderr
            assert done.returncode == 0, self.output
            (self.pid,) = adopted()
            self._adoption = stack.pop_all()

    def worker(self):
        """Its process id."""
        (pid,) = proc.children(self.pid)
        return pid

    def stop(self):
        """SIGTERM; returns the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self):
        """Waits for it to end; returns its exit status."""

        def ended():
            pid, raw = os.waitpid(self.pid, os.WNOHANG)
            return (raw,) if pid else None

        (raw,) = wait_for(ended, what="the daemon's end")
        return os.waitstatus_to_exitcode(raw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._adoption.close()


@contextlib.contextmanager
def _adoption():
    """Orphans below the test become its children, and not init's; yields a function that returns those that are new."""
    before = proc.children(os.getpid())
    _set_subreaper(True)
    try:
        yield lambda: proc.children(os.getpid()) - before
    finally:
        _set_subreaper(False)


def _set_subreaper(adopt):
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) == 0


def _end_all(adopted):
    """Kills daemons, with their workers in a session of their own, and reaps who becomes an orphan thereby."""
    while pids := adopted():
        for pid in pids:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
