# SPDX-License-Identifier: MIT
"""The operations on extended attributes."""

import errno
import os
import struct

import pytest
from support.expect import fails
from support.mounts import tmpfs
from support.wire import Op

XATTR_CREATE, XATTR_REPLACE = 1, 2
INT_MIN = -(2**31)


def supports(path, name, value):
    """Whether the file system at `path` takes the attribute; it is removed again."""
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG)
        return False
    os.removexattr(path, name)
    return True


@pytest.fixture
def file(export):
    path = export / "file"
    path.touch()
    if not supports(path, "user.probe", b"x"):
        pytest.skip("the file system of the temporary directory has no user attributes")
    return path


@pytest.fixture
def roomy(export):
    """A file below the export that takes attributes of 64 KiB, which tmpfs does since Linux 6.6."""
    (export / "memory").mkdir()
    with tmpfs(export / "memory") as memory:
        path = memory / "file"
        path.touch()
        if not supports(path, "user.probe", b"x" * 65536):
            pytest.skip("tmpfs has no user attributes of 64 KiB on this kernel")
        yield path


@pytest.mark.parametrize("value", [b"", b"v", b"a\0b", b"ends in a NUL\0", b"\0\0", bytes(range(256)) * 8])
def test_value_travels_unchanged_in_both_directions(client, file, value):
    client.lsetxattr("//file", "user.name", value)
    assert os.getxattr(file, "user.name") == value
    assert client.lgetxattr("//file", "user.name", 0) == len(value)
    assert client.lgetxattr("//file", "user.name", 65536) == value
    if value:
        assert client.lgetxattr("//file", "user.name", len(value)) == value


def test_attributes_of_a_directory(client, export, file):
    client.lsetxattr("/", "user.name", b"value")
    assert os.getxattr(export, "user.name") == b"value"


def test_list_names_each_ended_by_a_nul(client, file):
    assert client.llistxattr("//file", 0) == 0
    assert client.llistxattr("//file", 100) == b""
    os.setxattr(file, "user.one", b"1")
    os.setxattr(file, "user.second", b"2")
    assert client.llistxattr("//file", 0) == 21
    for size in (21, 100, 65536):
        assert sorted(client.llistxattr("//file", size).split(b"\0")) == [b"", b"user.one", b"user.second"]


def test_remove(client, file):
    os.setxattr(file, "user.name", b"value")
    client.lremovexattr("//file", "user.name")
    assert os.listxattr(file) == []


def test_create_and_replace_flags(client, file):
    with fails(errno.ENODATA):
        client.lsetxattr("//file", "user.name", b"1", flags=XATTR_REPLACE)
    client.lsetxattr("//file", "user.name", b"2", flags=XATTR_CREATE)
    with fails(errno.EEXIST):
        client.lsetxattr("//file", "user.name", b"3", flags=XATTR_CREATE)
    client.lsetxattr("//file", "user.name", b"4", flags=XATTR_REPLACE)
    assert os.getxattr(file, "user.name") == b"4"
    with fails(errno.EINVAL):
        client.lsetxattr("//file", "user.name", b"5", flags=-1)


@pytest.mark.parametrize("size, stored", [(0, b""), (1, b"v"), (4, b"valu"), (5, b"value")])
def test_set_stores_no_more_than_its_size(client, file, size, stored):
    client.lsetxattr("//file", "user.name", b"value", size)
    assert os.getxattr(file, "user.name") == stored


@pytest.mark.parametrize("size", [6, 100, 65535, 65537, 0x7FFFFFFF, -1, INT_MIN])
def test_set_refuses_a_size_beyond_the_value(client, file, size):
    with fails(errno.EINVAL):
        client.lsetxattr("//file", "user.name", b"value", size)
    assert os.listxattr(file) == []


@pytest.mark.parametrize("size, code", [(1, errno.EINVAL), (65535, errno.EINVAL), (65536, errno.E2BIG)])
def test_set_of_a_value_that_the_length_field_cannot_hold(client, file, size, code):
    """A value of 65536 bytes leaves QEMU with length 0 and size 65536: its length wrapped."""
    with fails(code):
        client.lsetxattr("//file", "user.name", b"", size)
    assert os.listxattr(file) == []


def test_get_with_a_buffer_too_small(client, file):
    os.setxattr(file, "user.name", b"value")
    for size in (1, 4):
        with fails(errno.ERANGE):
            client.lgetxattr("//file", "user.name", size)
    for size in (1, 9):
        with fails(errno.ERANGE):
            client.llistxattr("//file", size)


@pytest.mark.parametrize("size", [-1, -65536, INT_MIN])
def test_negative_sizes_are_refused(client, file, size):
    os.setxattr(file, "user.name", b"value")
    with fails(errno.EINVAL):
        client.lgetxattr("//file", "user.name", size)
    with fails(errno.EINVAL):
        client.llistxattr("//file", size)


@pytest.mark.parametrize("size", [65537, 0x7FFFFFFF])
def test_large_sizes_are_clamped(client, file, size):
    os.setxattr(file, "user.name", b"value")
    assert client.lgetxattr("//file", "user.name", size) == b"value"
    assert client.llistxattr("//file", size) == b"user.name\0"


def test_missing_attribute(client, file):
    for size in (0, 100):
        with fails(errno.ENODATA):
            client.lgetxattr("//file", "user.missing", size)
        with fails(errno.ENODATA):
            client.lgetxattr("//file", "security.capability", size)
    with fails(errno.ENODATA):
        client.lremovexattr("//file", "user.missing")


CAPABILITY = struct.pack("=IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # a valid one: cap_net_bind_service=ep


@pytest.mark.parametrize(
    "name, value", [("trusted.name", b"value"), ("security.name", b"value"), ("security.capability", CAPABILITY)]
)
def test_host_private_attributes_cannot_be_set(client, file, name, value):
    with fails(errno.EPERM):
        client.lsetxattr("//file", name, value)
    assert os.listxattr(file) == []


def test_trusted_attributes_cannot_be_removed_or_read(client, file):
    os.setxattr(file, "trusted.name", b"value")
    with fails(errno.EPERM):
        client.lremovexattr("//file", "trusted.name")
    with fails(errno.ENODATA, errno.EPERM):
        client.lgetxattr("//file", "trusted.name")
    assert b"trusted.name" not in client.llistxattr("//file")
    assert os.getxattr(file, "trusted.name") == b"value"


def test_user_attributes_of_a_link_are_refused_and_do_not_reach_its_target(client, export, file):
    (export / "link").symlink_to("file")
    os.setxattr(file, "user.name", b"value")
    with fails(errno.EPERM):
        client.lsetxattr("//link", "user.name", b"new")
    with fails(errno.ENODATA, errno.EPERM):
        client.lgetxattr("//link", "user.name")
    with fails(errno.EPERM):
        client.lremovexattr("//link", "user.name")
    assert client.llistxattr("//link") == b""
    assert os.getxattr(file, "user.name") == b"value"


def test_access_control_list(client, file):
    """Owner, one named user, group, mask and others: the kernel checks the format and moves the mask to the mode."""
    entries = [(0x01, 6, -1), (0x02, 7, 1000), (0x04, 4, -1), (0x10, 7, -1), (0x20, 0, -1)]
    value = struct.pack("=I", 2) + b"".join(struct.pack("=HHi", *entry) for entry in entries)
    client.lsetxattr("//file", "system.posix_acl_access", value)
    assert client.lgetxattr("//file", "system.posix_acl_access", len(value)) == value
    assert file.stat().st_mode & 0o777 == 0o670
    client.lremovexattr("//file", "system.posix_acl_access")
    assert os.listxattr(file) == []


@pytest.mark.parametrize(
    "name, code",
    [
        ("nonamespace", errno.EOPNOTSUPP),
        ("user.", errno.EINVAL),
        ("", errno.ERANGE),
        ("user." + "x" * 251, errno.ERANGE),
        (b"user.a\0b", errno.EINVAL),
        (b"user.a\0\0", errno.EINVAL),
        (b"\0user.a", errno.EINVAL),
    ],
)
def test_wrong_names(client, file, name, code):
    with fails(code):
        client.lsetxattr("//file", name, b"value")
    with fails(code):
        client.lgetxattr("//file", name)
    with fails(code):
        client.lremovexattr("//file", name)
    assert os.listxattr(file) == []


def test_name_may_count_its_terminating_nul(client, file):
    client.call(Op.LSETXATTR, nul=True, path="//file", name="user.name", value=b"value\0", size=6, flags=0)
    assert os.getxattr(file, "user.name") == b"value\0"


def test_missing_and_wrong_paths(client, file):
    calls = [
        lambda path: client.lgetxattr(path, "user.name"),
        lambda path: client.llistxattr(path),
        lambda path: client.lsetxattr(path, "user.name", b"value"),
        lambda path: client.lremovexattr(path, "user.name"),
    ]
    for call in calls:
        with fails(errno.ENOENT):
            call("//missing")
        with fails(errno.ENOTDIR):
            call("//file/x")


def test_largest_value_that_fits_a_reply(roomy, client):
    value = os.urandom(65534)
    os.setxattr(roomy, "user.name", value)
    assert client.lgetxattr("//memory/file", "user.name", 0) == 65534
    for size in (65534, 65535, 65536):
        assert client.lgetxattr("//memory/file", "user.name", size) == value
    with fails(errno.ERANGE):
        client.lgetxattr("//memory/file", "user.name", 65533)


@pytest.mark.parametrize("length", [65535, 65536])
def test_value_too_large_for_a_reply(roomy, client, length):
    os.setxattr(roomy, "user.name", b"x" * length)
    assert client.lgetxattr("//memory/file", "user.name", 0) == length
    with fails(errno.ENOBUFS):
        client.lgetxattr("//memory/file", "user.name", 65536)
    with fails(errno.ERANGE):
        client.lgetxattr("//memory/file", "user.name", 65534)


def test_list_too_large_for_a_reply(roomy, client):
    for number in range(256):
        os.setxattr(roomy, f"user.{number:0250}", b"")
    assert client.llistxattr("//memory/file", 0) == 65536
    with fails(errno.ENOBUFS):
        client.llistxattr("//memory/file", 65536)
    with fails(errno.ERANGE):
        client.llistxattr("//memory/file", 65534)
    os.removexattr(roomy, f"user.{0:0250}")
    assert len(client.llistxattr("//memory/file", 65536)) == 65280


def test_largest_value_that_fits_a_request(roomy, client):
    overhead = len("//memory/file\0") + len("user.name") + 3 * 2 + 2 * 4
    value = os.urandom(65536 - overhead)
    client.lsetxattr("//memory/file", "user.name", value)
    assert os.getxattr(roomy, "user.name") == value
