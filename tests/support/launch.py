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


def run(*args, prefix=(), binary=OURS, **options):
    """Runs a helper that returns at once: it fails, or becomes a daemon. Returns a CompletedProcess with text."""
    return subprocess.run(
        [*map(str, (*prefix, binary, *args))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
        **options,
    )


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

    The test adopts it in init's place, to learn its exit status.
    """

    def __init__(self, *args, **options):
        _adopt_orphans(True)
        before = proc.children(os.getpid())
        done = run(*args, **options)
        self.output = done.stdout + done.stderr
        assert done.returncode == 0, self.output
        adopted = proc.children(os.getpid()) - before
        assert len(adopted) == 1, f"one daemon expected, found {adopted}"
        self.pid = adopted.pop()

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
        self.pid = None
        return os.waitstatus_to_exitcode(raw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        _adopt_orphans(False)


def _adopt_orphans(adopt):
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) == 0
