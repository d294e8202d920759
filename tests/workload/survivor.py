# SPDX-License-Identifier: MIT
"""A client that never hangs up, and for which a request may fail with EIO when a worker was killed meanwhile."""

import errno
import os
import time

from support.helper import wait_for
from workload.compare import compare
from workload.guest import Guest
from workload.operations import Mismatch

PATIENCE = 120.0  # seconds for an answer, and for what a killed process has yet to finish: machines may be busy


class Survivor(Guest):
    """Counts the requests that were answered, as everybody does, and notes those that failed.

    root    its subtree on the host
    killed  the ids of processes that were killed, in memory that it shares with who kills; None: no EIO is allowed
    """

    def __init__(self, socket, number, seed, shared, facts, root, killed):
        super().__init__(socket, number, seed, shared, facts)
        self.root = root
        self.killed = killed
        self.sent = 0
        self.began = None
        self.failures = []  # when they were sent, and when they were answered

    def come(self):
        self.connect()
        self.client.sock.settimeout(PATIENCE)

    def begin(self):
        self.turns += 1
        self.step = self.guarded(self.operations.next)
        self.began = time.monotonic()
        self.guarded(lambda: self.client.send_raw(self.step.bytes()))
        self.sent += 1

    def take_error(self, error):
        if error != errno.EIO or self.killed is None:
            super().take_error(error)
            return
        self.failures.append((self.began, time.monotonic()))
        self.take_what_is_found()

    def take_what_is_found(self):
        """It has taken effect or not; but that is known by now, and there is nothing between the two."""
        wait_for(lambda: not any(map(exists, self.killed)), PATIENCE, "the end of what was killed")
        if self.is_as_modelled():
            self.counts["without effect"] += 1
            return
        if not self.step.error:
            self.step.change()
        compare(self.root, self.tree.root)
        self.counts["with effect"] += 1

    def is_as_modelled(self):
        """Comparing notes inode numbers that were not known, which would be of other objects where it is not."""
        unknown = [node for node in nodes(self.tree.root) if node.ino is None]
        try:
            compare(self.root, self.tree.root)
        except Mismatch:
            for node in unknown:
                node.ino = None
            return False
        return True

    def look_at_the_end(self):
        """Nothing has come that was not asked for."""
        self.client.lstat("/")
        self.client.sock.setblocking(False)
        try:
            left = self.client.sock.recv(1)
        except BlockingIOError:
            return
        raise Mismatch(f"more than was asked for: {left!r}")


def exists(pid):
    return pid > 0 and os.path.exists(f"/proc/{pid}")


def nodes(node):
    yield node
    for child in node.children.values():
        yield from nodes(child)
