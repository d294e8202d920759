# SPDX-License-Identifier: MIT
"""Random requests within a subtree, each with the answer that the model knows, and what it changes.

Where a request has several faults, the first that the helper and then the kernel look at decides the errno: the
order of the checks below is theirs.
"""

import dataclasses
import errno
import fcntl
import os
import stat
import struct
from typing import Callable

from support.wire import (MAX_PAYLOAD, STAT, STATFS, Op, Stat, Statfs, decode, decode_string, encode, message, request,
                          sized)
from workload.model import DIR, FIFO, LNK, NAMES, REG, SOCK, TOO_LONG, Node, add, drop

NODES_MOST = 150  # of a subtree: then things are removed until it is smaller
CONTENT_MOST = 20000
HELD_MOST = 6
LOOKS = 5  # into random directories, for one with what is wanted
DEPTH_MOST = 10  # of what is looked at: a path of the longest names must stay below PATH_MAX

IDS = (0, 0, 1000, 1001, 65534, 4294967294)
NO_ID = -1
NO_TYPE = 0o170000
FILE_MODES = (0o644, 0o600, 0o755, 0, 0o777, 0o4755, 0o2711, 0o2640, 0o6755, 0o1644)
# No set-group-ID: what is made in such a directory has other owners, which is not what this is about.
DIRECTORY_MODES = (0o755, 0o700, 0o777, 0)
TYPE_BITS = (0, stat.S_IFREG, stat.S_IFDIR)  # which come with modes at times

ATTRIBUTES = ("user.a", "user.b", "user.ünicode")
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class Mismatch(Exception):
    """A reply that the model does not allow."""


def expect(what, seen, expected):
    if seen != expected:
        raise Mismatch(f"{what} is {seen!r}, expected {expected!r}")


@dataclasses.dataclass
class Step:
    """A request and its answer: an errno, or a success.

    change  makes the model what the tree is after a success
    check   then takes the result
    """

    op: Op
    fields: dict
    error: int
    change: Callable = lambda: None
    check: Callable = lambda _: None
    raw: bytes = None

    def bytes(self):
        return self.raw or request(self.op, **self.fields)


def first_error(*errors):
    return next((error for error in errors if error), 0)


class Operations:
    """What one guest may ask for. `rng` is the only source of chance."""

    def __init__(self, rng, tree, shared, facts):
        self.rng = rng
        self.tree = tree
        self.shared = shared
        self.facts = facts  # of the file system: a Statfs to compare with, and the length of foreign attributes' names
        self.held = []  # descriptors and their nodes
        self.makers = (self.create, self.mknod, self.mkdir, self.symlink, self.link)
        self.all = (
            (self.open, 6), (self.create, 6), (self.mknod, 4), (self.mkdir, 4), (self.symlink, 3), (self.link, 4),
            (self.lstat, 12), (self.readlink, 4), (self.statfs, 1), (self.chmod, 4), (self.chown, 4),
            (self.truncate, 4), (self.utime, 4), (self.rename, 8), (self.remove, 5), (self.lgetxattr, 5),
            (self.llistxattr, 3), (self.lsetxattr, 6), (self.lremovexattr, 3), (self.getversion, 3),
            (self.read_shared, 6), (self.malformed, 2),
        )

    def next(self):
        """A random step. Between two requests, descriptors that were passed earlier are used."""
        self.use_held()
        (make,) = self.rng.choices([make for make, _ in self.all], [weight for _, weight in self.all])
        if make in self.makers and self.tree.count() > NODES_MOST:
            make = self.remove
        return make()

    def chance(self, percent):
        return self.rng.random() * 100 < percent

    # Choices

    def directory(self):
        """The parts of a directory's path."""
        parts, node = [], self.tree.root
        while self.chance(60) and len(parts) < DEPTH_MOST:
            below = [name for name, child in node.children.items() if child.kind == DIR]
            if not below:
                break
            parts.append(self.rng.choice(below))
            node = node.children[parts[-1]]
        return parts, node

    def place(self, existing=70, kind=None, root=False):
        """Somewhere, in so many percent of all cases something that exists, of the kind if there is one."""
        for _ in range(LOOKS):
            parts, node = self.directory()
            wanted = [name for name, child in node.children.items() if kind is None or child.kind == kind]
            if wanted:
                break
        if root and not parts and self.chance(20):
            return self.tree.find([])
        if wanted and self.chance(existing):
            return self.tree.find([*parts, self.rng.choice(wanted)])
        if self.chance(10):
            return self.tree.find([*parts, *self.astray(node), self.rng.choice(NAMES)])
        return self.tree.find([*parts, TOO_LONG if self.chance(3) else self.rng.choice(NAMES)])

    def astray(self, node):
        """What is no directory to go on in."""
        files = [name for name, child in node.children.items() if child.kind not in (DIR, LNK)]
        return [self.rng.choice(files)] if files and self.chance(60) else ["missing"]

    def owner(self):
        """A uid and a gid, seldom none."""
        if self.chance(2):
            return {"uid": self.rng.choice((NO_ID, 7)), "gid": NO_ID}
        return {"uid": self.rng.choice(IDS), "gid": self.rng.choice(IDS)}

    def data(self, most):
        return self.rng.randbytes(self.rng.choice((0, 1, 100, most)))

    # What is passed as a descriptor

    def use_held(self):
        """Reads or writes through a descriptor that was kept, whose file may have no name any more; or closes it."""
        if not self.held or not self.chance(30):
            return
        number = self.rng.randrange(len(self.held))
        fd, node = self.held[number]
        self.check_content(fd, node)
        if self.chance(40):
            os.close(fd)
            del self.held[number]
        else:
            self.write(fd, node)

    def check_content(self, fd, node):
        seen = os.fstat(fd)
        expect("the open file's mode", seen.st_mode, node.kind | node.mode)
        expect("the open file's owner", (seen.st_uid, seen.st_gid), (node.uid, node.gid))
        expect("the open file's size", seen.st_size, len(node.content))
        if access_mode(fd) != os.O_WRONLY:
            expect("the content", os.pread(fd, CONTENT_MOST * 2, 0), bytes(node.content))
            node.atime = None

    def write(self, fd, node):
        if access_mode(fd) == os.O_RDONLY:
            return
        data = self.data(3000)
        if status_flags(fd) & os.O_APPEND:
            offset = len(node.content)
        else:
            offset = self.rng.randrange(CONTENT_MOST // 2)
        if data and offset + len(data) <= CONTENT_MOST:
            os.pwrite(fd, data, offset)
            node.write(offset, data)

    def receive_file(self, fd, node, flags):
        """A descriptor has come: it must be what was asked for; sometimes it is kept."""
        try:
            expect("the status flags", status_flags(fd) & (os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK),
                   flags & (os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK))
            self.check_content(fd, node)
            self.write(fd, node)
            if len(self.held) < HELD_MOST and self.chance(30):
                self.held.append((os.dup(fd), node))
        finally:
            os.close(fd)

    def receive_directory(self, fd, node):
        try:
            expect("the names", sorted(os.listdir(fd)), sorted(node.children))
            node.atime = None
        finally:
            os.close(fd)

    # The operations

    def open(self):
        place = self.place(85, self.rng.choice((REG, REG, DIR, None)), root=True)
        flags = self.rng.choice((os.O_RDONLY, os.O_RDWR, os.O_WRONLY))
        for flag, percent in ((os.O_TRUNC, 10), (os.O_APPEND, 20), (os.O_NONBLOCK, 10), (os.O_NOFOLLOW, 30),
                              (os.O_NOATIME, 10), (os.O_DIRECTORY, 10), (os.O_EXCL, 5)):
            flags |= flag if self.chance(percent) else 0
        if flags & os.O_ACCMODE == os.O_RDONLY:
            flags &= ~os.O_TRUNC
        node = place.node

        def change():
            if flags & os.O_TRUNC:
                node.resize(0)

        def check(fd):
            if node.kind == DIR:
                self.receive_directory(fd, node)
            else:
                self.receive_file(fd, node, flags)

        error = first_error(place.missing, node and open_error(node, flags))
        return Step(Op.OPEN, {"path": place.path, "flags": flags}, error, change, check)

    def create(self):
        place = self.place(35)
        node = place.node
        flags = os.O_CREAT | self.rng.choice((os.O_RDONLY, os.O_RDWR, os.O_WRONLY))
        for flag, percent in ((os.O_TRUNC, 20), (os.O_APPEND, 20), (os.O_EXCL, 30)):
            flags |= flag if self.chance(percent) else 0
        mode, owner = self.rng.choice(FILE_MODES), self.owner()

        made = node or Node(REG, mode, **owner)

        def change():
            if node is None:
                add(place, made)
            elif flags & os.O_TRUNC:
                made.truncate_as(**owner)

        error = first_error(owner_error(owner), place.error)
        if node and not error:
            error = errno.EEXIST if flags & os.O_EXCL else errno.EISDIR if node.kind == DIR else open_error(node, 0)
        fields = {"path": place.path, "flags": flags, "mode": mode | self.rng.choice(TYPE_BITS), **owner}
        return Step(Op.CREATE, fields, error, change, lambda fd: self.receive_file(fd, made, flags))

    def mknod(self):
        place, owner = self.place(25), self.owner()
        kind = self.rng.choice((REG, FIFO, FIFO, SOCK, SOCK, 0, DIR, NO_TYPE))
        mode = self.rng.choice(FILE_MODES)
        wrong = {DIR: errno.EPERM, NO_TYPE: errno.EINVAL}.get(kind, 0)
        error = first_error(owner_error(owner), wrong, place.taken)
        fields = {"path": place.path, "mode": kind | mode, "rdev": 0, **owner}
        return Step(Op.MKNOD, fields, error, lambda: add(place, Node(kind or REG, mode, **owner)))

    def mkdir(self):
        place, owner = self.place(25), self.owner()
        mode = self.rng.choice(DIRECTORY_MODES)
        error = first_error(owner_error(owner), place.taken)
        fields = {"path": place.path, "mode": mode | self.rng.choice((0, stat.S_IFDIR)), **owner}
        return Step(Op.MKDIR, fields, error, lambda: add(place, Node(DIR, mode, **owner)))

    def symlink(self):
        place, owner = self.place(25), self.owner()
        target = self.rng.choice(("a", "../b", "/etc/passwd", "t" * 1000, "nowhere/at all", "\udcff", ""))
        error = first_error(owner_error(owner), 0 if target else errno.ENOENT, place.taken)
        node = Node(LNK, target=os.fsencode(target), **owner)
        return Step(Op.SYMLINK, {"target": target, "path": place.path, **owner}, error, lambda: add(place, node))

    def link(self):
        old, new = self.place(85), self.place(25)
        error = first_error(old.missing, new.taken, old.node and old.node.kind == DIR and errno.EPERM)
        return Step(Op.LINK, {"old": old.path, "new": new.path}, error, lambda: add(new, old.node))

    def lstat(self):
        place = self.place(80, root=True)
        return self.lstat_of(place)

    def lstat_of(self, place):
        def check(payload):
            check_attributes(decode(Stat, STAT, payload), place.node)

        return Step(Op.LSTAT, {"path": place.path}, place.missing, check=check)

    def readlink(self):
        return self.readlink_of(self.place(85, LNK))

    def readlink_of(self, place):
        size = self.rng.choice((4096, 4096, 65536, 100000, 5, 2, 1, 0, -1))
        node = place.node

        def change():
            node.atime = None

        def check(payload):
            expect("the target", decode_string(payload), node.target)

        error = first_error(size < 2 and errno.EINVAL, place.missing, node and node.kind != LNK and errno.EINVAL)
        if not error and len(node.target) > size - 1:
            error = errno.ENAMETOOLONG
            node.atime = None
        return Step(Op.READLINK, {"path": place.path, "size": size}, error, change, check)

    def statfs(self):
        place = self.place(80, root=True)

        def check(payload):
            seen = decode(Statfs, STATFS, payload)
            for name in ("type", "bsize", "frsize", "blocks", "namelen"):
                expect(f"the file system's {name}", getattr(seen, name), getattr(self.facts.statfs, name))

        return Step(Op.STATFS, {"path": place.path}, first_error(place.missing, link_error(place)), check=check)

    def chmod(self):
        place = self.place(85, root=True)
        node = place.node
        mode = self.rng.choice(DIRECTORY_MODES if node and node.kind == DIR else FILE_MODES)
        fields = {"path": place.path, "mode": mode | self.rng.choice(TYPE_BITS)}
        return Step(Op.CHMOD, fields, first_error(place.missing, link_error(place)),
                    lambda: setattr(node, "mode", mode))

    def chown(self):
        place = self.place(85, root=True)
        uid, gid = self.rng.choice((*IDS, NO_ID)), self.rng.choice((*IDS, NO_ID))
        return Step(Op.CHOWN, {"path": place.path, "uid": uid, "gid": gid}, place.missing,
                    lambda: place.node.change_owner(uid, gid))

    def truncate(self):
        place = self.place(90, self.rng.choice((REG, REG, REG, None)))
        length = self.rng.choice((0, 1, 100, 4096, 10000, -1))
        error = first_error(length < 0 and errno.EINVAL, place.missing, link_error(place))
        if not error and place.node.kind != REG:
            error = errno.EISDIR if place.node.kind == DIR else errno.EINVAL
        return Step(Op.TRUNCATE, {"path": place.path, "length": length}, error, lambda: place.node.resize(length))

    def utime(self):
        place = self.place(85, root=True)
        # Not near now, which would hide that a time was set to now.
        atime, mtime = ((self.rng.randrange(1 << 30), self.nsec()) for _ in range(2))

        def change():
            if nothing:
                return
            place.node.atime = new_time(place.node.atime, atime)
            place.node.mtime = new_time(place.node.mtime, mtime)

        valid = all(0 <= nsec < 10**9 or nsec in (UTIME_NOW, UTIME_OMIT) for _, nsec in (atime, mtime))
        fields = {"atime": atime[0], "atime_nsec": atime[1], "mtime": mtime[0], "mtime_nsec": mtime[1]}
        # Nothing to do: the kernel does not even look the name up.
        nothing = atime[1] == mtime[1] == UTIME_OMIT
        error = first_error(0 if valid else errno.EINVAL, 0 if nothing else place.missing)
        return Step(Op.UTIME, {"path": place.path, **fields}, error, change)

    def nsec(self):
        if self.chance(10):
            return self.rng.choice((UTIME_NOW, UTIME_OMIT, -1, 10**9))
        return self.rng.randrange(10**9)

    def rename(self):
        old, new = self.place(90), self.place(40)

        def change():
            if new.node is old.node:
                return
            if new.node:
                drop(new)
            add(new, drop(old))

        return Step(Op.RENAME, {"old": old.path, "new": new.path}, rename_error(old, new), change)

    def remove(self):
        place = self.place(92)
        error = first_error(place.missing, place.node and place.node.children and errno.ENOTEMPTY)
        return Step(Op.REMOVE, {"path": place.path}, error, lambda: drop(place))

    def attribute(self, node):
        """A name, which is there in most cases if any is."""
        if node and node.xattrs and self.chance(60):
            return self.rng.choice(sorted(node.xattrs))
        return self.rng.choice(ATTRIBUTES)

    def lgetxattr(self):
        place = self.place(90, self.rng.choice((REG, REG, DIR, None)), root=True)
        return self.lgetxattr_of(place)

    def lgetxattr_of(self, place):
        node = place.node
        name = self.rng.choice(("security.capability", "", "unknown")) if self.chance(20) else self.attribute(node)
        size = self.rng.choice((0, 0, 1, 1000, MAX_PAYLOAD, 1 << 20, -1))
        value = node.xattrs.get(name) if node else None

        def check(payload):
            seen = sized(size, payload)
            expect("the value", seen, len(value) if size == 0 else value)

        error = first_error(size < 0 and errno.EINVAL, name == "" and errno.ERANGE, place.missing,
                            name == "unknown" and errno.EOPNOTSUPP, value is None and errno.ENODATA)
        if not error and 0 < size < len(value):
            error = errno.ERANGE
        return Step(Op.LGETXATTR, {"path": place.path, "name": name, "size": size}, error, check=check)

    def llistxattr(self):
        place = self.place(90, self.rng.choice((REG, REG, DIR, None)), root=True)
        node = place.node
        size = self.rng.choice((0, 3, 1000, MAX_PAYLOAD, 1 << 20, -1))
        length = sum(len(os.fsencode(name)) + 1 for name in node.xattrs) if node else 0
        length += self.facts.foreign_names

        def check(payload):
            seen = sized(size, payload)
            if size == 0:
                expect("the length of the names", seen, length)
                return
            names = sorted(os.fsdecode(name) for name in seen.split(b"\0") if name.startswith(b"user."))
            expect("the names of the attributes", names, sorted(node.xattrs))

        error = first_error(size < 0 and errno.EINVAL, place.missing, 0 < size < length and errno.ERANGE)
        return Step(Op.LLISTXATTR, {"path": place.path, "size": size}, error, check=check)

    def lsetxattr(self):
        place = self.place(90, self.rng.choice((REG, REG, DIR, None)), root=True)
        node = place.node
        name = "trusted.x" if self.chance(5) else self.attribute(node)
        value = self.data(200)
        size = len(value) if self.chance(80) else self.rng.choice((0, 1, len(value) + 1, -1, MAX_PAYLOAD))
        flags = self.rng.choice((0, 0, os.XATTR_CREATE, os.XATTR_REPLACE, 8))
        error = first_error(set_size_error(value, size), flags == 8 and errno.EINVAL, place.missing,
                            name == "trusted.x" and errno.EPERM, node and not node.takes_xattrs and errno.EPERM)
        if not error and flags == os.XATTR_CREATE and name in node.xattrs:
            error = errno.EEXIST
        if not error and flags == os.XATTR_REPLACE and name not in node.xattrs:
            error = errno.ENODATA
        fields = {"path": place.path, "name": name, "value": value, "size": size, "flags": flags}
        return Step(Op.LSETXATTR, fields, error, lambda: node.xattrs.update({name: value[:size]}))

    def lremovexattr(self):
        place = self.place(90, self.rng.choice((REG, DIR, None)), root=True)
        node = place.node
        name = self.attribute(node)
        error = first_error(place.missing, node and not node.takes_xattrs and errno.EPERM,
                            node and name not in node.xattrs and errno.ENODATA)
        return Step(Op.LREMOVEXATTR, {"path": place.path, "name": name}, error, lambda: node.xattrs.pop(name))

    def getversion(self):
        place = self.place(85, self.rng.choice((REG, DIR, None)), root=True)
        node = place.node

        def check(payload):
            expect("the length of a generation", len(payload), 8)
            (version,) = struct.unpack("=Q", payload)
            expect("the generation", version, version if node.version is None else node.version)
            node.version = version

        error = first_error(place.missing, node and open_error(node, os.O_RDONLY))
        return Step(Op.GETVERSION, {"path": place.path}, error, check=check)

    def read_shared(self):
        """What all read and nobody changes."""
        place = self.shared.find([self.rng.choice(sorted(self.shared.root.children))])
        if place.node.kind == LNK:
            return self.readlink_of(place)
        make = self.rng.choice((self.lstat_of, self.lgetxattr_of, self.open_shared))
        return make(place)

    def open_shared(self, place):
        def check(fd):
            try:
                self.check_content(fd, place.node)
            finally:
                os.close(fd)

        return Step(Op.OPEN, {"path": place.path, "flags": os.O_RDONLY}, 0, check=check)

    def malformed(self):
        """A request whose payload ends too early, or has a NUL where none may be: an error, and no effect."""
        make, _ = self.rng.choice(self.all[: len(Op)])
        step = make()
        if "path" in step.fields and self.chance(50):
            return Step(step.op, {**step.fields, "path": "//a\0b"}, errno.EINVAL)
        payload = encode(step.op, **step.fields)
        raw = message(step.op, payload[: self.rng.randrange(len(payload))])
        return Step(step.op, step.fields, errno.ENOBUFS, raw=raw)


# What is answered, and why


def access_mode(fd):
    return status_flags(fd) & os.O_ACCMODE


def status_flags(fd):
    return fcntl.fcntl(fd, fcntl.F_GETFL)


def check_attributes(seen, node):
    """A Stat against the node. The number of links to a directory is the file system's affair."""
    expect("the mode", seen.mode, node.kind | node.mode)
    expect("the owner", (seen.uid, seen.gid), (node.uid, node.gid))
    expect("the size", seen.size, seen.size if node.size is None else node.size)
    expect("the number of links", seen.nlink, seen.nlink if node.kind == DIR else node.links)
    for name in ("atime", "mtime"):
        known = getattr(node, name)
        if known:
            expect(f"the {name}", (getattr(seen, name), getattr(seen, name + "_nsec")), known)
    node.ino = node.ino or seen.ino
    expect("the inode's number", seen.ino, node.ino)


def open_error(node, flags):
    """Why an object that is there is not opened."""
    if node.kind == LNK:
        return errno.ELOOP
    if node.kind == DIR:
        return errno.EISDIR if flags & os.O_ACCMODE != os.O_RDONLY else 0
    if flags & os.O_DIRECTORY:
        return errno.ENOTDIR
    return 0 if node.kind == REG else errno.ENXIO


def link_error(place):
    """Why something is not done to a link, which would be followed."""
    return errno.ELOOP if place.node and place.node.kind == LNK else 0


def owner_error(owner):
    return errno.EINVAL if NO_ID in owner.values() else 0


def set_size_error(value, size):
    if size == MAX_PAYLOAD and not value:
        return errno.E2BIG
    return errno.EINVAL if size < 0 or size > len(value) else 0


def new_time(known, time):
    if time[1] == UTIME_OMIT:
        return known
    return None if time[1] == UTIME_NOW else time


def rename_error(old, new):
    """Both directories are looked up first, then the names in them, then what has them is looked at."""
    error = first_error(
        not old.too_long and old.error,
        not new.too_long and new.error,
        old.missing,
        new.error,
        old.node and old.node.kind == DIR and encloses(old.node, new.parent) and errno.EINVAL,
        new.node and new.node.kind == DIR and encloses(new.node, old.parent) and errno.ENOTEMPTY,
    )
    if error or not new.node or new.node is old.node:
        return error
    if old.node.kind == DIR and new.node.kind != DIR:
        return errno.ENOTDIR
    if old.node.kind != DIR and new.node.kind == DIR:
        return errno.EISDIR
    return errno.ENOTEMPTY if new.node.children else 0


def encloses(directory, node):
    return directory is node or directory.is_above(node)
