# SPDX-License-Identifier: MIT
"""Tells whether a name in a directory was removed and came back, however short the time between."""

import ctypes
import os
import select
import struct
import time

IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
APPEARED, DISAPPEARED = IN_MOVED_TO | IN_CREATE, IN_MOVED_FROM | IN_DELETE
EVENT = struct.Struct("iIII")


class NameWatch:
    """Watches the name `path` from its construction on, with inotify: polling would miss what a helper repairs at once."""

    def __init__(self, path):
        directory, self._name = os.path.split(os.fsencode(path))
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        mask = APPEARED | DISAPPEARED
        if self._fd < 0 or libc.inotify_add_watch(self._fd, directory, mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._changes = []

    def wait_for(self, count, timeout):
        """Waits for so many changes of the name, or `timeout` seconds; returns those so far, each "gone" or "back"."""
        deadline = time.monotonic() + timeout
        while len(self._changes) < count and time.monotonic() < deadline:
            select.select([self._fd], [], [], 0.1)
            self._collect()
        return tuple(self._changes)

    def _collect(self):
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        while data:
            _, mask, _, length = EVENT.unpack_from(data)
            name = data[EVENT.size : EVENT.size + length].rstrip(b"\0")
            if name == self._name:
                self._changes.append("back" if mask & APPEARED else "gone")
            data = data[EVENT.size + length :]

    def close(self):
        os.close(self._fd)
