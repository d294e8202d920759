# SPDX-License-Identifier: MIT
"""The operations on attributes: LSTAT, STATFS, CHMOD, CHOWN, TRUNCATE, UTIME, GETVERSION."""

import array
import ctypes
import errno
import fcntl
import os
import stat
import time

import pytest
from support.expect import fails, not_opened
from support.helper import Helper
from support.mounts import tmpfs
from support.wire import Op, RemoteError

FS_IOC_GETVERSION = 0x80007601 | ctypes.sizeof(ctypes.c_long) << 16
UTIME_NOW, UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE
KINDS = ("file", "directory", "link", "dangling", "fifo", "device", "socket", "/")


@pytest.fixture
def tree(export):
    """One object of each kind."""
    (export / "file").write_bytes(b"content")
    (export / "directory").mkdir()
    (export / "link").symlink_to("file")
    (export / "dangling").symlink_to("missing")
    os.mkfifo(export / "fifo")
    os.mknod(export / "device", stat.S_IFCHR | 0o600, os.makedev(240, 77))
    os.mknod(export / "socket", stat.S_IFSOCK | 0o600)
    return export


@pytest.fixture
def memory(export):
    """A tmpfs below the export, mounted before the helper starts: its figures do not change by themselves."""
    (export / "memory").mkdir()
    with tmpfs(export / "memory", "mode=0755,size=3m,nr_inodes=500") as path:
        yield path


def wire_path(name):
    return "/" if name == "/" else f"//{name}"


def host_path(tree, name):
    return tree if name == "/" else tree / name


@pytest.mark.parametrize("name", KINDS)
def test_lstat_agrees_with_the_host(tree, client, name):
    host = host_path(tree, name).lstat()
    seen = client.lstat(wire_path(name))
    for field in ("dev", "ino", "nlink", "mode", "uid", "gid", "rdev", "size", "blksize", "blocks"):
        assert getattr(seen, field) == getattr(host, f"st_{field}"), field
    for time in ("atime", "mtime", "ctime"):
        nanoseconds = getattr(seen, time) * 10**9 + getattr(seen, f"{time}_nsec")
        assert nanoseconds == getattr(host, f"st_{time}_ns"), time


def test_lstat_of_large_values(export, client):
    path = export / "file"
    with path.open("wb") as file:
        file.truncate(5 << 30)
    os.chown(path, 0x7FFFFFF0, 0xFFFFFFF0)
    os.utime(path, ns=(-1, (2**31 + 5) * 10**9 + 999_999_999))
    seen = client.lstat("//file")
    assert (seen.size, seen.uid, seen.gid) == (5 << 30, 0x7FFFFFF0, 0xFFFFFFF0)
    assert (seen.atime, seen.atime_nsec) == (-1, 999_999_999)
    assert (seen.mtime, seen.mtime_nsec) == (2**31 + 5, 999_999_999)


def test_lstat_failures(tree, client):
    with fails(errno.ENOENT):
        client.lstat("//missing")
    with fails(errno.ENOTDIR):
        client.lstat("//file/x")


def host_statfs(path):
    """What statfs(2) says: Python's statvfs has neither the type nor both words of the id."""

    class Buffer(ctypes.Structure):
        _fields_ = [(name, ctypes.c_long) for name in ("type", "bsize")]
        _fields_ += [(name, ctypes.c_ulong) for name in ("blocks", "bfree", "bavail", "files", "ffree")]
        _fields_ += [("fsid", ctypes.c_uint32 * 2)]
        _fields_ += [(name, ctypes.c_long) for name in ("namelen", "frsize", "flags")]
        _fields_ += [("spare", ctypes.c_long * 8)]

    buffer = Buffer()
    assert ctypes.CDLL(None).statfs(os.fsencode(path), ctypes.byref(buffer)) == 0
    return buffer


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_long) != 8, reason="struct statfs is described for 64-bit hosts only")
def test_statfs_agrees_with_the_host(memory, client):
    (memory / "file").write_bytes(b"x" * 100_000)
    host = host_statfs(memory)
    seen = client.statfs("//memory/file")
    for field in ("type", "bsize", "blocks", "bfree", "bavail", "files", "ffree", "namelen", "frsize"):
        assert getattr(seen, field) == getattr(host, field), field
    assert seen.fsid0 & 0xFFFFFFFF == host.fsid[0]
    assert seen.fsid1 == host.fsid[1] << 32 | host.fsid[1], "the second word, in both halves"


@pytest.mark.parametrize("name", ["/", "file", "directory", "fifo", "device", "socket"])
def test_statfs_takes_any_kind_of_file_without_opening_it(tree, client, name):
    with not_opened(host_path(tree, name)):
        assert client.statfs(wire_path(name)).type == client.statfs("/").type


def test_statfs_failures(tree, client):
    with fails(errno.ENOENT):
        client.statfs("//missing")
    with fails(errno.ENOTDIR):
        client.statfs("//file/x")


FOLLOWING_UPSTREAM = {
    Op.STATFS: lambda client, path: client.statfs(path),
    Op.CHMOD: lambda client, path: client.chmod(path, 0o600),
    Op.TRUNCATE: lambda client, path: client.truncate(path, 1),
    Op.GETVERSION: lambda client, path: client.getversion(path),
}


@pytest.mark.parametrize("op", FOLLOWING_UPSTREAM)
@pytest.mark.parametrize("name", ["link", "dangling"])
def test_final_link_is_not_followed(tree, client, op, name):
    before = (tree / "file").stat()
    with fails(errno.ELOOP):
        FOLLOWING_UPSTREAM[op](client, f"//{name}")
    after = (tree / "file").stat()
    assert (before.st_mode, before.st_size) == (after.st_mode, after.st_size)


@pytest.mark.parametrize("mode", [0, 0o600, 0o4711, 0o2755, 0o6777, 0o1777, stat.S_IFREG | 0o755])
def test_chmod_sets_the_permission_bits_exactly(tree, client, mode):
    os.chown(tree / "file", 1000, 1001)
    client.chmod("//file", mode)
    assert (tree / "file").stat().st_mode == stat.S_IFREG | stat.S_IMODE(mode)


@pytest.mark.parametrize("name", ["/", "directory", "fifo", "device", "socket"])
def test_chmod_of_anything_but_a_link_does_not_open_it(tree, client, name):
    path = host_path(tree, name)
    kind = stat.S_IFMT(path.stat().st_mode)
    with not_opened(path):
        client.chmod(wire_path(name), kind | 0o705)
    assert path.stat().st_mode == kind | 0o705


def test_chmod_failures(tree, client):
    with fails(errno.ENOENT):
        client.chmod("//missing", 0o600)
    with fails(errno.ENOTDIR):
        client.chmod("//file/x", 0o600)


@pytest.mark.parametrize("name", KINDS)
def test_chown_changes_the_object_itself(tree, client, name):
    client.chown(wire_path(name), 1000, 1001)
    changed = host_path(tree, name).lstat()
    assert (changed.st_uid, changed.st_gid) == (1000, 1001)
    if name != "file":
        assert (tree / "file").stat().st_uid == 0


def test_chown_keeps_what_is_minus_one(tree, client):
    for uid, gid, expected in [(5, -1, (5, 0)), (-1, 6, (5, 6)), (-1, -1, (5, 6)), (0, 0, (0, 0))]:
        client.chown("//file", uid, gid)
        assert ((tree / "file").stat().st_uid, (tree / "file").stat().st_gid) == expected


def test_chown_failures(tree, client):
    with fails(errno.ENOENT):
        client.chown("//missing", 1, 1)
    with fails(errno.ENOTDIR):
        client.chown("//file/x", 1, 1)


@pytest.mark.parametrize("length, content", [(0, b""), (3, b"con"), (7, b"content"), (9, b"content\0\0")])
def test_truncate_sets_the_length(tree, client, length, content):
    client.truncate("//file", length)
    assert (tree / "file").read_bytes() == content


def test_truncate_beyond_32_bits(tree, client):
    client.truncate("//file", 6 << 30)
    assert (tree / "file").stat().st_size == 6 << 30


def test_truncate_ignores_the_file_mode_as_the_guest_has_checked_it(tree, client):
    (tree / "file").chmod(0)
    client.truncate("//file", 0)
    assert (tree / "file").stat().st_size == 0


@pytest.mark.parametrize(
    "name, code",
    [
        ("fifo", errno.EINVAL),
        ("device", errno.EINVAL),
        ("socket", errno.EINVAL),
        ("directory", errno.EISDIR),
        ("/", errno.EISDIR),
    ],
)
def test_truncate_answers_promptly_for_anything_but_a_file(tree, client, name, code):
    with not_opened(host_path(tree, name)), fails(code):
        client.truncate(wire_path(name), 0)


def test_truncate_failures(tree, client):
    with fails(errno.ENOENT):
        client.truncate("//missing", 0)
    with fails(errno.ENOTDIR):
        client.truncate("//file/x", 0)
    for length in (-1, -(2**63)):
        with fails(errno.EINVAL):
            client.truncate("//file", length)
    assert (tree / "file").read_bytes() == b"content"


@pytest.mark.parametrize("name", KINDS)
def test_utime_sets_both_times_of_the_object_itself(tree, client, name):
    target = (tree / "file").stat() if name == "link" else None
    client.utime(wire_path(name), 1_000_000_001, 123_456_789, 1_500_000_002, 987_654_321)
    changed = host_path(tree, name).lstat()
    assert (changed.st_atime_ns, changed.st_mtime_ns) == (1_000_000_001_123_456_789, 1_500_000_002_987_654_321)
    if target:
        assert (tree / "file").stat().st_mtime_ns == target.st_mtime_ns


@pytest.mark.parametrize("seconds, nanoseconds", [(0, 0), (0, 999_999_999), (-1, 1), (-(2**31), 0), (2**31 + 1, 5)])
def test_utime_of_distant_times(tree, client, seconds, nanoseconds):
    client.utime("//file", seconds, nanoseconds, seconds, nanoseconds)
    changed = (tree / "file").stat()
    assert changed.st_atime_ns == changed.st_mtime_ns == seconds * 10**9 + nanoseconds


@pytest.mark.parametrize("nanoseconds", [-1, 10**9, UTIME_OMIT - 1, UTIME_OMIT + 2**32, 2**32, 2**32 + 5, -(2**63)])
def test_utime_refuses_nanoseconds_that_are_none(tree, client, nanoseconds):
    before = (tree / "file").stat()
    for pair in ((nanoseconds, 0), (0, nanoseconds), (nanoseconds, nanoseconds)):
        with fails(errno.EINVAL):
            client.utime("//file", 1, pair[0], 2, pair[1])
    after = (tree / "file").stat()
    assert (before.st_atime_ns, before.st_mtime_ns) == (after.st_atime_ns, after.st_mtime_ns)


def test_utime_now_and_omit_mean_what_they_mean_in_utimensat(tree, client):
    client.utime("//file", 1, 2, 3, 4)
    client.utime("//file", 77, UTIME_OMIT, 5, 6)
    changed = (tree / "file").stat()
    assert (changed.st_atime_ns, changed.st_mtime_ns) == (1_000_000_002, 5_000_000_006)
    before = time.time_ns()
    client.utime("//file", 77, UTIME_OMIT, 77, UTIME_NOW)
    changed = (tree / "file").stat()
    assert changed.st_atime_ns == 1_000_000_002
    assert abs(changed.st_mtime_ns - before) < 60 * 10**9


def test_utime_failures(tree, client):
    with fails(errno.ENOENT):
        client.utime("//missing", 1, 2, 3, 4)
    with fails(errno.ENOTDIR):
        client.utime("//file/x", 1, 2, 3, 4)


@pytest.mark.parametrize("name", ["file", "sub"])
def test_getversion_is_the_generation_of_the_inode(disk, client, name):
    (disk / "file").touch()
    (disk / "sub").mkdir()
    fd = os.open(disk / name, os.O_RDONLY)
    try:
        generation = array.array("I", [0, 0])
        fcntl.ioctl(fd, FS_IOC_GETVERSION, generation)
    finally:
        os.close(fd)
    assert generation[0] != 0
    assert client.getversion(f"//disk/{name}") == generation[0]


def test_getversion_is_0_where_there_is_none(memory, client):
    (memory / "file").touch()
    assert client.getversion("//memory/file") == 0
    assert client.getversion("//memory") == 0


def test_getversion_of_one_file_system_says_nothing_of_another(memory, disk, client):
    """That the first has no generations is remembered, to answer sooner: for it alone, and not of what cannot be opened."""
    (disk / "file").touch()
    (memory / "link").symlink_to("file")
    generation = client.getversion("//disk/file")
    assert generation != 0
    for _ in range(3):
        assert client.getversion("//memory") == 0
        assert client.getversion("//disk/file") == generation
        with fails(errno.ELOOP):
            client.getversion("//memory/link")
        with fails(errno.ENOENT):
            client.getversion("//memory/missing")


@pytest.mark.parametrize("name", ["fifo", "device", "socket"])
def test_getversion_of_a_special_file_is_refused_without_touching_it(tree, client, name):
    with not_opened(tree / name), fails(errno.ENXIO):
        client.getversion(f"//{name}")


def test_getversion_failures(tree, client):
    with fails(errno.ENOENT):
        client.getversion("//missing")
    with fails(errno.ENOTDIR):
        client.getversion("//file/x")


def test_errors_of_the_file_system_are_passed_on(memory, client):
    with pytest.raises(RemoteError) as caught:
        for number in range(1000):
            client.mkdir(f"//memory/{number}")
    assert caught.value.errno == errno.ENOSPC


def test_read_only_file_system(export):
    (export / "memory").mkdir()
    with tmpfs(export / "memory", "mode=0755,ro"), Helper(export) as helper, helper.connect() as client:
        changes = [
            lambda: client.create("//memory/new"),
            lambda: client.mkdir("//memory/new"),
            lambda: client.chmod("//memory", 0o700),
            lambda: client.utime("//memory", 1, 2, 3, 4),
        ]
        for change in changes:
            with fails(errno.EROFS):
                change()
        assert client.lstat("//memory").nlink == 2
