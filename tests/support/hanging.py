# SPDX-License-Identifier: MIT
"""A file system on which everything but its root directory hangs, as on a server that is gone.

It speaks FUSE itself, over /dev/fuse: the handshake and the root's attributes, which the kernel then remembers for
ever, and after that it reads nothing any more. A request that nobody reads ends with the process that made it, so
that killing works here, unlike on a frozen ext4 (mounts.frozen).
"""

import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import threading
import time

import pytest

LOOKUP, FORGET, GETATTR, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 26, 36, 42
WITHOUT_REPLY = (FORGET, INTERRUPT, BATCH_FORGET)
MNT_DETACH = 2

REQUEST = struct.Struct("=IIQ")  # length, opcode, unique; the rest does not matter
REPLY = struct.Struct("=IiQ")  # length, -errno, unique
INIT_REPLY = struct.Struct("=IIIIHHII36x")  # major, minor, readahead, flags, two limits, write size, time granularity
ROOT_ATTRIBUTES = struct.Struct("=Q8xQ40x12xII20x")  # valid for, inode, mode, links; sizes, times and owner are 0

FOR_EVER = 1 << 32  # seconds
ROOM = 1 << 20  # bytes, for a request


class HangingFileSystem:
    """Mounted on `path` as long as the block lasts. A look at any name in it hangs until `release`."""

    def __init__(self, path):
        self._path = os.fsencode(path)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._device = -1
        self._answering = None
        self._closing = False
        self._delay = 0.0

    def __enter__(self):
        try:
            self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            pytest.skip(f"no FUSE here: {error}")
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        if self._libc.mount(b"hanging", self._path, b"fuse", 0, options.encode()) != 0:
            os.close(self._device)
            pytest.skip(f"cannot mount FUSE here: {os.strerror(ctypes.get_errno())}")
        self._introduce()
        return self

    def __exit__(self, *_):
        """Whatever still hangs fails then. A worker may be in here yet: the mount goes when that does."""
        self._closing = True
        if self._answering:
            self._answering.join()
        os.close(self._device)
        self._libc.umount2(self._path, MNT_DETACH)

    def release(self, delay=0.0):
        """From now on names are looked up, and none exists. Each answer takes so many seconds."""
        self._delay = delay
        self._answering = threading.Thread(target=self._answer_all)
        self._answering.start()

    def _introduce(self):
        """The handshake, and the attributes for whoever looks first: another process, because this one answers."""
        with subprocess.Popen(["stat", self._path], stdout=subprocess.DEVNULL):
            while self._answer() != GETATTR:
                pass

    def _answer_all(self):
        while not self._closing:
            if select.select([self._device], [], [], 0.02)[0]:
                self._answer()

    def _answer(self):
        _, opcode, unique = REQUEST.unpack_from(os.read(self._device, ROOM))
        status, payload = -errno.ENOSYS, b""
        if opcode == INIT:
            status, payload = 0, INIT_REPLY.pack(7, 31, 0, 0, 16, 12, 4096, 1)
        elif opcode == GETATTR:
            status, payload = 0, ROOT_ATTRIBUTES.pack(FOR_EVER, 1, stat.S_IFDIR | 0o755, 2)
        elif opcode == LOOKUP:
            time.sleep(self._delay)
            status = -errno.ENOENT
        if opcode not in WITHOUT_REPLY:
            os.write(self._device, REPLY.pack(REPLY.size + len(payload), status, unique) + payload)
        return opcode
