# SPDX-License-Identifier: MIT
"""The two helpers as things to start, and what the system says of the processes that they become."""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
from typing import NamedTuple

from support.helper import OURS, UPSTREAM, Helper, wait_for
from support.wire import Client


class Implementation(NamedTuple):
    """One of the two. `patience` is how long an answer may take: upstream is known to hang, and is given less."""

    name: str
    binary: str
    patience: float

    @property
    def is_upstream(self):
        return self.name == "upstream"

    def start(self, export, binary=None, **options):
        """A Helper of this implementation, or of a `binary` that becomes one."""
        helper = binary or self.binary
        needs_ids = self.is_upstream and helper != UPSTREAM  # Helper gives them to UPSTREAM itself
        return Helper(export, binary=helper, args=("-u", "0", "-g", "0") if needs_ids else (), **options)

    @contextlib.contextmanager
    def serve(self, export, **options):
        """A Helper and a connected client of it; both end with the context, ours with status 0."""
        with self.start(export, **options) as helper:
            with self.connect(helper) as client:
                yield helper, client
            assert self.is_upstream or helper.stop() == 0, helper.log()

    def connect(self, helper):
        return helper.connect(self.patience)

    def start_through(self, command, export, directory):
        """A Helper started by the shell words `command`, which must keep their process: `exec 7<file; exec`."""
        return self.start(export, binary=script(directory / "start-helper", f"{command} {shlex.quote(self.binary)}"))

    def run(self, *arguments, prefix=(), **options):
        """Runs it to its end, or until it leaves a daemon behind. Files, not pipes: a daemon may keep its stderr."""
        command = [*prefix, self.binary, *map(str, arguments)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, timeout=10, check=False, **options
            )
            errors.seek(0)
            done.stderr = errors.read().decode()
        return done


def script(path, command):
    """Makes an executable that becomes `command` with its own arguments; returns its name."""
    path.write_text(f'#!/bin/sh\n{command} "$@"\n')
    path.chmod(0o755)
    return str(path)


OUR_HELPER = Implementation("ours", OURS, 10.0)
UPSTREAM_HELPER = Implementation("upstream", UPSTREAM, 1.5)


@contextlib.contextmanager
def daemons_of(*marks):
    """Ends, when the context does, every process whose command line has one of these unique arguments."""
    try:
        yield
    finally:
        for pid in processes_with(*marks):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not processes_with(*marks), what="the end of the daemons")


def processes_with(*marks):
    """Process ids whose command line has an argument equal to one of `marks`: names in a test's own directory."""
    wanted = {os.fsencode(mark) for mark in marks}
    return [pid for pid in all_processes() if wanted & set(read_proc(pid, "cmdline").split(b"\0"))]


def all_processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def read_proc(pid, name):
    """A file of /proc/PID, or nothing if the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def family(pid):
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in tasks(parent):
            found += [int(child) for child in read_proc(parent, f"task/{task}/children").split()]
    return found


def tasks(pid):
    try:
        return [int(task) for task in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def thread_status(pid, task):
    """/proc/PID/task/TID/status as a dictionary."""
    lines = read_proc(pid, f"task/{task}/status").decode().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def connect_soon(path, timeout):
    """A client, as soon as the name accepts."""

    def attempt():
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return Client.connect(path)
        return None

    return wait_for(attempt, timeout, what="a connection")


def jailed(helper):
    """The processes of a helper whose root directory is its export."""
    export = os.stat(helper.export)
    return [pid for pid in family(helper.pid) if os.path.samestat(os.stat(f"/proc/{pid}/root"), export)]


def is_stuck(helper):
    """Whether a thread of the helper is in a system call that nothing interrupts (state D)."""
    threads = [(pid, task) for pid in family(helper.pid) for task in tasks(pid)]
    return any(thread_status(*thread).get("State", "").startswith("D") for thread in threads)


def wait_until_stuck(helper):
    wait_for(lambda: is_stuck(helper), what="a file system call that blocks")
