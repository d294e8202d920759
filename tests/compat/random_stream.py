# SPDX-License-Identifier: MIT
"""Thousands of well-formed requests over few names, drawn by lot from a seed: what a hand-written list forgets.

Few names make most requests meet something. Left out is what would end the comparison without telling anything new:
requests that hang or kill upstream, and changes through a final link, which upstream makes and we refuse, so that the
trees would part. The fixed stream and the tests of the defects have those.
"""

import os
import random
import stat

from support.wire import Op

from .exchange import step

NAMES = ("a", "b", "c", "d", "e", "link")
DIRECTORIES = ("/", "//d", "//e", "//d/e", "//link", "//setgid", "//sticky", "//acl")
TARGETS = ("a", "d", "/e", "../b", "link", "nowhere", "d/a")
OWNERS = ((0, 0), (1000, 1000), (1000, 0), (1001, 1000), (65534, 65534))
MODES = (0o644, 0o600, 0o755, 0o4755, 0o2755, 0o2775, 0o1777, 0, 0o7777, 0o100640)
ACCESS = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)
FLAGS = (0, 0, os.O_APPEND, os.O_TRUNC, os.O_NONBLOCK, os.O_SYNC, os.O_DSYNC, os.O_NOATIME, os.O_NOFOLLOW, os.O_EXCL)
CREATE_FLAGS = (0, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW)
ATTRIBUTES = ("user.one", "user.two", "user.three", "trusted.one", "security.capability", "system.posix_acl_access")
TYPES = (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK)
FOLLOWED_CHANGES = (Op.CHMOD, Op.TRUNCATE, Op.CREATE)
OPENING = (Op.OPEN, Op.CREATE, Op.GETVERSION)


def random_stream(seed, count, side):
    """`count` requests; `side` is upstream's, asked what there is before a request is let through."""
    lot = random.Random(seed)
    makers = [maker for maker, weight in WEIGHTS for _ in range(weight)]
    while count > 0:
        candidate = lot.choice(makers)(lot)
        if is_comparable(candidate, side):
            count -= 1
            yield candidate


def is_comparable(candidate, side):
    target = side.lookup(candidate.path, follow=True)
    if candidate.op in OPENING and target is not None and stat.S_ISFIFO(target.st_mode):
        return False  # upstream would wait for the other end
    own = side.lookup(candidate.path)
    if own is None:
        return True
    if candidate.op == Op.CREATE and is_sticky(os.path.dirname(candidate.path), side):
        return False  # whether that opens what is there is up to the host: fs.protected_regular, proc_sys_fs(5)
    if not stat.S_ISLNK(own.st_mode):
        return True
    truncates = candidate.op == Op.OPEN and candidate.fields["flags"] & os.O_TRUNC
    return candidate.op not in FOLLOWED_CHANGES and not truncates and not candidate.write


def is_sticky(directory, side):
    found = side.lookup(directory, follow=True)
    return found is not None and bool(found.st_mode & stat.S_ISVTX)


def path(lot):
    directory = lot.choice(DIRECTORIES)
    return f"{directory}/{lot.choice(NAMES)}" if lot.random() < 0.95 else directory


def content(lot):
    return bytes(lot.choices(range(256), k=lot.choice((0, 1, 10, 300))))


def owner(lot):
    uid, gid = lot.choice(OWNERS)
    return {"uid": uid, "gid": gid}


def make_open(lot):
    flags = lot.choice(ACCESS) | lot.choice(FLAGS)
    return step(Op.OPEN, write=content(lot), path=path(lot), flags=flags)


def make_open_directory(lot):
    return step(Op.OPEN, path=path(lot), flags=os.O_DIRECTORY)


def make_create(lot):
    flags = os.O_CREAT | lot.choice(ACCESS) | lot.choice(CREATE_FLAGS)
    return step(Op.CREATE, write=content(lot), path=path(lot), flags=flags, mode=lot.choice(MODES), **owner(lot))


def make_mknod(lot):
    mode = lot.choice(TYPES) | lot.choice(MODES) & 0o7777
    return step(Op.MKNOD, path=path(lot), mode=mode, rdev=os.makedev(259, 70000 + lot.randrange(3)), **owner(lot))


def make_mkdir(lot):
    return step(Op.MKDIR, path=path(lot), mode=lot.choice(MODES), **owner(lot))


def make_symlink(lot):
    return step(Op.SYMLINK, target=lot.choice(TARGETS), path=path(lot), **owner(lot))


def make_link(lot):
    return step(Op.LINK, old=path(lot), new=path(lot))


def make_rename(lot):
    return step(Op.RENAME, old=path(lot), new=path(lot))


def make_remove(lot):
    return step(Op.REMOVE, path=path(lot))


def make_lstat(lot):
    return step(Op.LSTAT, path=path(lot))


def make_statfs(lot):
    return step(Op.STATFS, path=path(lot))


def make_getversion(lot):
    return step(Op.GETVERSION, path=path(lot))


def make_readlink(lot):
    return step(Op.READLINK, path=path(lot), size=lot.choice((4096, 4096, 65536, 5, 2, 1, 0)))


def make_chmod(lot):
    return step(Op.CHMOD, path=path(lot), mode=lot.choice(MODES))


def make_chown(lot):
    return step(Op.CHOWN, path=path(lot), uid=lot.choice((-1, 0, 1000, 1001)), gid=lot.choice((-1, 0, 1000, 1001)))


def make_truncate(lot):
    return step(Op.TRUNCATE, path=path(lot), length=lot.choice((0, 1, 5, 4096, 100_000, -1)))


def make_utime(lot):
    seconds = [lot.randrange(1_000_000) for _ in range(2)]
    nanoseconds = [lot.randrange(1_000_000_000) for _ in range(2)]
    atime, mtime = seconds
    return step(
        Op.UTIME, path=path(lot), atime=atime, atime_nsec=nanoseconds[0], mtime=mtime, mtime_nsec=nanoseconds[1]
    )


def make_lgetxattr(lot):
    return step(Op.LGETXATTR, size=lot.choice((0, 1, 100, 65536)), path=path(lot), name=lot.choice(ATTRIBUTES))


def make_llistxattr(lot):
    return step(Op.LLISTXATTR, size=lot.choice((0, 5, 65536)), path=path(lot))


def make_lsetxattr(lot):
    value = content(lot)
    size = lot.randrange(len(value) + 1)
    flags = lot.choice((0, 0, os.XATTR_CREATE, os.XATTR_REPLACE))
    return step(Op.LSETXATTR, path=path(lot), name=lot.choice(ATTRIBUTES), value=value, size=size, flags=flags)


def make_lremovexattr(lot):
    return step(Op.LREMOVEXATTR, path=path(lot), name=lot.choice(ATTRIBUTES))


WEIGHTS = (
    *((make_lstat, 6), (make_open, 5), (make_create, 8), (make_mkdir, 7), (make_symlink, 4), (make_mknod, 4)),
    *((make_link, 4), (make_rename, 5), (make_remove, 5), (make_chmod, 4), (make_chown, 4), (make_truncate, 3)),
    *((make_utime, 3), (make_lgetxattr, 4), (make_llistxattr, 3), (make_lsetxattr, 4), (make_lremovexattr, 2)),
    *((make_open_directory, 2), (make_statfs, 1), (make_getversion, 4), (make_readlink, 4)),
)
