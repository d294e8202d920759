# SPDX-License-Identifier: MIT
"""One request sent as raw bytes, and its reply as it came, with what cannot be equal on two trees masked out.

Masked, because two twins cannot share them:

* LSTAT: inode number; each of the three times unless a request set it (those lie before the year 2002, the clock's
  after: `trees.NOW`). A masked time must still be one of the clock's.
* STATFS: free blocks, available blocks, free inodes: they change while the two helpers take turns.
* GETVERSION: the lower half, which ext4 draws by lot. It must be the generation that the file itself reports.

Device numbers need no mask here: both trees are on one file system.
"""

import errno
import fcntl
import os
import struct
from typing import NamedTuple

from support.wire import DATA_REPLIES, DESCRIPTOR_FOLLOWS, FD_REPLIES, HEADER, STAT, STATFS
from support.wire import Op, Stat, Statfs, close_all, request

from . import trees

FS_IOC_GETVERSION = 0x80087601 if struct.calcsize("l") == 8 else 0x80047601
IGNORED_DESCRIPTOR_FLAGS = os.O_NOFOLLOW  # a safety of ours; it means nothing once a file is open
MASK = 0x6D61736B6D61736B


class Step(NamedTuple):
    """A request of a stream. `write` is what the test writes to the descriptor that it gets, if it gets one."""

    op: Op
    fields: dict
    message: bytes
    label: str
    write: bytes = b""

    @property
    def path(self):
        """The object of the request: the name that is looked up, or the name that is made."""
        value = self.fields.get("path", self.fields.get("old", b""))
        return os.fsencode(value).split(b"\0")[0]


def step(op, write=b"", **fields):
    """A request as QEMU would send it."""
    return Step(op, fields, request(op, **fields), describe(op, fields), write)


def describe(op, fields):
    words = [f"{name}={brief(name, value)}" for name, value in fields.items()]
    return " ".join([op.name, *words])


def brief(name, value):
    if isinstance(value, int):
        return oct(value) if name in ("flags", "mode") else str(value)
    text = ascii(os.fsdecode(value))[1:-1]
    return text if len(text) <= 40 else f"{text[:30]}...({len(text)})"


class Reply(NamedTuple):
    """A reply: its bytes after masking, and what its descriptor is. `text` is the same, to read and to list."""

    masked: bytes
    descriptor: tuple
    text: str


class Side:
    """One of the two: a tree and a client of the helper that exports it."""

    def __init__(self, root, client):
        self.path = os.path.realpath(root)
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY)
        self.client = client

    def close(self):
        self.client.close()
        os.close(self.root)

    def lookup(self, path, follow=False):
        return trees.lookup(self.root, path, follow)

    def exchange(self, a_step):
        self.client.send_raw(a_step.message)
        if a_step.op in FD_REPLIES:
            return self._receive_descriptor(a_step)
        header = self.client.recv_exact(HEADER.size)
        type_, size = HEADER.unpack(header)
        payload = self.client.recv_exact(size)
        if a_step.op not in DATA_REPLIES or type_ != 0:
            status = struct.unpack("=i", payload)[0] if size == 4 else payload.hex()
            return Reply(header + payload, (), f"{type_} {name_of(status)}")
        return self._mask(a_step, header, payload)

    def _receive_descriptor(self, a_step):
        data, ancillary, _, _ = self.client.sock.recvmsg(4, 256, 0)
        descriptors = [fd for _, _, content in ancillary for fd in struct.unpack(f"={len(content) // 4}i", content)]
        try:
            facts = tuple(self._descriptor_facts(fd) for fd in descriptors)
            if a_step.write and descriptors:
                write_at_will(descriptors[0], a_step.write)
        finally:
            close_all(descriptors)
        (status,) = struct.unpack("=i", data)
        return descriptor_reply(facts, status)

    def _descriptor_facts(self, descriptor):
        # What is in a mount namespace of its own has its name from there.
        target = os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(self.path) or "/"
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~IGNORED_DESCRIPTOR_FLAGS
        return target, oct(flags)

    def _mask(self, a_step, header, payload):
        if a_step.op == Op.LSTAT and len(payload) == STAT.size:
            facts = mask_stat(Stat._make(STAT.unpack(payload)))
            payload = STAT.pack(*facts)
            return Reply(header + payload, (), f"0 {facts}")
        if a_step.op == Op.STATFS and len(payload) == STATFS.size:
            facts = Statfs._make(STATFS.unpack(payload))
            return reply_to_statfs(facts._replace(bfree=MASK, bavail=MASK, ffree=MASK))
        if a_step.op == Op.GETVERSION and len(payload) == 8:
            payload = self._mask_generation(a_step.path, payload)
        return Reply(header + payload, (), f"0 {payload[:60].hex()}{'...' if len(payload) > 60 else ''}")

    def _mask_generation(self, path, payload):
        low = struct.unpack_from("=I", payload)[0]
        if low != 0 and low == self.generation(path):
            return struct.pack("=I", MASK & 0xFFFFFFFF) + payload[4:]
        return payload

    def generation(self, path):
        """What the file system says the generation of `path` is, or None where it has none."""
        descriptor = trees.open_in_root(self.root, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return struct.unpack("=I", fcntl.ioctl(descriptor, FS_IOC_GETVERSION, bytes(8))[:4])[0]
        except OSError:
            return None
        finally:
            os.close(descriptor)


def descriptor_reply(facts, status=DESCRIPTOR_FOLLOWS):
    text = f"fd {facts}" if status == DESCRIPTOR_FOLLOWS else f"fd {name_of(status)}"
    return Reply(struct.pack("=i", status), facts, text)


def reply_to_statfs(facts):
    return Reply(HEADER.pack(0, STATFS.size) + STATFS.pack(*facts), (), f"0 {facts}")


def mask_stat(facts):
    """A stat without inode number and the clock's times."""
    masked = {"ino": MASK}
    for name in ("atime", "mtime", "ctime"):
        if getattr(facts, name) >= trees.NOW:
            masked[name], masked[f"{name}_nsec"] = MASK, MASK
    return facts._replace(**masked)


def name_of(status):
    """-ENOENT rather than -2."""
    if isinstance(status, int) and status < 0:
        return "-" + errno.errorcode.get(-status, str(-status))
    return str(status)


def write_at_will(descriptor, content):
    """Writes if the descriptor lets it: a directory or a read-only file is passed as well."""
    try:
        os.write(descriptor, content)
    except OSError:
        pass


def shown(label, **replies):
    """A request and its two replies, each with whose it is; of two long ones, the fields that differ."""
    fields = [reply.split(", ") for reply in replies.values()]
    if len({len(some) for some in fields}) == 1 < len(fields[0]):
        changed = [pair for pair in zip(*fields) if len(set(pair)) > 1]
        fields = zip(*changed)
    texts = [f"{name} {', '.join(some)}" for name, some in zip(replies, fields)]
    return f"{label}: {', '.join(texts)}"
