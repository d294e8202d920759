# SPDX-License-Identifier: MIT
"""Who owns what a client creates: every pair of identities, set-group-ID directories, and the helper's own groups."""

import errno
import itertools
import os
import stat

import pytest
from support.expect import descriptor, fails
from support.helper import Helper
from support.identity import acting_as

NOBODY = 2**32 - 2
GROUP = 2000
IDENTITIES = list(itertools.product((0, 1000, NOBODY), repeat=2))
NO_IDENTITIES = [pair for pair in itertools.product((0, 1000, -1), repeat=2) if -1 in pair]

CREATORS = {
    "CREATE": lambda client, path, mode, uid, gid: os.close(client.create(path, mode=mode, uid=uid, gid=gid)),
    "MKNOD": lambda client, path, mode, uid, gid: client.mknod(path, stat.S_IFREG | mode, 0, uid, gid),
    "MKDIR": lambda client, path, mode, uid, gid: client.mkdir(path, mode, uid, gid),
    "SYMLINK": lambda client, path, mode, uid, gid: client.symlink("target", path, uid, gid),
}
FILES = ("CREATE", "MKNOD")


@pytest.fixture
def shared(export):
    """A set-group-ID directory of GROUP that only its members may write."""
    path = export / "shared"
    path.mkdir()
    os.chown(path, 0, GROUP)
    path.chmod(0o2770)
    return path


def owner(path):
    return path.lstat().st_uid, path.lstat().st_gid


@pytest.mark.parametrize("create", CREATORS.values(), ids=CREATORS.keys())
def test_each_object_belongs_to_whom_it_was_created_for(client, export, create):
    for uid, gid in IDENTITIES + IDENTITIES[::-1]:
        create(client, "//new", 0o777, uid, gid)
        made = (export / "new").lstat()
        assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (uid, gid, 0o777)
        client.remove("//new")


@pytest.mark.parametrize("create", CREATORS.values(), ids=CREATORS.keys())
@pytest.mark.parametrize("uid, gid", NO_IDENTITIES)
def test_nothing_is_created_for_nobody_in_particular(client, export, create, uid, gid):
    with fails(errno.EINVAL):
        create(client, "//new", 0o777, uid, gid)
    assert os.listdir(export) == []
    assert client.lstat("/").mode == export.stat().st_mode


@pytest.mark.parametrize("create", CREATORS.values(), ids=CREATORS.keys())
@pytest.mark.parametrize("uid, gid", [(0, 0), (0, 1000), (1000, 0), (1000, 1000), (1000, GROUP)])
def test_set_group_directory_gives_its_group(client, shared, create, uid, gid):
    create(client, "//shared/new", 0o755, uid, gid)
    assert owner(shared / "new") == (uid, GROUP)


@pytest.mark.parametrize("uid, gid", [(0, 0), (0, 1000), (1000, 1000)])
def test_set_group_directory_is_inherited_by_directories(client, shared, uid, gid):
    client.mkdir("//shared/new", 0o755, uid, gid)
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o2755


@pytest.mark.parametrize("create", [CREATORS[name] for name in FILES], ids=FILES)
@pytest.mark.parametrize("uid, gid", [(1000, 1000), (0, 1000), (1000, 0)])
def test_outsider_gets_no_set_group_file_in_a_set_group_directory(client, shared, create, uid, gid):
    create(client, "//shared/new", 0o2775, uid, gid)
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o775


def test_groups_of_whoever_started_the_helper_mean_nothing(export, shared):
    with Helper(export, groups=[GROUP]) as helper, helper.connect() as client:
        os.close(client.create("//shared/new", mode=0o2775, uid=1000, gid=1000))
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o775


def test_write_of_a_qemu_that_is_not_root_takes_set_id_bits_away(client, export):
    """The kernel sees to it, as nobody but the helper has CAP_FSETID; a write does not pass through the helper."""
    file = export / "file"
    file.write_text("content")
    file.chmod(0o6755)
    with descriptor(client.open("//file", os.O_WRONLY)) as fd, acting_as(1000):
        os.write(fd, b"C")
    assert stat.S_IMODE(file.stat().st_mode) == 0o755


def test_identity_of_a_create_does_not_stay(client, export):
    """What ended QEMU's helper: as root with another group, then as a user, then an operation of root."""
    os.close(client.create("//one", uid=0, gid=1000))
    os.close(client.create("//two", uid=1000, gid=1000))
    client.chown("//two", 1001, 1002)
    client.mknod("//device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    client.mkdir("//three", uid=1000, gid=0)
    client.chmod("//one", 0o600)
    assert owner(export / "one") == (0, 1000)
    assert owner(export / "two") == (1001, 1002)
    assert owner(export / "three") == (1000, 0)


def test_identity_of_a_failed_create_does_not_stay(client, export):
    (export / "taken").mkdir(mode=0o700)
    for create in CREATORS.values():
        with fails(errno.EEXIST, errno.EISDIR):
            create(client, "//taken", 0o755, 1000, 1000)
    os.close(client.create("//new"))
    client.chown("//taken", 5, 6)
    assert owner(export / "new") == (0, 0)
    assert owner(export / "taken") == (5, 6)


def test_masks_of_whoever_started_the_helper_mean_nothing(export):
    before = os.umask(0o077)
    try:
        helper = Helper(export)
    finally:
        os.umask(before)
    with helper, helper.connect() as client:
        os.close(client.create("//file", mode=0o666))
        client.mkdir("//directory", 0o777)
        client.mknod("//fifo", stat.S_IFIFO | 0o622)
    assert [stat.S_IMODE((export / name).stat().st_mode) for name in ("file", "directory", "fifo")] == [
        0o666,
        0o777,
        0o622,
    ]
