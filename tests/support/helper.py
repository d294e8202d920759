# SPDX-License-Identifier: MIT
"""Starts a helper, ours or QEMU's own, as a child process that ends with the test."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from .wire import DEFAULT_TIMEOUT, Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = os.environ.get("VIRTFS_PROXY_HELPER", str(ROOT / "build/src/virtfs-proxy-helper"))
UPSTREAM = os.environ.get("UPSTREAM_HELPER", "/usr/lib/qemu/virtfs-proxy-helper")
START_TIMEOUT = 10.0
SANITIZER_WORDS = ("Sanitizer", "runtime error:")  # in what a helper says that was built with one


def wait_for(condition, timeout=10.0, what="condition"):
    """Polls until `condition()` is true and returns its value; a generous deadline, no fixed sleep."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true in {timeout} s")
        time.sleep(0.005)


class Helper:
    """A helper that serves `export`, started with --nodaemon and ready to accept when the constructor returns.

    socket  name of the socket; one in a new private directory when it is None and `fd` is None
    args    further arguments, after the usual ones
    binary  program to run (OURS); UPSTREAM serves one client only and is given -u 0 -g 0
    env     additions to the environment
    fd      a socket to inherit and serve (--fd) instead of a named one; the caller keeps its own copy
    user    start as this user, instead of as root
    group   and with this group
    groups  and with these supplementary groups
    """

    def __init__(
        self, export, socket=None, args=(), binary=None, env=None, fd=None, user=None, group=None, groups=None
    ):
        self.export = pathlib.Path(export)
        self.binary = binary or OURS
        self._directory = None
        self._killed = False
        if socket is None and fd is None:
            self._directory = tempfile.mkdtemp(prefix="vph-")
            socket = os.path.join(self._directory, "s")
        self.socket = None if fd is not None else str(socket)
        self._log = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                self._command(fd, args),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=() if fd is None else (fd,),
                env={**os.environ, **(env or {})},
                user=user,
                group=group,
                extra_groups=[] if groups is None and user is not None else groups,
                start_new_session=True,
            )
        except BaseException:
            self._remove_directory()
            raise
        self.pid = self._process.pid
        try:
            if self.socket is not None:
                self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def _command(self, fd, args):
        command = [self.binary, "--nodaemon", "--path", str(self.export)]
        if fd is not None:
            command += ["--fd", str(fd)]
        else:
            command += ["--socket", self.socket]
            if self.is_upstream:
                command += ["-u", "0", "-g", "0"]
        return command + list(args)

    @property
    def is_upstream(self):
        return os.path.realpath(self.binary) == os.path.realpath(UPSTREAM)

    def _wait_until_ready(self):
        """Waits for the name and for a listening socket in the process, without connecting.

        A connection made to find out would be the only one that upstream accepts, and an extra client to ours.
        """

        def ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.binary} ended with {self._process.returncode}: {self.log()}")
            return os.path.exists(self.socket) and holds_listener(self.pid)

        wait_for(ready, START_TIMEOUT, "the helper's socket")

    def connect(self, timeout=DEFAULT_TIMEOUT):
        """A new client. It must be closed before `stop` for upstream to end on its own."""
        return Client.connect(self.socket, timeout)

    def log(self):
        """What the helper has written to stdout and stderr so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def poll(self):
        """The exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout=10.0):
        """Waits for the helper to end on its own; returns its exit status."""
        return self._process.wait(timeout)

    def children(self):
        """Process ids of the helper's children: the worker, for ours."""
        try:
            tasks = os.listdir(f"/proc/{self.pid}/task")
            files = [pathlib.Path(f"/proc/{self.pid}/task/{task}/children") for task in tasks]
            return [int(pid) for file in files for pid in file.read_text().split()]
        except FileNotFoundError:
            return []

    def stop(self, timeout=10.0):
        """SIGTERM; returns the exit status (-15 for upstream). Kills and raises when the helper outlives `timeout`."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        finally:
            self.kill()

    def kill(self):
        """Ends whatever is left of the helper at once, and the directory made for its socket. Once is enough."""
        if self._killed:
            return
        self._killed = True
        try:
            os.killpg(self.pid, signal.SIGKILL)  # its own session: nobody else is in that group
        except ProcessLookupError:
            pass
        self._process.wait()
        self._remove_directory()

    def _remove_directory(self):
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def holds_listener(pid):
    """Whether the process has a listening AF_UNIX socket."""
    accepting = "00010000"
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    listening = {f"socket:[{row[6]}]" for row in rows if row[3] == accepting}
    return any(target in listening for target in open_files(pid))


def open_files(pid):
    """What each descriptor of a process refers to, as /proc names it."""
    targets = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                targets.append(os.readlink(f"/proc/{pid}/fd/{name}"))
            except FileNotFoundError:
                continue
    except FileNotFoundError:
        pass
    return targets
