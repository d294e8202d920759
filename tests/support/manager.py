# SPDX-License-Identifier: MIT
"""A stand-in for a service manager: the socket that sd_notify(3) writes to."""

import contextlib
import os
import pathlib
import socket

TIMEOUT = 15.0
NO_TIMEOUT = 0xFFFFFFFF  # epoll_wait(2), as an unsigned number


class Manager:
    """Listens for notifications on a socket in `directory`; .environment is for whom it starts."""

    def __init__(self, directory):
        self._path = str(directory / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        self._socket.settimeout(TIMEOUT)
        self.environment = {"NOTIFY_SOCKET": self._path}

    def receive(self):
        """The next notification, as a dictionary."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def pending(self):
        """All notifications that have arrived."""
        self._socket.setblocking(False)
        received = []
        with contextlib.suppress(BlockingIOError):
            while True:
                received.append(self.receive())
        self._socket.settimeout(TIMEOUT)
        return received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


def sleeps_until_something_happens(pid):
    """Whether the process waits for events without a time limit: no timer will wake it."""
    fields = pathlib.Path(f"/proc/{pid}/syscall").read_text().split()
    if fields[0] not in {str(number) for number in EPOLL_WAITS.get(os.uname().machine, ())}:
        return False
    return int(fields[4], 16) & 0xFFFFFFFF == NO_TIMEOUT


# epoll_wait and epoll_pwait: libevent's kernel side
EPOLL_WAITS = {"x86_64": (232, 281), "aarch64": (22,)}
