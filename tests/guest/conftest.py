# SPDX-License-Identifier: MIT
"""Guests on one export: the image they boot, a place for socket and export, and a helper that serves them."""

import contextlib
import pathlib
import pwd
import shutil
import tempfile

import pytest

from support.fuse import Mount
from support.fuse import check_end as check_mount_end
from support.guest import Guest, GuestError, missing_requirement, prepare_image
from support.helper import Helper


@contextlib.contextmanager
def public_directory():
    """A directory of root's that every user may enter, as pytest's own are not: a QEMU that is not root must pass."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vph-guest-"))
    try:
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def image():
    """Directory with the guests' kernel and initramfs."""
    reason = missing_requirement()
    if reason:
        pytest.skip(reason)
    with public_directory() as directory:
        try:
            prepare_image(directory)
        except GuestError as error:
            pytest.skip(f"no guest to boot: {error}")
        yield directory


class Site:
    """A helper and the guests that it serves. `export` is the shared tree as the host sees it."""

    def __init__(self, image, directory, user, group):
        self._image, self._user, self._group = image, user, group
        self.export = directory / "export"
        self.export.mkdir()
        self.socket = directory / "socket"
        self.helper = self.start_helper()
        self._guests = []

    def start_helper(self):
        return Helper(self.export, socket=self.socket, args=("-u", self._user, "-g", self._group))

    def start_guest(self):
        """A guest that is booting."""
        guest = self._boot()
        self._guests.append(guest)
        return guest

    def _boot(self):
        return Guest(self._image, self.socket, self._user)

    def close(self):
        """Ends the guests, then the helper; returns the helper's exit status."""
        for guest in self._guests:
            guest.kill()
        return self.helper.stop()


class MountedSite(Site):
    """A helper, its export mounted by the user that QEMU runs as, and guests of QEMU's "local" driver on the mount."""

    def __init__(self, image, directory, user, group):
        super().__init__(image, directory, user, group)
        self.path = directory / "mount"
        self.path.mkdir()
        shutil.chown(self.path, user, group)
        self._mount = Mount(self.socket, self.path, user=pwd.getpwnam(user).pw_uid)

    @property
    def mount_pid(self):
        return self._mount.pid

    def _boot(self):
        return Guest(self._image, None, self._user, local=self.path)

    def close(self):
        for guest in self._guests:
            guest.kill()
        try:
            check_mount_end(self._mount)
        finally:
            status = super().close()
        return status


@pytest.fixture(scope="module")
def start_site(image):
    """Starts a helper for QEMUs of a user and a group. Once its guests are gone, it has to end in good order."""
    with contextlib.ExitStack() as stack:

        def start(user, group, kind=Site):
            site = kind(image, stack.enter_context(public_directory()), user, group)
            stack.callback(check_end, site)
            return site

        yield start


def check_end(site):
    status = site.close()
    assert status == 0, site.helper.log()
    assert "Sanitizer" not in site.helper.log()
    assert not site.socket.exists(), "the helper left its socket behind"
