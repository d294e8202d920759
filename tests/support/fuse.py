# SPDX-License-Identifier: MIT
"""virtfs-proxy-mount, mounted for the length of a test."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

from .helper import OURS, SANITIZER_WORDS, wait_for

MOUNT = os.environ.get("VIRTFS_PROXY_MOUNT", str(pathlib.Path(OURS).parent / "mount/virtfs-proxy-mount"))
FULL = os.environ.get("VPH_LONG") == "full"
DEVICE = "/dev/fuse"
START_TIMEOUT = 20.0


def missing_requirement():
    """Why nothing can be mounted here, or None."""
    if not os.path.exists(MOUNT):
        return f"not built: {MOUNT}"
    if shutil.which("fusermount3") is None:
        return "not installed: fusermount3"
    if not os.path.exists(DEVICE):
        return f"this kernel has no {DEVICE}"
    return None


@contextlib.contextmanager
def fusermount_usable():
    """In the block, users may open /dev/fuse, as udev has it everywhere; in a container without udev they may not.

    Of tests that run at the same time, the last to end puts the mode back: the others still need it.
    """
    device = os.open(DEVICE, os.O_RDWR)
    try:
        fcntl.flock(device, fcntl.LOCK_SH)
        mode = stat.S_IMODE(os.fstat(device).st_mode)
        os.chmod(DEVICE, 0o666)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.chmod(DEVICE, mode)
    finally:
        os.close(device)


@contextlib.contextmanager
def publish():
    """In the block, MOUNT is a copy that any user may run, who may not be able to enter the directory of the build."""
    global MOUNT
    built = MOUNT
    with tempfile.TemporaryDirectory(prefix="vph-mount-bin-") as directory:
        os.chmod(directory, 0o755)
        MOUNT = shutil.copy(built, directory)
        try:
            yield
        finally:
            MOUNT = built


def is_mounted(path):
    """By the kernel's table: nobody but who has mounted it may look at the directory itself."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:
        return any(line.split()[1] == str(path) for line in table)


class Mount:
    """The mount of the helper at `socket` on `path`, in use when the constructor returns.

    args    further arguments
    user    who mounts: a number; root if None
    binary  program to run (MOUNT)
    """

    def __init__(self, socket, path, *args, user=None, binary=None, env=None):
        self.path = pathlib.Path(path)
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [binary or MOUNT, "-f", str(socket), str(path), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            wait_for(self._is_ready, START_TIMEOUT, "the mount")
        except BaseException:
            self.close()
            raise

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"the mount ended with {self._process.returncode}: {self.log()}")
        return self.is_mounted()

    def is_mounted(self):
        return is_mounted(self.path)

    def log(self):
        """What it has said so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def close(self):
        """Unmounts; returns the exit status. Harmless when it is done.

        A mount namespace that somebody has made meanwhile may hold a copy of the mount, which then does not end by itself.
        """
        if self.is_mounted():
            wait_for(self._unmount, what=f"unmounting {self.path}")
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            try:
                return self._process.wait(3)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()

    def _unmount(self):
        return subprocess.run(["umount", str(self.path)], check=False, capture_output=True).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Bindfs:
    """bindfs(1), the directory `export` mounted on `path` without a helper, by `user`; `options` are FUSE's."""

    def __init__(self, export, path, options, user):
        self.path = path
        subprocess.run(
            ["bindfs", "--no-allow-other", "-o", options, export, path],
            check=True, cwd="/", user=user, group=user, extra_groups=[],
        )  # fmt: skip
        wait_for(lambda: is_mounted(path), what="bindfs")

    def close(self):
        wait_for(lambda: subprocess.run(["umount", self.path], check=False).returncode == 0, what="unmounting bindfs")


def check_end(mount):
    """Unmounts; it has to end in good order."""
    status = mount.close()
    assert status == 0, mount.log()
    assert not any(word in mount.log() for word in SANITIZER_WORDS), mount.log()


def skip_if_impossible():
    reason = missing_requirement()
    if reason:
        pytest.skip(reason)
