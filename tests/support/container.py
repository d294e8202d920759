# SPDX-License-Identifier: MIT
"""A machine of its own under systemd: an overlay of this one, started as a container. Nothing of it is seen outside."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from . import proc
from .helper import wait_for
from .overlay import overlay

BOOT_TIMEOUT = 60
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root",
}  # fmt: skip
# What this machine starts, or keeps from being started, is not for its copy.
LEFT_OUT = ("etc/systemd/system", "etc/systemd/user", "run", "etc/fstab", "etc/rc.local", "usr/sbin/policy-rc.d")


class Container:
    """.root is its root directory, as seen from here, without what is mounted in it; .leader its first process."""

    def __init__(self, root, leader):
        self.root = root
        self.leader = leader

    def command(self, *words):
        """What runs these words in it."""
        entering = ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup"]
        return [*entering, f"--root=/proc/{self.leader}/root", "--wdns=/root", *map(str, words)]

    def attempt(self, *words, timeout=60):
        """Runs a command; its output and errors are one text."""
        return subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout, check=False,
            env=ENVIRONMENT,
        )  # fmt: skip

    def run(self, *words, timeout=60):
        """The same for one that has to succeed; returns what it printed."""
        done = self.attempt(*words, timeout=timeout)
        assert done.returncode == 0, f"{words}: {done.stdout}"
        return done.stdout


class _ControlGroup:
    """One of its own for the container, in which its systemd makes more, that goes with it."""

    def __init__(self):
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        roots = [fields[1] for fields in mounts if fields[2] == "cgroup2" or "name=systemd" in fields[3].split(",")]
        # Another copy of the machine may have the same hierarchies mounted.
        same = {os.stat(root).st_dev: root for root in reversed(roots)}
        self._directories = [pathlib.Path(root) / f"virtfs-test-{os.getpid()}" for root in same.values()]

    def command(self, *words):
        """What runs these words in it."""
        enter = "".join(f"echo 0 >{path}/cgroup.procs; " for path in self._directories)
        return ["sh", "-ec", f'{enter} exec "$@"', "sh", *map(str, words)]

    def __enter__(self):
        for path in self._directories:
            path.mkdir()
        return self

    def __exit__(self, *_):
        gone = lambda: all(self._remove(path) for path in self._directories)  # noqa: E731
        wait_for(gone, what="the end of the container's processes")

    @staticmethod
    def _remove(path):
        """True when it is gone."""
        try:
            for directory, _, _ in os.walk(path, topdown=False):
                os.rmdir(directory)
        except OSError:
            return False
        return True


def _leader(process):
    """The container's first process, once it is systemd."""
    assert process.poll() is None, "the container did not start"
    with contextlib.suppress(FileNotFoundError):
        for pid in proc.children(process.pid):
            if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                return pid
    return None


def _end(process):
    """With the container's first process, all others of it end; systemd-nspawn's own end would be that of none."""
    for pid in proc.children(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _is_up(container):
    return container.attempt("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")


@contextlib.contextmanager
def container(directory):
    """A Container, booted, as long as the block lasts."""
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("not installed: systemd-nspawn")
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(overlay(directory, bound=()))
        console = stack.enter_context(open(directory / "console", "w+b"))
        group = stack.enter_context(_ControlGroup())
        for name in LEFT_OUT:
            path = machine.root / name
            if path.is_dir():
                shutil.rmtree(path)
                path.mkdir()
            else:
                path.unlink(missing_ok=True)
        command = group.command("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe",
                                "--link-journal=no", "--machine=virtfs-test", f"--directory={machine.root}", "--boot")  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console) as process:
            try:
                leader = wait_for(lambda: _leader(process), BOOT_TIMEOUT, "the container's systemd")
                booted = Container(machine.root, leader)
                wait_for(lambda: _is_up(booted), BOOT_TIMEOUT, "the container's boot")
                yield booted
            finally:
                _end(process)
