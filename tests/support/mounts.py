# SPDX-License-Identifier: MIT
"""File systems mounted for the length of a test."""

import contextlib
import subprocess

import pytest

from .helper import wait_for


def _run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _mount(*arguments):
    done = _run("mount", *map(str, arguments))
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


def _unmount(path):
    """Busy for a moment while a stopped helper's last thread goes away."""
    wait_for(lambda: _run("umount", str(path)).returncode == 0, what=f"unmounting {path}")


@contextlib.contextmanager
def tmpfs(path, options="mode=0755"):
    """A tmpfs on `path`: takes user attributes of up to 64 KiB, and has no generation numbers."""
    _mount("-t", "tmpfs", "-o", options, "tmpfs", path)
    try:
        yield path
    finally:
        _unmount(path)


@contextlib.contextmanager
def shared_tmpfs(path):
    """A tmpfs on `path` that shares what is mounted below it with copies of it, as systemd has the root do."""
    with tmpfs(path):
        subprocess.run(["mount", "--make-shared", path], check=True)
        yield path


@contextlib.contextmanager
def ext4(path, image, megabytes=16):
    """A fresh ext4 in the file `image`, loop-mounted on `path`."""
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    made = _run("mkfs.ext4", "-q", "-F", str(image))
    if made.returncode != 0:
        pytest.skip(f"cannot make an ext4 image: {made.stderr.strip()}")
    _mount("-o", "loop", image, path)
    try:
        yield path
    finally:
        _unmount(path)


@contextlib.contextmanager
def frozen(path):
    """Every change to the file system at `path` hangs until the end of the block."""
    done = _run("fsfreeze", "--freeze", str(path))
    if done.returncode != 0:
        pytest.skip(f"cannot freeze a file system here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(path)], check=True)
