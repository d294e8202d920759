# SPDX-License-Identifier: MIT
"""Has the worker of a helper that was built for it die at a place on a request's way: include/common/fault.h."""

import mmap
import os
import pathlib
import struct
import subprocess

from .helper import OURS, Helper

FAULTY = os.environ.get("VIRTFS_PROXY_HELPER_FAULTS", str(pathlib.Path(OURS).parent / "virtfs-proxy-helper-faults"))
ORDER = struct.Struct("=III")  # point, passings, deaths


def points():
    """The names of all places, in the order in which a request passes them."""
    done = subprocess.run([FAULTY, "--fault-points"], capture_output=True, text=True, check=True)
    return done.stdout.split()


class Fault:
    """The order that a helper's workers look at."""

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.write(bytes(ORDER.size))
            file.flush()
            self._map = mmap.mmap(file.fileno(), ORDER.size)
        self._numbers = {name: 1 + number for number, name in enumerate(points())}

    def deaths(self):
        return ORDER.unpack(self._map)[2]

    def order(self, point, passing=1):
        """From now on: a death at that passing of the point."""
        self._map[:8] = struct.pack("=II", 0, passing)
        self._map[:4] = struct.pack("=I", self._numbers[point])

    def withdraw(self):
        self._map[:4] = bytes(4)

    def helper(self, export, *args):
        """One that looks at it. It must be able to kill itself, and so is in no PID namespace."""
        return Helper(
            export,
            args=("--sandbox", "chroot", "--crash-limit", "1000/1", *args),
            binary=FAULTY,
            env={"VIRTFS_PROXY_FAULT": str(self.path)},
        )
