# SPDX-License-Identifier: MIT
"""The operations on names: MKNOD, MKDIR, SYMLINK, LINK, READLINK, RENAME, REMOVE."""

import errno
import os
import stat

import pytest
from support.expect import fails
from support.mounts import tmpfs


@pytest.fixture
def file(export):
    path = export / "file"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def other_device(export, file):
    """A second file system below the export, mounted before the helper starts."""
    (export / "mount").mkdir()
    with tmpfs(export / "mount") as path:
        yield path


@pytest.mark.parametrize(
    "mode, rdev",
    [
        (stat.S_IFREG | 0o640, 0),
        (0o604, 0),
        (stat.S_IFIFO | 0o666, 0),
        (stat.S_IFSOCK | 0o777, 0),
        (stat.S_IFCHR | 0o620, os.makedev(1, 3)),
        (stat.S_IFBLK | 0o660, os.makedev(7, 200)),
        (stat.S_IFCHR | 0o600, os.makedev(4095, 1048575)),
    ],
)
def test_mknod_by_guest_root(client, export, mode, rdev):
    client.mknod("//node", mode, rdev)
    made = (export / "node").lstat()
    assert stat.S_IFMT(made.st_mode) == (stat.S_IFMT(mode) or stat.S_IFREG)
    assert (stat.S_IMODE(made.st_mode), made.st_rdev) == (stat.S_IMODE(mode), rdev)
    assert (made.st_uid, made.st_gid) == (0, 0)


@pytest.mark.parametrize("kind", [stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK])
def test_mknod_by_another_user_belongs_to_them(client, export, kind):
    client.mknod("//node", kind | 0o666, uid=1000, gid=1001)
    made = (export / "node").lstat()
    assert (made.st_mode, made.st_uid, made.st_gid) == (kind | 0o666, 1000, 1001)


@pytest.mark.parametrize("uid, gid", [(1000, 1000), (1000, 0), (0, 1000)])
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_mknod_of_a_device_is_for_root_only(client, export, kind, uid, gid):
    with fails(errno.EPERM):
        client.mknod("//node", kind | 0o666, os.makedev(1, 3), uid, gid)
    assert list(export.iterdir()) == []


def test_mknod_failures(client, export, file):
    (export / "link").symlink_to("missing")
    with fails(errno.EEXIST):
        client.mknod("//file", stat.S_IFIFO | 0o600)
    with fails(errno.EEXIST):
        client.mknod("//link", stat.S_IFIFO | 0o600)
    with fails(errno.ENOENT):
        client.mknod("//missing/node", stat.S_IFIFO | 0o600)
    with fails(errno.ENOTDIR):
        client.mknod("//file/node", stat.S_IFIFO | 0o600)
    with fails(errno.EPERM):
        client.mknod("//node", stat.S_IFDIR | 0o700)


@pytest.mark.parametrize("mode", [0, 0o700, 0o755, 0o777, 0o1777, stat.S_IFDIR | 0o751])
def test_mkdir_gives_the_exact_mode_and_owner(client, export, mode):
    client.mkdir("//new", mode, 1000, 1001)
    made = (export / "new").lstat()
    assert (made.st_mode, made.st_uid, made.st_gid) == (stat.S_IFDIR | stat.S_IMODE(mode), 1000, 1001)


def test_mkdir_failures(client, export, file):
    (export / "link").symlink_to("missing")
    for existing in ("//file", "//link", "/"):
        with fails(errno.EEXIST):
            client.mkdir(existing)
    with fails(errno.ENOENT):
        client.mkdir("//missing/new")
    with fails(errno.ENOTDIR):
        client.mkdir("//file/new")


@pytest.mark.parametrize("target", [b"file", b"/absolute", b"../../up", b"\xff\xfe bytes", b"x" * 4095])
def test_symlink_keeps_its_target_as_it_is(client, export, target):
    client.symlink(target, "//link", 1000, 1001)
    made = (export / "link").lstat()
    assert os.readlink(os.fsencode(export / "link")) == target
    assert (made.st_uid, made.st_gid) == (1000, 1001)


def test_symlink_failures(client, export, file):
    (export / "link").symlink_to("missing")
    for existing in ("//file", "//link"):
        with fails(errno.EEXIST):
            client.symlink("target", existing)
    with fails(errno.ENOENT):
        client.symlink("target", "//missing/link")
    with fails(errno.ENOTDIR):
        client.symlink("target", "//file/link")
    with fails(errno.ENOENT):
        client.symlink("", "//new")
    with fails(errno.ENAMETOOLONG):
        client.symlink("x" * 4096, "//new")
    assert sorted(os.listdir(export)) == ["file", "link"]


def test_link_gives_a_file_a_second_name(client, export, file):
    client.link("//file", "//again")
    assert os.path.samefile(file, export / "again")
    assert file.stat().st_nlink == 2


def test_link_to_a_link_names_the_link_itself(client, export, file):
    (export / "link").symlink_to("file")
    client.link("//link", "//again")
    assert (export / "again").is_symlink()
    assert file.stat().st_nlink == 1


def test_link_to_a_special_file(client, export):
    os.mkfifo(export / "fifo")
    client.link("//fifo", "//again")
    assert (export / "again").is_fifo()


def test_link_failures(client, export, file):
    (export / "sub").mkdir()
    with fails(errno.ENOENT):
        client.link("//missing", "//new")
    with fails(errno.ENOENT):
        client.link("//file", "//missing/new")
    with fails(errno.EEXIST):
        client.link("//file", "//sub")
    with fails(errno.EPERM):
        client.link("//sub", "//new")
    with fails(errno.ENOTDIR):
        client.link("//file", "//file/new")


@pytest.mark.parametrize("target", [b"t", b"file", b"/a/b", b"\x80\xff", b"y" * 4000])
def test_readlink_returns_the_target_without_a_terminator(client, export, target):
    os.symlink(target, os.fsencode(export / "link"))
    assert client.readlink("//link", 4096) == target


@pytest.mark.parametrize("size", [65536, 65537, 0x7FFFFFFF])
def test_readlink_clamps_a_large_size(client, export, size):
    (export / "link").symlink_to("target")
    assert client.readlink("//link", size) == b"target"


def test_readlink_answers_rather_than_truncate(client, export):
    (export / "link").symlink_to("target")
    assert client.readlink("//link", 7) == b"target"
    for size in (2, 5, 6):
        with fails(errno.ENAMETOOLONG):
            client.readlink("//link", size)


@pytest.mark.parametrize("size", [0, 1, -1, -65536, -(2**31)])
def test_readlink_refuses_a_size_that_holds_no_target(client, export, size):
    (export / "link").symlink_to("target")
    with fails(errno.EINVAL):
        client.readlink("//link", size)


def test_readlink_failures(client, export, file):
    with fails(errno.ENOENT):
        client.readlink("//missing")
    with fails(errno.ENOTDIR):
        client.readlink("//file/link")
    for other in ("//file", "/"):
        with fails(errno.EINVAL):
            client.readlink(other)


def test_rename_moves_a_file(client, export, file):
    (export / "sub").mkdir()
    client.rename("//file", "//sub/moved")
    assert not file.exists()
    assert (export / "sub/moved").read_bytes() == b"content"


def test_rename_replaces_a_file(client, export, file):
    (export / "old").write_bytes(b"old")
    client.rename("//file", "//old")
    assert (export / "old").read_bytes() == b"content"
    assert os.listdir(export) == ["old"]


def test_rename_replaces_an_empty_directory(client, export):
    (export / "one/inside").mkdir(parents=True)
    (export / "two").mkdir()
    client.rename("//one", "//two")
    assert (export / "two/inside").is_dir()


def test_rename_moves_a_link_itself_on_both_sides(client, export, file):
    (export / "link").symlink_to("file")
    (export / "second").symlink_to("file")
    client.rename("//link", "//second")
    assert os.readlink(export / "second") == "file"
    client.rename("//file", "//second")
    assert not (export / "second").is_symlink()


def test_rename_failures(client, export, file):
    (export / "empty").mkdir()
    (export / "full/inside").mkdir(parents=True)
    cases = [
        (errno.ENOENT, "//missing", "//new"),
        (errno.ENOENT, "//file", "//missing/new"),
        (errno.ENOTDIR, "//file/x", "//new"),
        (errno.EISDIR, "//file", "//empty"),
        (errno.ENOTDIR, "//empty", "//file"),
        (errno.ENOTEMPTY, "//empty", "//full"),
        (errno.EINVAL, "//full", "//full/inside/below"),
        (errno.EBUSY, "/", "//empty"),
    ]
    for code, old, new in cases:
        with fails(code):
            client.rename(old, new)


def test_names_do_not_move_between_file_systems(other_device, client, export):
    with fails(errno.EXDEV):
        client.link("//file", "//mount/file")
    with fails(errno.EXDEV):
        client.rename("//file", "//mount/file")
    with fails(errno.EBUSY):
        client.remove("//mount")
    assert list(other_device.iterdir()) == []


def test_remove_takes_files_and_empty_directories(client, export, file):
    (export / "sub").mkdir()
    os.mkfifo(export / "fifo")
    (export / "link").symlink_to("file")
    for name in ("link", "fifo", "sub"):
        client.remove(f"//{name}")
    assert os.listdir(export) == ["file"]
    client.remove("//file")
    assert os.listdir(export) == []


def test_remove_failures(client, export, file):
    (export / "full/inside").mkdir(parents=True)
    with fails(errno.ENOENT):
        client.remove("//missing")
    with fails(errno.ENOTDIR):
        client.remove("//file/x")
    with fails(errno.ENOTEMPTY):
        client.remove("//full")
    with fails(errno.EBUSY):
        client.remove("/")
    assert sorted(os.listdir(export)) == ["file", "full"]
