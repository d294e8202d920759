# SPDX-License-Identifier: MIT
"""System calls of a running process that fail as the test wants them to: strace(1) tampers with them."""

import contextlib
import os
import subprocess
import tempfile

import pytest

from . import proc
from .helper import wait_for


class Faults:
    """What has been done to a process so far."""

    def __init__(self, log):
        self._log = log

    def count(self):
        """How many system calls have failed that would not have."""
        self._log.seek(0)
        return self._log.read().count(b"(INJECTED)")


def _attached(pid, tracer):
    """Whether every thread is in the tracer's hands: from now on no call of theirs is missed."""
    tasks = os.listdir(f"/proc/{pid}/task")
    return all(proc.status(pid, task)["TracerPid"] == str(tracer) for task in tasks)


@contextlib.contextmanager
def injected(pid, *faults):
    """During the block, calls of all threads of the process that are there by then fail; yields a Faults.

    A fault is what strace(1) takes as --inject: "openat:error=ENFILE", ":when=1" for each thread's first only.
    """
    with tempfile.NamedTemporaryFile() as log:
        command = ["strace", "-qq", "-f", "-p", str(pid), "-o", log.name]
        command += [part for fault in faults for part in ("-e", f"inject={fault}")]
        try:
            tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            pytest.skip("there is no strace")
        try:
            wait_for(lambda: tracer.poll() is not None or _attached(pid, tracer.pid), what="strace's grip")
            assert tracer.poll() is None, f"strace cannot attach, or does not know {faults}"
            yield Faults(log)
        finally:
            tracer.terminate()  # it lets the process go
            tracer.wait()
