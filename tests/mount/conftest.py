# SPDX-License-Identifier: MIT
"""A helper, and its export mounted by a user who is not root."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from support.fuse import Bindfs, Mount, check_end, fusermount_usable, publish, skip_if_impossible
from support.helper import Helper

USER = 65534


@pytest.fixture(scope="session", autouse=True)
def _possible():
    skip_if_impossible()
    with fusermount_usable(), publish():
        yield


class Place:
    """A mount of the directory `export` at `path`, of a user's, or of root's if `user` is None."""

    def __init__(self, export, path, user):
        self.export, self.path, self.user = export, path, user
        path.mkdir(exist_ok=True)
        if user is not None:
            os.chown(path, user, user)

    def command(self, *words):
        """What runs `words` in the mount as its user: even root may not enter what another user has mounted."""
        identity = [] if self.user is None else ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [*identity, "env", "-C", str(self.path), *map(str, words)]

    def run(self, *words, status=0, **options):
        """Runs a program in the mount, which has to end with `status`; returns its output."""
        done = subprocess.run(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
            **options,
        )  # fmt: skip
        assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def python(self, source, **options):
        """Runs a piece of Python in the mount."""
        return self.run("/usr/bin/python3", "-c", PRELUDE + source, **options)


class Site(Place):
    """A helper on `export`, and what is mounted of it at `path`. Users may enter: it is in no directory of pytest's."""

    def __init__(self, directory, helper_arguments=(), mount_arguments=(), user=USER):
        super().__init__(directory / "export", directory / "mount", user)
        self.socket = directory / "run/s"
        for made in (self.export, self.socket.parent):
            made.mkdir(exist_ok=True)
        self._helper_arguments = ("-u", str(user or 0), "-g", str(user or 0), *helper_arguments)
        self.helper = self.start_helper()
        try:
            self.mount = Mount(self.socket, self.path, *mount_arguments, user=user)
        except BaseException:
            self.helper.kill()
            raise

    def start_helper(self):
        return Helper(self.export, socket=self.socket, args=self._helper_arguments)

    def close(self):
        try:
            check_end(self.mount)
        finally:
            status = self.helper.stop() if self.helper.poll() is None else 0
        assert status == 0, self.helper.log()


PRELUDE = """
import errno, fcntl, mmap, os, stat, sys
def fails(code, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except OSError as error:
        assert error.errno == code, error
    else:
        raise AssertionError(f"{function} succeeded")
def create(name, content=b"", mode=0o644):
    with open(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
def content(name):
    with open(name, "rb") as file:
        return file.read()
"""


@pytest.fixture
def start_site():
    """Starts sites, with arguments of Site. At the end of the test, mounts and helpers have to end in good order."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, **named):
            directory = pathlib.Path(tempfile.mkdtemp(prefix="vph-mount-"))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            directory.chmod(0o755)
            site = Site(directory, *arguments, **named)
            stack.callback(site.close)
            return site

        yield start


@pytest.fixture
def site(start_site):
    """One with nothing special, whose export anyone may write to."""
    made = start_site()
    made.export.chmod(0o777)
    return made


@pytest.fixture
def start_bindfs():
    """Starts bindfs on the export of a site, beside it, with options of FUSE."""
    if shutil.which("bindfs") is None:
        pytest.skip("not installed: bindfs")
    with contextlib.ExitStack() as stack:

        def start(site, name, options):
            place = Place(site.export, site.path.with_name(name), site.user)
            stack.callback(Bindfs(place.export, place.path, options, place.user).close)
            return place

        yield start
