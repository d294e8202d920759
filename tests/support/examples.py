# SPDX-License-Identifier: MIT
"""One valid request of each operation, and the tree on which all of them succeed, in any order."""

import os

from .wire import Op

EXAMPLES = {
    Op.OPEN: {"path": "//file", "flags": os.O_RDWR},
    Op.CREATE: {"path": "//created", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o640, "uid": 1000, "gid": 1001},
    Op.MKNOD: {"uid": 1000, "gid": 1001, "path": "//node", "mode": 0o010640, "rdev": 0},
    Op.MKDIR: {"uid": 1000, "gid": 1001, "path": "//made", "mode": 0o750},
    Op.SYMLINK: {"uid": 1000, "gid": 1001, "target": "anything", "path": "//symlink"},
    Op.LINK: {"old": "//file", "new": "//linked"},
    Op.LSTAT: {"path": "//file"},
    Op.READLINK: {"path": "//link", "size": 4096},
    Op.STATFS: {"path": "//file"},
    Op.CHMOD: {"path": "//file", "mode": 0o600},
    Op.CHOWN: {"path": "//file", "uid": 7, "gid": 8},
    Op.TRUNCATE: {"path": "//file", "length": 3},
    Op.UTIME: {"path": "//file", "atime": 1, "atime_nsec": 2, "mtime": 3, "mtime_nsec": 4},
    Op.RENAME: {"old": "//old", "new": "//new"},
    Op.REMOVE: {"path": "//doomed"},
    Op.LGETXATTR: {"size": 100, "path": "//file", "name": "user.name"},
    Op.LLISTXATTR: {"size": 1000, "path": "//file"},
    Op.LSETXATTR: {"path": "//file", "name": "user.new", "value": b"value", "size": 5, "flags": 0},
    Op.LREMOVEXATTR: {"path": "//file", "name": "user.doomed"},
    Op.GETVERSION: {"path": "//file"},
}


def prepare(export):
    """Makes the tree. Its file system must take user attributes."""
    for name in ("file", "old", "doomed"):
        (export / name).write_bytes(b"content")
    (export / "link").symlink_to("file")
    for name in ("user.name", "user.doomed"):
        os.setxattr(export / "file", name, b"value")


def snapshot(export):
    """What a request may change: every name with its mode, owner, size and times, and the attributes of `file`."""
    entries = {}
    for path in [export, *sorted(export.rglob("*"))]:
        seen = path.lstat()
        times = (seen.st_mtime_ns, seen.st_ctime_ns)
        entries[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_nlink, seen.st_size, times)
    file = export / "file"
    return entries, {name: os.getxattr(file, name) for name in os.listxattr(file)}
