# SPDX-License-Identifier: MIT
"""Defects of upstream in what it answers to one request: sizes, lengths, garbage, paths and flags."""

import errno
import fcntl
import os
import struct

import pytest
from support.wire import MAX_PAYLOAD, EndOfFile, RemoteError

from .defects import defect, judge, parametrize
from .exchange import FS_IOC_GETVERSION
from .filesystems import mounted
from .implementations import family, read_proc

CHECKS = []
LARGE = 0x7FFFFFFF
MEGABYTE = 1 << 20


def make_export(tmp_path):
    """A file with an attribute, a link to it, a directory."""
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    (export / "file").write_text("content")
    (export / "file").chmod(0o644)
    os.setxattr(export / "file", "user.name", b"value")
    (export / "link").symlink_to("file")
    (export / "dir").mkdir()
    return export


def expect_error(number, call, *arguments, **fields):
    """The call must be answered with this errno; anything else says what came instead."""
    try:
        answer = call(*arguments, **fields)
    except RemoteError as error:
        assert error.errno == number, f"-{errno.errorcode[error.errno]} instead of -{errno.errorcode[number]}"
    else:
        pytest.fail(f"success ({answer!r}) instead of -{errno.errorcode[number]}")


# 3: sizes


def check_negative(implementation, tmp_path, ask):
    with implementation.serve(make_export(tmp_path)) as (_, client):
        for size in (-1, -(1 << 31)):
            expect_error(errno.EINVAL, ask, client, size)
        client.lstat("/")


@defect(CHECKS, "03-negative-size-of-value", EndOfFile)
def check_negative_value(implementation, tmp_path):
    """Defect 3: a negative size in LGETXATTR aborts it."""
    check_negative(implementation, tmp_path, lambda client, size: client.lgetxattr("//file", "user.name", size))


@defect(CHECKS, "03-negative-size-of-list", EndOfFile)
def check_negative_list(implementation, tmp_path):
    """Defect 3: a negative size in LLISTXATTR aborts it."""
    check_negative(implementation, tmp_path, lambda client, size: client.llistxattr("//file", size))


@defect(CHECKS, "03-negative-size-of-target", EndOfFile)
def check_negative_target(implementation, tmp_path):
    """Defect 3: a negative size in READLINK aborts it."""
    check_negative(implementation, tmp_path, lambda client, size: client.readlink("//link", size))


# Clearing so much may take it longer than a client waits.
@defect(CHECKS, "03-allocates-what-is-asked", (AssertionError, TimeoutError), "MiB|timed out")
def check_allocation(implementation, tmp_path):
    """Defect 3: it allocates 2 GiB when a request asks for it."""
    with implementation.serve(make_export(tmp_path)) as (helper, client):
        before = peak_memory(helper)
        assert client.lgetxattr("//file", "user.name", LARGE) == b"value"
        assert client.llistxattr("//file", LARGE) == b"user.name\0"
        assert client.readlink("//link", LARGE) == b"file"
        grown = (peak_memory(helper) - before) // MEGABYTE
    assert grown < 256, f"it took {grown} MiB more"


def peak_memory(helper):
    """The most address space that the processes have had, in bytes."""
    lines = [line.split() for pid in family(helper.pid) for line in read_proc(pid, "status").splitlines()]
    return sum(int(line[1]) * 1024 for line in lines if line[0] == b"VmPeak:")


# 4, 7, 18: lengths


@defect(CHECKS, "04-stores-heap", pytest.fail.Exception, "success .* instead of -EINVAL")
def check_set_size(implementation, tmp_path):
    """Defect 4: LSETXATTR with a size over the value's length stores what follows the value on the heap."""
    export = make_export(tmp_path)
    with implementation.serve(export) as (_, client):
        for size in (6, 4000, LARGE, -1):
            expect_error(errno.EINVAL, client.lsetxattr, "//file", "user.new", b"value", size=size)
        expect_error(errno.E2BIG, client.lsetxattr, "//file", "user.new", b"", size=MAX_PAYLOAD)
        client.lsetxattr("//file", "user.short", b"value", size=3)
    assert os.getxattr(export / "file", "user.short") == b"val"
    assert "user.new" not in os.listxattr(export / "file")


@defect(CHECKS, "07-64k-value-reads-as-empty", pytest.fail.Exception, r"success \(b''\) instead of -ENOBUFS")
def check_large_value(implementation, tmp_path):
    """Defect 7: the length of a value of 65536 bytes becomes 0 in its 16 bits: success, and empty."""
    with mounted("tmpfs", tmp_path / "export") as export, implementation.serve(export) as (_, client):
        (export / "file").touch()
        os.setxattr(export / "file", "user.fits", b"x" * 65534)
        os.setxattr(export / "file", "user.large", b"x" * 65536)
        assert client.lgetxattr("//file", "user.fits") == b"x" * 65534
        assert client.lgetxattr("//file", "user.large", 0) == 65536
        expect_error(errno.ENOBUFS, client.lgetxattr, "//file", "user.large")


@defect(CHECKS, "18-readlink-truncates", pytest.fail.Exception, r"success \(b'fil'\) instead of -ENAMETOOLONG")
def check_readlink(implementation, tmp_path):
    """Defect 18: a target that does not fit is cut, and nothing says so."""
    with implementation.serve(make_export(tmp_path)) as (_, client):
        assert client.readlink("//link", 5) == b"file"
        for size in (4, 2):
            expect_error(errno.ENAMETOOLONG, client.readlink, "//link", size)


# 6: garbage


@defect(CHECKS, "06-generation-with-garbage", AssertionError, "generation")
def check_generation(implementation, tmp_path):
    """Defect 6: the upper half of GETVERSION's reply is what was on its stack."""
    with mounted("ext4", tmp_path / "export") as export, implementation.serve(export) as (_, client):
        for name in ("//a", "//b"):
            os.close(client.create(name, uid=1000, gid=1000))
            client.utime(name, -1, 999_999_999, -1, 999_999_999)
            for path in (name, "/"):
                check_generation_of(client, export, path)


def check_generation_of(client, export, path):
    descriptor = os.open(export / path.lstrip("/"), os.O_RDONLY)
    try:
        generation = struct.unpack("=I", fcntl.ioctl(descriptor, FS_IOC_GETVERSION, bytes(8))[:4])[0]
    finally:
        os.close(descriptor)
    answered = client.getversion(path)
    assert answered == generation, f"generation {answered:#x} instead of {generation:#x}"


# 9: paths


@defect(CHECKS, "09-nul-cuts-path", pytest.fail.Exception, "success .* instead of -EINVAL")
def check_nul(implementation, tmp_path):
    """Defect 9: a NUL inside a path ends it there."""
    export = make_export(tmp_path)
    with implementation.serve(export) as (_, client):
        expect_error(errno.EINVAL, client.lstat, b"//file\0/x")
        expect_error(errno.EINVAL, client.mkdir, b"//new\0/x")
        expect_error(errno.EINVAL, client.remove, b"//file\0\0")
        expect_error(errno.EINVAL, client.rename, b"//file", b"//other\0/x")
        expect_error(errno.EINVAL, client.symlink, b"target\0x", b"//link2")
        expect_error(errno.EINVAL, client.lgetxattr, "//file", b"user.name\0x")
    assert sorted(os.listdir(export)) == ["dir", "file", "link"]


@defect(CHECKS, "09-relative-path", pytest.fail.Exception, "success .* instead of -EINVAL")
def check_relative(implementation, tmp_path):
    """Defect 9: relative paths reach the system call."""
    with implementation.serve(make_export(tmp_path)) as (_, client):
        for path in ("file", "./file", "dir", ".."):
            expect_error(errno.EINVAL, client.lstat, path)
            expect_error(errno.EINVAL, client.open, path)
        expect_error(errno.EINVAL, client.remove, "file")
        expect_error(errno.ENOENT, client.lstat, "")


# 8: links


def check_not_followed(implementation, tmp_path, ask):
    export = make_export(tmp_path)
    with implementation.serve(export) as (_, client):
        expect_error(errno.ELOOP, ask, client)
    assert os.stat(export / "file").st_size == len("content")
    assert os.stat(export / "file").st_mode & 0o7777 == 0o644


def link_defect(operation, ask):
    """The test that `operation` does not follow a link in the last place."""

    def check(implementation, tmp_path):
        check_not_followed(implementation, tmp_path, ask)

    check.__doc__ = f"Defect 8: a final symbolic link is followed in {operation}."
    defect(CHECKS, f"08-{operation}-follows-link", pytest.fail.Exception, "success .* instead of -ELOOP")(check)


link_defect("open", lambda client: client.open("//link", os.O_RDWR | os.O_TRUNC))
link_defect("create", lambda client: client.create("//link", os.O_CREAT | os.O_RDWR | os.O_TRUNC))
link_defect("chmod", lambda client: client.chmod("//link", 0o777))
link_defect("truncate", lambda client: client.truncate("//link", 0))
link_defect("statfs", lambda client: client.statfs("//link"))
link_defect("getversion", lambda client: client.getversion("//link"))


# 10: flags


@defect(CHECKS, "10-o-path", OSError, "Bad file descriptor")
def check_o_path(implementation, tmp_path):
    """Defect 10: O_PATH of a request is obeyed: the descriptor is good for nothing that QEMU does with it."""
    with implementation.serve(make_export(tmp_path)) as (_, client):
        descriptor = client.open("//file", os.O_PATH)
        try:
            assert os.read(descriptor, 100) == b"content"
        finally:
            os.close(descriptor)


@defect(CHECKS, "10-o-tmpfile", pytest.fail.Exception, "success .* instead of -EISDIR")
def check_o_tmpfile(implementation, tmp_path):
    """Defect 10: O_TMPFILE of a request makes a file without a name."""
    with implementation.serve(make_export(tmp_path)) as (_, client):
        expect_error(errno.EISDIR, client.open, "//dir", os.O_TMPFILE | os.O_RDWR)


@defect(CHECKS, "10-open-creates", pytest.fail.Exception, "success .* instead of -ENOENT")
def check_o_creat(implementation, tmp_path):
    """Defect 10: O_CREAT in an OPEN makes a file, as root and with a mode that nobody chose."""
    export = make_export(tmp_path)
    with implementation.serve(export) as (_, client):
        expect_error(errno.ENOENT, client.open, "//new", os.O_CREAT | os.O_RDWR)
    assert not (export / "new").exists()


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
