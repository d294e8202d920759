# SPDX-License-Identifier: MIT
"""Runs virtfs-proxyctl, for one command or for as long as it traces."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess

from .helper import ROOT, holds_listener, wait_for

CTL = os.environ.get("VIRTFS_PROXYCTL", str(ROOT / "build/src/ctl/virtfs-proxyctl"))
TIMEOUT = 20.0

DONE, REFUSED, USAGE, TRANSPORT = range(4)


def run(*arguments, data=b"", status=DONE):
    """A command that has to end with `status`; returns a CompletedProcess with bytes."""
    done = subprocess.run([CTL, *map(os.fspath, map(as_word, arguments))], input=data, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def as_word(argument):
    return argument if isinstance(argument, (str, bytes, os.PathLike)) else str(argument)


def output(*arguments, **options):
    """What it prints, as text."""
    return run(*arguments, **options).stdout.decode()


def objects(*arguments, **options):
    """What it prints with --json, which is the first argument's option: a list of objects."""
    return parse(run("--json", *arguments, **options).stdout)


def parse(printed):
    assert printed.isascii(), "a terminal would see it"
    return [json.loads(line) for line in printed.splitlines()]


class Trace:
    """A trace that listens at `socket` in the place of `real`; ended in order, by a signal, when the block is over."""

    def __init__(self, directory, real, *options):
        self.socket = pathlib.Path(directory) / "trace.sock"
        self._printed = pathlib.Path(directory) / "trace.log"
        with self._printed.open("wb") as log:
            command = [CTL, *options, "trace", str(self.socket), str(real)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self._process.pid
        wait_for(lambda: holds_listener(self.pid) or self._process.poll() is not None, what="the trace's socket")
        assert self._process.poll() is None, self.printed()

    def printed(self):
        return self._printed.read_text()

    def lines(self, word, count=1):
        """The lines with `word` in them, once there are `count`."""

        def found():
            whole = self.printed().rpartition("\n")[0]
            lines = [line for line in whole.splitlines() if word in line]
            return lines if len(lines) >= count else None

        return wait_for(found, what=f"{count} lines with {word!r}")

    def stop(self, how=signal.SIGTERM):
        """Returns its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            return self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.stop() == 0, self.printed()
