# SPDX-License-Identifier: MIT
"""The requests of the fixed stream: every operation, succeeding and failing, each special case once.

Upstream must live through all of them; what kills or hangs it is in the tests of the defects. Where it does what it
should not (stores a file, an attribute), the next step brings the two trees together again.
"""

import os

from support.wire import FIELDS, Op, Raw, encode, message, request

from .exchange import Step, describe, step
from .trees import DEFAULT_ACL

RDONLY, RDWR, WRONLY = os.O_RDONLY, os.O_RDWR, os.O_WRONLY
MAKE = os.O_CREAT | os.O_RDWR
O_PATH, O_TMPFILE = os.O_PATH, os.O_TMPFILE
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
EVERY_KIND = (
    *("/", "//empty", "//file", "//dir", "//link", "//dirlink", "//dangling", "//loop", "//null", "//block"),
    *("//socket", "//missing", "//missing/x", "//file/x", "//dirlink/inner", "//loop/x", "//dir/", "//file/"),
    *("//link/", "//dirlink/", "//dangling/", "//" + "n" * 255, "//" + "n" * 256, "/" * 4095, "/" * 4096),
    *("//dir/../file", "/../../file", "/.", "//dir/.", "//dir/..", "///dir///inner", b"//bytes \xff\xfe\n"),
)
RELATIVE = ("file", "./file", "dir/inner", "", ".", "..")


def fixed_stream(filesystem):
    """All steps in order; a few need a file system that can store a large attribute."""
    yield from lookups()
    yield from opening()
    yield from creation()
    yield from special_files()
    yield from modes_and_owners()
    yield from times()
    yield from names()
    yield from attributes()
    if filesystem == "tmpfs":
        yield from large_attributes()
    yield from malformed()


def lookups():
    for path in EVERY_KIND + RELATIVE:
        yield step(Op.LSTAT, path=path)
        yield step(Op.READLINK, path=path, size=4096)
        yield step(Op.STATFS, path=path)
        yield step(Op.GETVERSION, path=path)
    for path in ("//fifo", "//fifolink", "//longlink"):
        yield step(Op.LSTAT, path=path)
        yield step(Op.READLINK, path=path, size=4096)
        yield step(Op.STATFS, path=path)
    for size in (0, 1, 2, 4, 5, 6, 65535, 65536, 65537, 1 << 20):
        yield step(Op.READLINK, path="//link", size=size)
    for size in (999, 1000, 1001):
        yield step(Op.READLINK, path="//longlink", size=size)


def opening():
    for path in EVERY_KIND + RELATIVE:
        yield step(Op.OPEN, path=path, flags=RDONLY)
        yield step(Op.OPEN, path=path, flags=os.O_DIRECTORY)
        yield step(Op.OPEN, path=path, flags=RDWR | os.O_NOFOLLOW)
    flags = (WRONLY, RDWR, os.O_APPEND | WRONLY, os.O_NONBLOCK, os.O_DSYNC, os.O_SYNC | RDWR, os.O_NOATIME, os.O_EXCL)
    for flag in (*flags, 3, os.O_CLOEXEC, os.O_NOCTTY, O_PATH, O_PATH | os.O_NOFOLLOW, os.O_DIRECT, os.O_ASYNC):
        yield step(Op.OPEN, path="//file", flags=flag)
    yield step(Op.OPEN, path="//file", flags=os.O_CREAT | RDWR)
    yield step(Op.OPEN, path="//file", flags=os.O_CREAT | os.O_EXCL)
    yield step(Op.OPEN, path="//dir", flags=O_TMPFILE | RDWR)
    yield step(Op.OPEN, path="//made by open", flags=os.O_CREAT | RDWR)
    yield step(Op.REMOVE, path="//made by open")
    yield step(Op.OPEN, path="//file", flags=os.O_APPEND | WRONLY, write=b"appended\n")
    yield step(Op.LSTAT, path="//file")
    yield step(Op.OPEN, path="//file", flags=os.O_TRUNC | WRONLY, write=b"written\n")
    yield step(Op.LSTAT, path="//hardlink")
    yield step(Op.OPEN, path="//dir", flags=os.O_TRUNC | os.O_DIRECTORY)


def creation():
    for uid, gid in ((0, 0), (1000, 1000), (1000, 0), (70000, 80000), (4294967294, 4294967294)):
        name = f"{uid}-{gid}"
        owner = {"uid": uid, "gid": gid}
        for place in ("/", "//dir/sub", "//sticky", "//setgid", "//acl", "//missing", "//file"):
            path = f"{place}/{name}"
            yield step(Op.CREATE, path=f"{path}.f", flags=MAKE, mode=0o640, **owner, write=b"new")
            yield step(Op.CREATE, path=f"{path}.s", flags=MAKE | os.O_EXCL, mode=0o106775, **owner)
            yield step(Op.MKDIR, path=f"{path}.d", mode=0o42755, **owner)
            yield step(Op.SYMLINK, target="to nowhere", path=f"{path}.l", **owner)
            yield step(Op.MKNOD, path=f"{path}.p", mode=0o10622, rdev=0, **owner)
            yield step(Op.MKNOD, path=f"{path}.c", mode=0o20622, rdev=os.makedev(1, 3), **owner)
            for kind in "fsdlpc":
                yield step(Op.LSTAT, path=f"{path}.{kind}")
    owner = {"uid": 1000, "gid": 1000}
    for path in ("//file", "//link", "//null", "//socket", "//loop", "//dir", "/", "//dirlink", "//dir/", "//x/", ""):
        yield step(Op.CREATE, path=path, flags=MAKE, mode=0o644, **owner)
        yield step(Op.CREATE, path=path, flags=MAKE | os.O_EXCL, mode=0o644, **owner)
    yield step(Op.CREATE, path="//file", flags=MAKE | os.O_TRUNC, mode=0o600, **owner)
    yield step(Op.CREATE, path="//dangling", flags=MAKE | os.O_EXCL, mode=0o644, **owner)
    yield step(Op.CREATE, path="//sticky/socket", flags=MAKE, mode=0o644, **owner)
    yield step(Op.CREATE, path="//not made", flags=RDWR, mode=0o644, **owner)
    yield step(Op.REMOVE, path="//not made")
    yield step(Op.CREATE, path="relative", flags=MAKE, mode=0o644, **owner)
    yield step(Op.REMOVE, path="//relative")
    for path in ("//file", "//dir", "//dangling", "//fifo", "/", "//new/", "//" + "n" * 256, "//missing/x", ""):
        yield step(Op.MKDIR, path=path, mode=0o755, **owner)
        yield step(Op.SYMLINK, target="t", path=path, **owner)
        yield step(Op.MKNOD, path=path, mode=0o10644, rdev=0, **owner)
    for target in ("", "x" * 4095, "x" * 4096, b"\xff\n", "/etc/passwd", "../.."):
        yield step(Op.SYMLINK, target=target, path="//aim", **owner)
        yield step(Op.READLINK, path="//aim", size=65536)
        yield step(Op.REMOVE, path="//aim")
    yield step(Op.MKDIR, path="//minus", mode=0o755, uid=1000, gid=-1)
    yield step(Op.REMOVE, path="//minus")
    yield step(Op.CREATE, path="//minus", flags=MAKE, mode=0o644, uid=1000, gid=-1)
    yield step(Op.REMOVE, path="//minus")


def special_files():
    for mode in (0o644, 0o100644, 0o140644, 0o120644, 0o40644, 0o60644, 0o20644, 0o30644, 0o170644):
        for uid in (0, 1000):
            path = f"//node-{uid}-{mode:o}"
            yield step(Op.MKNOD, uid=uid, gid=uid, path=path, mode=mode, rdev=os.makedev(4095, 1048575))
            yield step(Op.LSTAT, path=path)
    yield step(Op.MKNOD, uid=1000, gid=1000, path="//whiteout", mode=0o20000, rdev=0)


def modes_and_owners():
    for mode in (0o100600, 0o7777, 0, 0o644, 0o200644, 0xFFFFFFFF):
        for path in ("//file", "//dir/sub", "//fifo", "//block", "//setid"):
            yield step(Op.CHMOD, path=path, mode=mode)
            yield step(Op.LSTAT, path=path)
    yield step(Op.CHMOD, path="//file", mode=0o640)
    for path in ("//link", "//dangling", "//loop", "//missing", "//file/x", "", "file"):
        yield step(Op.CHMOD, path=path, mode=0o640)
    for uid, gid in ((1000, 1000), (-1, 5), (6, -1), (-1, -1), (0, 0), (0xFFFFFFFE, 1)):
        for path in ("//setid", "//link", "//dangling", "//dir", "//fifo", "//missing", "//loop"):
            yield step(Op.CHMOD, path="//setid", mode=0o6755)
            yield step(Op.CHOWN, path=path, uid=uid, gid=gid)
            yield step(Op.LSTAT, path=path)
    for length in (0, 3, 5000, -1, 1 << 40, 1 << 62, (1 << 63) - 1):
        for path in ("//file", "//dir", "//null", "//fifo", "//socket", "//missing", "//loop", "//secret"):
            yield step(Op.TRUNCATE, path=path, length=length)
        yield step(Op.LSTAT, path="//secret")
    for path in ("//secret", "//file", "", "file"):
        yield step(Op.TRUNCATE, path=path, length=10)
    yield step(Op.TRUNCATE, path="//link", length=10)
    yield step(Op.TRUNCATE, path="//dangling", length=10)
    yield step(Op.TRUNCATE, path="//dirlink", length=10)


def times():
    good = {"atime": 1000, "atime_nsec": 1, "mtime": 2000, "mtime_nsec": 999_999_999}
    for path in ("//file", "//dir", "//link", "//dangling", "//fifo", "//null", "//missing", "//loop", "", "file"):
        yield step(Op.UTIME, path=path, **good)
        yield step(Op.LSTAT, path=path)
    yield step(Op.CREATE, path="//file", flags=MAKE, mode=0, uid=1000, gid=1000)
    yield step(Op.GETVERSION, path="//file")
    for nsec in (0, 1_000_000_000, -1, UTIME_NOW, UTIME_OMIT, 1 << 32, (1 << 63) - 1):
        for name in ("atime_nsec", "mtime_nsec"):
            yield step(Op.UTIME, path="//file", **{**good, name: nsec})
            yield step(Op.LSTAT, path="//file")
            yield step(Op.UTIME, path="//file", **good)
    for seconds in (0, -1, -(1 << 31), 1 << 33, 1 << 34, -(1 << 63)):
        yield step(Op.UTIME, path="//file", **{**good, "mtime": seconds})
        yield step(Op.OPEN, path="//file", flags=os.O_NOATIME)
    yield step(Op.UTIME, path="//file", **good)


def names():
    pairs = (
        *(("//missing", "//x"), ("//file", "//missing/x"), ("//file", "//file/x"), ("//file", "//dir"), ("/", "//x")),
        *(("//dir", "//dir/sub/x"), ("//dir", "//sticky"), ("//dir", "//file"), ("//file", "//hardlink"), ("", "//x")),
        *(("//link", "//link2"), ("//dangling", "//dangling2"), ("//fifo", "//fifo2"), ("//null", "//null2")),
        *(("//file", "//" + "n" * 256), ("//file", ""), ("//loop/x", "//x"), ("//file", "//loop/x"), ("//file", "/")),
        *(("//dirlink/inner", "//inner"), ("//inner", "//dirlink/inner2"), ("file", "//dir"), ("//missing", "x")),
    )
    for old, new in pairs:
        yield step(Op.LINK, old=old, new=new)
        yield step(Op.LSTAT, path=new)
    for old, new in pairs:
        yield step(Op.RENAME, old=old, new=new)
        yield step(Op.LSTAT, path=new)
        yield step(Op.RENAME, old=new, new=old)
    for path in ("//missing", "//dir", "/", "//link2", "//fifo2", "//null2", "//file/x", "//loop/x", "//vacant/"):
        yield step(Op.REMOVE, path=path)
    for path in ("//dirlink/", "//acl/.", "//acl/..", "//vacant", "//dangling2", "", "bytes"):
        yield step(Op.REMOVE, path=path)


def attributes():
    names_ = (
        *("user.colour", "user.empty", "user.binary", "user.none", "trusted.hidden", "security.note", "user.", "user"),
        *("security.capability", "system.posix_acl_access", "system.posix_acl_default", "other.x", ""),
        *("user." + "x" * 250, "user." + "x" * 251, b"user.\xff"),
    )
    for path in ("//file", "//dir", "//acl", "//link", "//dangling", "//fifo", "//missing", "//loop", "/", "", "file"):
        for size in (0, 1, 4, 256, 65535, 65536, 65537, 1 << 20):
            yield step(Op.LLISTXATTR, size=size, path=path)
        for name in names_:
            yield step(Op.LGETXATTR, size=0, path=path, name=name)
            yield step(Op.LGETXATTR, size=3, path=path, name=name)
            yield step(Op.LGETXATTR, size=65536, path=path, name=name)
    for path in ("//file", "//dir", "//link", "//fifo", "//missing"):
        for name in names_:
            for flags in (0, os.XATTR_CREATE, os.XATTR_REPLACE, 3, 8):
                yield set_attribute(path, name, b"value", flags=flags)
            yield step(Op.LGETXATTR, size=100, path=path, name=name)
            yield step(Op.LREMOVEXATTR, path=path, name=name)
    for value in (b"", b"\0", b"a\0b", bytes(range(256)), b"x" * 3000, b"x" * 65000):
        yield set_attribute("//file", "user.value", value)
        yield step(Op.LGETXATTR, size=65536, path="//file", name="user.value")
    yield set_attribute("//file", "user.value", b"shortened", size=5)
    yield step(Op.LGETXATTR, size=65536, path="//file", name="user.value")
    for size in (10, -1):
        yield set_attribute("//file", "user.value", b"value", size=size)
        yield set_attribute("//file", "user.value", b"value")
    for path in ("//file", "//dir"):
        yield set_attribute(path, "system.posix_acl_access", DEFAULT_ACL)
        yield set_attribute(path, "system.posix_acl_default", DEFAULT_ACL)
        yield set_attribute(path, "system.posix_acl_access", b"no list")
        yield step(Op.LSTAT, path=path)
    yield step(Op.CREATE, path="//dir/inherits", flags=MAKE, mode=0o666, uid=1000, gid=1000)
    yield step(Op.LGETXATTR, size=200, path="//dir/inherits", name="system.posix_acl_access")


def set_attribute(path, name, value, size=None, flags=0):
    size = len(value) if size is None else size
    return step(Op.LSETXATTR, path=path, name=name, value=value, size=size, flags=flags)


def large_attributes():
    """Only with a file system that has room for 64 KiB of value, or of names, in one file."""
    yield set_attribute("//big", "user.large", b"", size=65536)
    for length in (65400, 65500):
        yield set_attribute("//big", "user.large", b"x" * length)
        yield step(Op.LGETXATTR, size=0, path="//big", name="user.large")
        yield step(Op.LGETXATTR, size=65536, path="//big", name="user.large")
        yield step(Op.LGETXATTR, size=length - 1, path="//big", name="user.large")
    for name in ("user.65534", "user.65535", "user.65536"):
        yield step(Op.LGETXATTR, size=0, path="//large", name=name)
        yield step(Op.LGETXATTR, size=65536, path="//large", name=name)
        yield step(Op.LGETXATTR, size=1000, path="//large", name=name)
    yield step(Op.LLISTXATTR, size=0, path="//names")
    yield step(Op.LLISTXATTR, size=65536, path="//names")


def malformed():
    """Payloads that a real QEMU never sends."""
    fields = {"path": "//file", "old": "//file", "new": "//never", "name": "user.colour", "target": "t", "value": b"v"}
    numbers = {"uid": 1000, "gid": 1000, "mode": 0o600, "size": 1, "flags": 0, "rdev": 0, "length": 10}
    times_ = {"atime": 1, "atime_nsec": 1, "mtime": 1, "mtime_nsec": 1}
    values = {**fields, **numbers, **times_}
    for op, layout in FIELDS.items():
        chosen = {name: values[name] for name, _ in layout}
        whole = encode(op, **chosen)
        for cut in range(len(whole)):
            yield broken(op, chosen, whole[:cut], f"cut at {cut}")
        if op not in (Op.CREATE, Op.MKNOD, Op.MKDIR, Op.SYMLINK, Op.LINK, Op.RENAME, Op.REMOVE):
            yield raw(op, chosen, whole + b"trailing", "and more")
            yield raw(op, chosen, encode(op, nul=True, **chosen), "all terminated")
            yield raw(op, chosen, encode(op, nul=False, **chosen), "none terminated")
        long = {name: Raw(b"\xff\xff//file") if kind in "szb" else chosen[name] for name, kind in layout}
        yield broken(op, chosen, encode(op, **long), "string too long")
    yield raw(Op.LSTAT, {"path": "/"}, encode(Op.LSTAT, path="/").ljust(65536, b"\0"), "65536 bytes")
    yield step(Op.LSTAT, path="//" + "x" * 65000)
    yield step(Op.LSTAT, path=b"//file\0x")
    yield step(Op.LSTAT, path=b"//file\0")
    yield step(Op.LSTAT, path=b"\0//file")
    yield step(Op.LGETXATTR, size=100, path="//dir/inherits", name=b"user.colour\0x")
    yield step(Op.REMOVE, path=b"//missing\0x")
    yield Step(Op.REMOVE, {"path": b"//missing"}, request(Op.REMOVE, nul=True, path="//missing"), "REMOVE terminated")


def raw(op, fields, payload, note):
    return Step(op, fields, message(op, payload), f"{describe(op, fields)} [{note}]")


def broken(op, fields, payload, note):
    """As `raw`, of which nothing can be decoded."""
    return raw(op, fields, payload, note)._replace(fields={})
