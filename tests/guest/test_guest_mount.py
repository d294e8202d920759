# SPDX-License-Identifier: MIT
"""The same as test_guest.py, with QEMU's "local" driver on a mount of the helper: how every QEMU can use it, also those
that have no "proxy" driver any more.

Nothing here has privilege but the helper: QEMU and the mount run as another user than root.
"""

import os
import pathlib

import pytest

from guest.conftest import MountedSite
from guest import test_guest
from guest.test_guest import *  # noqa: F403
from guest.test_guest import Pair
from support.fuse import fusermount_usable, publish, skip_if_impossible


@pytest.fixture(scope="module")
def pair(start_site):
    skip_if_impossible()
    with fusermount_usable(), publish():
        pair = Pair(start_site("nobody", "nogroup", MountedSite))
        pair.first.wait_until_ready()
        pair.second.wait_until_ready()
        yield pair


def test_qemu_is_not_root_and_the_socket_keeps_its_name(pair):
    """QEMU is not root, and knows nothing of the helper: it has a directory."""
    assert "Uid:\t65534\t65534\t65534\t65534\n" in pathlib.Path(f"/proc/{pair.first.pid}/status").read_text()
    assert str(pair.site.path).encode() in pathlib.Path(f"/proc/{pair.first.pid}/cmdline").read_bytes()
    assert str(pair.site.socket).encode() not in pathlib.Path(f"/proc/{pair.first.pid}/cmdline").read_bytes()


def test_device_nodes(folder):  # noqa: F811
    """The one thing that is not to be had: the kernel lets no user without privilege make them, on any file system."""
    refused = folder.second_attempt("mknod null c 1 3")
    assert refused.status != 0 and "Operation not permitted" in refused.output
    assert not (folder.host / "null").exists()


# QEMU 7.2's "local" driver makes no FIFOs, and sets no trusted attributes, on any file system and as root neither.


def test_fifos(folder):  # noqa: F811
    """One of the host's is one to the guests."""
    os.mkfifo(folder.host / "pipe", 0o640)
    assert folder.second("stat -c '%F %a' pipe") == "fifo 640"
    assert folder.second("echo through > pipe & cat pipe; wait") == "through"
    folder.second("rm pipe")
    assert folder.first("ls") == ""


def test_who_creates_something_owns_it(folder):  # noqa: F811
    test_guest.test_who_creates_something_owns_it(folder, ("file", "dir", "link"))


def test_extended_attributes(folder):  # noqa: F811
    test_guest.test_extended_attributes(folder, "Operation not supported")
