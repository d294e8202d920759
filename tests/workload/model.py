# SPDX-License-Identifier: MIT
"""What a guest's subtree must look like, and what the kernel must answer about it: objects, names and path look-up."""

import dataclasses
import errno
import os
import stat

REG, DIR, LNK, FIFO, SOCK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK

# Few, so that a random one is often there already; with what makes trouble in names.
NAMES = ("a", "b", "c", "d", "with space", "ümlaut", "\udcfe\udcff", "new\nline", "x" * 255)
TOO_LONG = "y" * 256

SUID, SGID, GROUP_MAY_EXECUTE = stat.S_ISUID, stat.S_ISGID, stat.S_IXGRP


@dataclasses.dataclass(eq=False)
class Node:
    """One object, whatever its names; None stands for what is not known (yet, or any more)."""

    kind: int
    mode: int = 0o777
    uid: int = 0
    gid: int = 0
    content: bytearray = dataclasses.field(default_factory=bytearray)  # REG
    target: bytes = b""  # LNK
    children: dict = dataclasses.field(default_factory=dict)  # DIR: nodes by name
    xattrs: dict = dataclasses.field(default_factory=dict)  # bytes by name
    links: int = 0  # names; not kept for directories
    atime: tuple = None  # (s, ns)
    mtime: tuple = None
    ino: int = None
    version: int = None

    @property
    def size(self):
        """None where the file system decides."""
        return {REG: len(self.content), LNK: len(self.target), DIR: None}.get(self.kind, 0)

    @property
    def takes_xattrs(self):
        """Attributes of the class user are for those that have content, xattr(7)."""
        return self.kind in (REG, DIR)

    def resize(self, length):
        del self.content[length:]
        self.content.extend(bytes(length - len(self.content)))
        self.mtime = None

    def write(self, offset, data):
        if offset > len(self.content):
            self.resize(offset)
        self.content[offset : offset + len(data)] = data
        self.mtime = None

    def change_owner(self, uid, gid):
        """chown(2) takes the set-id bits of whatever is no directory, also when it changes nothing."""
        self.uid = self.uid if uid == -1 else uid
        self.gid = self.gid if gid == -1 else gid
        if self.kind != DIR:
            self.mode &= ~SUID
            if self.mode & GROUP_MAY_EXECUTE:
                self.mode &= ~SGID

    def truncate_as(self, uid, gid):
        """By open(2): without CAP_FSETID, which only root keeps, the set-id bits go."""
        self.resize(0)
        if (uid, gid) == (0, 0):
            return
        self.mode &= ~SUID
        if self.mode & GROUP_MAY_EXECUTE or gid != self.gid:
            self.mode &= ~SGID

    def is_above(self, other):
        """Whether `other` is below this directory."""
        return any(child is other or child.is_above(other) for child in self.children.values())


@dataclasses.dataclass
class Place:
    """What a path leads to. error: why it leads nowhere; otherwise parent and name, and the node if there is one."""

    path: str
    error: int = 0
    too_long: bool = False  # that is the error, and of the last name
    parent: Node = None
    name: str = None
    node: Node = None

    @property
    def missing(self):
        """The errno of whoever needs the object."""
        return self.error or (0 if self.node else errno.ENOENT)

    @property
    def taken(self):
        """The errno of whoever makes it."""
        return self.error or (errno.EEXIST if self.node else 0)


class Tree:
    """A directory with all that is below it."""

    def __init__(self, path, root):
        self.path = path
        self.root = root

    def find(self, parts):
        """The Place of a path below the root, as the kernel looks it up. No part but the last may be a link."""
        place = Place("/".join([self.path, *parts]), node=self.root)
        for part in parts:
            if place.node is None:
                place.error = errno.ENOENT
            elif place.node.kind != DIR:
                place.error = errno.ENOTDIR
            elif len(os.fsencode(part)) > 255:
                place.error = errno.ENAMETOOLONG
                place.too_long = True
            if place.error:
                place.parent = place.node = None
                return place
            place.parent, place.name = place.node, part
            place.node = place.parent.children.get(part)
        return place

    def count(self):
        """All nodes below the root, once a name."""

        def below(node):
            return sum(1 + below(child) for child in node.children.values())

        return below(self.root)


def add(place, node):
    """Gives a node the name."""
    place.parent.children[place.name] = node
    place.parent.mtime = None
    node.links += 1


def drop(place):
    """Takes the name from its node."""
    node = place.parent.children.pop(place.name)
    place.parent.mtime = None
    node.links -= 1
    return node
