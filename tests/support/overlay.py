# SPDX-License-Identifier: MIT
"""A throw-away copy of this machine's root file system: what is changed in it is changed in memory only."""

import contextlib
import os
import pathlib
import stat
import subprocess

import pytest

from .mounts import tmpfs

BOUND = ("/dev", "/proc", "/sys")


class Overlay:
    """A root directory, .root, to run commands in."""

    def __init__(self, root, upper):
        self.root = root
        self._upper = upper

    def command(self, *words):
        """What runs these words in it."""
        return ["chroot", str(self.root), *map(str, words)]

    def run(self, *words, timeout=120):
        """Runs a command that has to succeed; returns what it has printed."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            # systemctl is to write down what is enabled, and to start nothing.
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "SYSTEMD_OFFLINE": "1"},
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def changes(self):
        """The names of what is not as on the machine: what was added, changed or removed. Directories count if new."""
        changed = set()
        for path in sorted(self._upper.rglob("*")):
            name = "/" + str(path.relative_to(self._upper))
            if not _is_same(path, pathlib.Path(name)):
                changed.add(name)
        return changed


def _is_same(path, original):
    if not os.path.lexists(original):
        return False
    ours, theirs = path.lstat(), original.lstat()
    if stat.S_IFMT(ours.st_mode) != stat.S_IFMT(theirs.st_mode):
        return False
    if stat.S_ISLNK(ours.st_mode):
        return os.readlink(path) == os.readlink(original)
    return not stat.S_ISREG(ours.st_mode) or path.read_bytes() == original.read_bytes()


@contextlib.contextmanager
def overlay(directory, bound=BOUND):
    """An Overlay as long as the block lasts, with these of the machine's directories that are no files on a disk."""
    with tmpfs(directory):
        for name in ("upper", "work", "root"):
            (directory / name).mkdir(mode=0o755)
        root = directory / "root"
        options = f"lowerdir=/,upperdir={directory}/upper,workdir={directory}/work"
        made = subprocess.run(
            ["mount", "-t", "overlay", "-o", options, "overlay", root], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            pytest.skip(f"no overlay here: {made.stderr.strip()}")
        try:
            for name in bound:
                subprocess.run(["mount", "--rbind", "--make-rslave", name, f"{root}{name}"], check=True)
            yield Overlay(root, directory / "upper")
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", root], check=True)
