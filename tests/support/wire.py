# SPDX-License-Identifier: MIT
"""The virtfs proxy protocol in Python, written from its description and not from the C code.

Requests are built by `encode` (payload) and `request` (header and payload); `Client` speaks to a helper over a
connected socket and checks the exact form of every reply: a reply that QEMU would abort on, or misread, raises
`MalformedReply`. Integers are in the host's byte order, without padding.
"""

import array
import enum
import os
import socket
import struct
from typing import NamedTuple

MAX_PAYLOAD = 65536
HEADER = struct.Struct("=II")
SUCCESS, ERROR = 0, 1
DESCRIPTOR_FOLLOWS = 0x7FFFFFFF
DEFAULT_TIMEOUT = 10.0


class Op(enum.IntEnum):
    """The twenty operations, with their types on the wire."""

    OPEN = 2
    CREATE = 3
    MKNOD = 4
    MKDIR = 5
    SYMLINK = 6
    LINK = 7
    LSTAT = 8
    READLINK = 9
    STATFS = 10
    CHMOD = 11
    CHOWN = 12
    TRUNCATE = 13
    UTIME = 14
    RENAME = 15
    REMOVE = 16
    LGETXATTR = 17
    LLISTXATTR = 18
    LSETXATTR = 19
    LREMOVEXATTR = 20
    GETVERSION = 21


# Field kinds: d and q are integers, s a string, z a string whose terminating NUL QEMU counts in, b binary.
FIELDS = {
    Op.OPEN: (("path", "z"), ("flags", "d")),
    Op.CREATE: (("path", "s"), ("flags", "d"), ("mode", "d"), ("uid", "d"), ("gid", "d")),
    Op.MKNOD: (("uid", "d"), ("gid", "d"), ("path", "s"), ("mode", "d"), ("rdev", "q")),
    Op.MKDIR: (("uid", "d"), ("gid", "d"), ("path", "s"), ("mode", "d")),
    Op.SYMLINK: (("uid", "d"), ("gid", "d"), ("target", "s"), ("path", "s")),
    Op.LINK: (("old", "z"), ("new", "s")),
    Op.LSTAT: (("path", "z"),),
    Op.READLINK: (("path", "z"), ("size", "d")),
    Op.STATFS: (("path", "z"),),
    Op.CHMOD: (("path", "z"), ("mode", "d")),
    Op.CHOWN: (("path", "z"), ("uid", "d"), ("gid", "d")),
    Op.TRUNCATE: (("path", "z"), ("length", "q")),
    Op.UTIME: (("path", "z"), ("atime", "q"), ("atime_nsec", "q"), ("mtime", "q"), ("mtime_nsec", "q")),
    Op.RENAME: (("old", "s"), ("new", "s")),
    Op.REMOVE: (("path", "s"),),
    Op.LGETXATTR: (("size", "d"), ("path", "z"), ("name", "s")),
    Op.LLISTXATTR: (("size", "d"), ("path", "z")),
    Op.LSETXATTR: (("path", "z"), ("name", "s"), ("value", "b"), ("size", "d"), ("flags", "d")),
    Op.LREMOVEXATTR: (("path", "z"), ("name", "s")),
    Op.GETVERSION: (("path", "z"),),
}

FD_REPLIES = frozenset({Op.OPEN, Op.CREATE})
DATA_REPLIES = frozenset({Op.LSTAT, Op.READLINK, Op.STATFS, Op.LGETXATTR, Op.LLISTXATTR, Op.GETVERSION})
STATUS_REPLIES = frozenset(Op) - FD_REPLIES - DATA_REPLIES


class Raw(bytes):
    """Bytes that stand for a field as they are: no length is put before them, no NUL after them."""


class RemoteError(OSError):
    """The helper answered with an errno, in the right form."""


class MalformedReply(Exception):
    """The helper answered in a form that QEMU would not survive, or would misread."""


class EndOfFile(EOFError):
    """The helper closed the connection cleanly where a reply was due. QEMU takes this for success in an OPEN."""


class Stat(NamedTuple):
    """The payload of an LSTAT reply."""

    dev: int
    ino: int
    nlink: int
    mode: int
    uid: int
    gid: int
    rdev: int
    size: int
    blksize: int
    blocks: int
    atime: int
    atime_nsec: int
    mtime: int
    mtime_nsec: int
    ctime: int
    ctime_nsec: int


class Statfs(NamedTuple):
    """The payload of a STATFS reply."""

    type: int
    bsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int
    fsid0: int
    fsid1: int
    namelen: int
    frsize: int


STAT = struct.Struct("=QQQIIIQQQQqqqqqq")
STATFS = struct.Struct("=11Q")


def string(value, nul=False):
    """A counted string; str is encoded as the file system would."""
    if isinstance(value, Raw):
        return bytes(value)
    data = os.fsencode(value) + (b"\0" if nul else b"")
    return struct.pack("=H", len(data)) + data


def _field(kind, value, nul):
    if isinstance(value, Raw):
        return bytes(value)
    if kind == "d":
        return struct.pack("=I", value & 0xFFFFFFFF)
    if kind == "q":
        return struct.pack("=Q", value & 0xFFFFFFFFFFFFFFFF)
    if kind == "b":
        return string(value)
    return string(value, kind == "z" if nul is None else nul)


def encode(op, *, nul=None, **fields):
    """The payload of a request.

    `nul` says whether paths and names count their terminating NUL: None as QEMU does, True always, False never.
    Strings may be str or bytes, and any field may be `Raw`, so that a payload can be wrong in any way wanted.
    """
    layout = FIELDS[op]
    unknown = fields.keys() ^ {name for name, _ in layout}
    if unknown:
        raise TypeError(f"{op.name}: missing or unknown fields {sorted(unknown)}")
    return b"".join(_field(kind, fields[name], nul) for name, kind in layout)


def message(type_, payload, size=None):
    """A header and a payload; `size` overrides the honest size."""
    return HEADER.pack(type_ & 0xFFFFFFFF, len(payload) if size is None else size & 0xFFFFFFFF) + payload


def request(op, *, nul=None, **fields):
    """A whole request."""
    return message(op, encode(op, nul=nul, **fields))


def decode_string(payload):
    """The content of a payload that is exactly one counted string."""
    if len(payload) < 2:
        raise MalformedReply(f"a string reply of {len(payload)} bytes has no length")
    (length,) = struct.unpack_from("=H", payload)
    if length != len(payload) - 2:
        raise MalformedReply(f"a string of {length} bytes in a payload of {len(payload)}")
    return payload[2:]


class Client:
    """One connection to a helper. Usable as a context manager; owns the socket."""

    def __init__(self, sock, timeout=DEFAULT_TIMEOUT):
        self.sock = sock
        self.sock.settimeout(timeout)

    @classmethod
    def connect(cls, path, timeout=DEFAULT_TIMEOUT):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(os.fspath(path))
        except BaseException:
            sock.close()
            raise
        return cls(sock, timeout)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Raw input and output

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, op, *, nul=None, **fields):
        self.send_raw(request(op, nul=nul, **fields))

    def receive(self, count):
        """At most `count` bytes and the descriptors that came with them, which are close-on-exec."""
        data, ancillary, flags, _ = self.sock.recvmsg(count, socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC)
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        if flags & socket.MSG_CTRUNC:
            close_all(descriptors)
            raise MalformedReply("more descriptors than anyone asked for")
        if not data:
            close_all(descriptors)
            raise EndOfFile("end of file instead of a reply")
        return data, list(descriptors)

    def recv_exact(self, count):
        """`count` bytes that carry no descriptor."""
        data = b""
        while len(data) < count:
            more, descriptors = self.receive(count - len(data))
            if descriptors:
                close_all(descriptors)
                raise MalformedReply("a descriptor with a reply that has none")
            data += more
        return data

    def expect_reset(self):
        """Waits until the helper has cut this connection: ECONNRESET, and never a byte or an end of file."""
        try:
            data, descriptors = self.receive(1)
        except ConnectionResetError:
            return
        close_all(descriptors)
        raise MalformedReply(f"expected a reset, read {data!r}")

    # The three forms of a reply

    def recv_reply_raw(self):
        """A status or data reply as it came: (type, payload)."""
        type_, size = HEADER.unpack(self.recv_exact(HEADER.size))
        if type_ not in (SUCCESS, ERROR) or size > MAX_PAYLOAD:
            raise MalformedReply(f"reply header: type {type_}, size {size}")
        return type_, self.recv_exact(size)

    def recv_status(self):
        """The 12 bytes of a status reply; raises RemoteError unless the status is 0."""
        type_, payload = self.recv_reply_raw()
        if len(payload) != 4:
            raise MalformedReply(f"a status reply with a payload of {len(payload)} bytes")
        (status,) = struct.unpack("=i", payload)
        if status > 0 or (type_ == ERROR) != (status < 0):
            raise MalformedReply(f"status {status} in a reply of type {type_}")
        if status < 0:
            raise RemoteError(-status, os.strerror(-status))

    def recv_data(self):
        """The payload of a data reply; raises RemoteError when it is an error."""
        type_, payload = self.recv_reply_raw()
        if type_ == SUCCESS:
            return payload
        if len(payload) != 4:
            raise MalformedReply(f"an error reply with a payload of {len(payload)} bytes")
        (status,) = struct.unpack("=i", payload)
        if status >= 0:
            raise MalformedReply(f"an error reply with status {status}")
        raise RemoteError(-status, os.strerror(-status))

    def recv_fd(self):
        """The descriptor of an fd reply: one int and one descriptor in one piece; raises RemoteError for -errno."""
        data, descriptors = self.receive(4)
        try:
            if len(data) != 4:
                raise MalformedReply(f"an fd reply in pieces: {data!r}")
            (status,) = struct.unpack("=i", data)
            if status == DESCRIPTOR_FOLLOWS:
                if len(descriptors) != 1:
                    raise MalformedReply(f"{len(descriptors)} descriptors with an fd reply")
                return descriptors.pop()
            if status >= 0 or descriptors:
                raise MalformedReply(f"fd reply {status} with {len(descriptors)} descriptors")
            raise RemoteError(-status, os.strerror(-status))
        finally:
            close_all(descriptors)

    def recv(self, op):
        """The reply to `op`, in its form: a descriptor, a payload, or None."""
        if op in FD_REPLIES:
            return self.recv_fd()
        if op in DATA_REPLIES:
            return self.recv_data()
        return self.recv_status()

    def call(self, op, *, nul=None, **fields):
        self.send(op, nul=nul, **fields)
        return self.recv(op)

    # One method an operation, as QEMU sends it

    def open(self, path, flags=os.O_RDONLY):
        return self.call(Op.OPEN, path=path, flags=flags)

    def create(self, path, flags=os.O_CREAT | os.O_RDWR, mode=0o644, uid=0, gid=0):
        """QEMU sends O_CREAT itself, and upstream does not add it: a caller's own flags should have it too."""
        return self.call(Op.CREATE, path=path, flags=flags, mode=mode, uid=uid, gid=gid)

    def mknod(self, path, mode, rdev=0, uid=0, gid=0):
        self.call(Op.MKNOD, uid=uid, gid=gid, path=path, mode=mode, rdev=rdev)

    def mkdir(self, path, mode=0o755, uid=0, gid=0):
        self.call(Op.MKDIR, uid=uid, gid=gid, path=path, mode=mode)

    def symlink(self, target, path, uid=0, gid=0):
        self.call(Op.SYMLINK, uid=uid, gid=gid, target=target, path=path)

    def link(self, old, new):
        self.call(Op.LINK, old=old, new=new)

    def lstat(self, path):
        return decode(Stat, STAT, self.call(Op.LSTAT, path=path))

    def readlink(self, path, size=4096):
        return decode_string(self.call(Op.READLINK, path=path, size=size))

    def statfs(self, path):
        return decode(Statfs, STATFS, self.call(Op.STATFS, path=path))

    def chmod(self, path, mode):
        self.call(Op.CHMOD, path=path, mode=mode)

    def chown(self, path, uid=-1, gid=-1):
        self.call(Op.CHOWN, path=path, uid=uid, gid=gid)

    def truncate(self, path, length):
        self.call(Op.TRUNCATE, path=path, length=length)

    def utime(self, path, atime, atime_nsec, mtime, mtime_nsec):
        self.call(Op.UTIME, path=path, atime=atime, atime_nsec=atime_nsec, mtime=mtime, mtime_nsec=mtime_nsec)

    def rename(self, old, new):
        self.call(Op.RENAME, old=old, new=new)

    def remove(self, path):
        self.call(Op.REMOVE, path=path)

    def lgetxattr(self, path, name, size=MAX_PAYLOAD):
        """The value, or with size 0 its length."""
        return sized(size, self.call(Op.LGETXATTR, size=size, path=path, name=name))

    def llistxattr(self, path, size=MAX_PAYLOAD):
        """The names, each ended by a NUL, or with size 0 their length."""
        return sized(size, self.call(Op.LLISTXATTR, size=size, path=path))

    def lsetxattr(self, path, name, value, size=None, flags=0):
        size = len(value) if size is None else size
        self.call(Op.LSETXATTR, path=path, name=name, value=value, size=size, flags=flags)

    def lremovexattr(self, path, name):
        self.call(Op.LREMOVEXATTR, path=path, name=name)

    def getversion(self, path):
        payload = self.call(Op.GETVERSION, path=path)
        if len(payload) != 8:
            raise MalformedReply(f"a generation of {len(payload)} bytes")
        return struct.unpack("=Q", payload)[0]


def decode(kind, layout, payload):
    """A fixed payload as a named tuple."""
    if len(payload) != layout.size:
        raise MalformedReply(f"{kind.__name__} of {len(payload)} bytes instead of {layout.size}")
    return kind._make(layout.unpack(payload))


def sized(size, payload):
    """The payload of an xattr get or list: a bare length for size 0, otherwise a string of at most `size` bytes."""
    if size == 0:
        if len(payload) != 4:
            raise MalformedReply(f"a length of {len(payload)} bytes")
        return struct.unpack("=I", payload)[0]
    value = decode_string(payload)
    if len(value) > size & 0xFFFFFFFF:
        raise MalformedReply(f"{len(value)} bytes for a buffer of {size}: QEMU would overrun it")
    return value


def close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
