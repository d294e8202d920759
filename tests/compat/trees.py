# SPDX-License-Identifier: MIT
"""The tree that both helpers export: one function builds it twice, another reads all that may be compared.

Nothing here goes through a helper: a tree is looked at from the host, and a name is resolved inside it by the kernel,
as the chroot of a helper would.
"""

import ctypes
import hashlib
import os
import stat
import struct

RESOLVE_IN_ROOT = 0x10
SYS_OPENAT2 = 437  # the same on every architecture
LIBC = ctypes.CDLL(None, use_errno=True)
NOW = 1_000_000_000  # the clock's times are later, those that the tests set are earlier


def acl(*entries):
    """A POSIX access control list as its extended attribute: version 2, then tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFFFFFF
DEFAULT_ACL = acl((0x01, 7, NO_ID), (0x02, 5, 1000), (0x04, 5, NO_ID), (0x10, 5, NO_ID), (0x20, 0, NO_ID))


def build(root, large=False):
    """Fills the existing, empty directory `root` with one of everything, always in the same order.

    `large`: attributes of 64 KiB as well, which not every file system has room for.
    """
    mask = os.umask(0)
    try:
        fill(root)
        if large:
            fill_large(root)
    finally:
        os.umask(mask)


def fill(root):
    files = (
        ("empty", b"", 0o644, 0, 0),
        ("file", b"some content\n", 0o640, 1000, 1000),
        ("secret", b"not for others\n", 0o600, 1001, 1001),
        ("setid", b"#!/bin/sh\n", 0o6755, 0, 0),
        ("big", b"0123456789abcdef" * 4096, 0o444, 0, 1000),
    )
    for name, content, mode, uid, gid in files:
        make_file(f"{root}/{name}", content, mode, uid, gid)
    make_directory(f"{root}/dir", 0o755, 0, 0)
    make_file(f"{root}/dir/inner", b"inside\n", 0o644, 1000, 1000)
    make_directory(f"{root}/dir/sub", 0o700, 1000, 1000)
    make_directory(f"{root}/vacant", 0o755, 0, 0)
    make_directory(f"{root}/sticky", 0o1777, 0, 0)
    make_directory(f"{root}/setgid", 0o2775, 0, 1000)
    make_directory(f"{root}/acl", 0o755, 0, 0)
    os.setxattr(f"{root}/acl", "system.posix_acl_default", DEFAULT_ACL)
    os.link(f"{root}/file", f"{root}/hardlink")
    links = (
        ("link", "file"),
        ("dirlink", "dir"),
        ("abslink", "/dir/inner"),
        ("dangling", "nowhere"),
        ("loop", "loop"),
        ("fifolink", "fifo"),
        ("longlink", "x" * 1000),
    )
    for name, target in links:
        os.symlink(target, f"{root}/{name}")
    os.mknod(f"{root}/fifo", 0o600 | stat.S_IFIFO)
    os.mknod(f"{root}/socket", 0o600 | stat.S_IFSOCK)
    os.mknod(f"{root}/sticky/socket", 0o666 | stat.S_IFSOCK)
    os.chown(f"{root}/sticky/socket", 1001, 1001)
    os.mknod(f"{root}/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(f"{root}/block", 0o600 | stat.S_IFBLK, os.makedev(259, 70000))
    os.setxattr(f"{root}/file", "user.colour", b"blue")
    os.setxattr(f"{root}/file", "user.empty", b"")
    os.setxattr(f"{root}/file", "user.binary", bytes(range(256)))
    os.setxattr(f"{root}/file", "trusted.hidden", b"from the host")
    os.setxattr(f"{root}/file", "security.note", b"from the host")
    make_file(os.fsencode(root) + b"/bytes \xff\xfe\n", b"", 0o644, 0, 0)
    make_file(f"{root}/{'n' * 255}", b"", 0o644, 0, 0)


def fill_large(root):
    """Values around the longest that a reply can carry, and 64 KiB of names."""
    make_file(f"{root}/large", b"", 0o644, 0, 0)
    for length in (65534, 65535, 65536):
        os.setxattr(f"{root}/large", f"user.{length}", b"x" * length)
    make_file(f"{root}/names", b"", 0o644, 0, 0)
    for number in range(256):
        os.setxattr(f"{root}/names", f"user.{number:0250d}", b"")


def make_file(path, content, mode, uid, gid):
    with open(path, "xb") as file:
        file.write(content)
        os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)


def make_directory(path, mode, uid, gid):
    os.mkdir(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def open_in_root(root, path, flags):
    """A descriptor of `path`, with the directory that the descriptor `root` is as the root directory; or None."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
    descriptor = LIBC.syscall(SYS_OPENAT2, root, os.fsencode(path), how, len(how))
    return None if descriptor < 0 else descriptor


def lookup(root, path, follow=False):
    """The lstat (or stat) of `path` inside `root`, or None where there is nothing. It touches no time of the object."""
    descriptor = open_in_root(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    if descriptor is None:
        return None
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def snapshot(root):
    """All that two twins must share: name -> facts. Inode numbers appear as the first name of their group of links."""
    facts, first_name = {}, {}
    for path in sorted(walk(os.fsencode(root))):
        status = os.lstat(path)
        name = os.path.relpath(path, os.fsencode(root))
        facts[name] = {
            "mode": oct(status.st_mode),
            "owner": (status.st_uid, status.st_gid),
            "links": status.st_nlink,
            "size": status.st_size,
            "same as": first_name.setdefault(status.st_ino, name),
            "rdev": status.st_rdev,
            "times": tuple(time if time < NOW else "clock" for time in (status.st_atime, status.st_mtime)),
            "content": content(path, status.st_mode),
            "attributes": attributes(path),
        }
    return facts


def walk(root):
    yield root
    with os.scandir(root) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path)
        else:
            yield entry.path


def content(path, mode):
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    return None


def attributes(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {name: attribute(path, name) for name in names}


def attribute(path, name):
    """The value; or why the kernel refuses to show it, as it does an empty security.capability."""
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        return error.strerror


def compare(upstream, ours):
    """The differences of two snapshots, one line each."""
    lines = []
    for name in sorted(upstream.keys() | ours.keys()):
        if name not in ours or name not in upstream:
            lines.append(f"{name!r}: only in {'upstream' if name in upstream else 'our'} tree")
            continue
        for fact, theirs in upstream[name].items():
            if theirs != ours[name][fact]:
                lines.append(f"{name!r}: {fact}: upstream {theirs!r}, ours {ours[name][fact]!r}")
    return lines
