# SPDX-License-Identifier: MIT
"""The file systems that the comparison runs on.

Each is made for one test, and so is the same wherever that runs. It keeps no access times: looking at a tree from the
host would change them.
"""

import contextlib
import subprocess

from support import mounts

FILESYSTEMS = ("ext4", "tmpfs")
MEGABYTES = 64


@contextlib.contextmanager
def mounted(kind, directory):
    """An empty file system of `kind` on a new `directory`."""
    directory.mkdir(mode=0o755)
    if kind == "tmpfs":
        file_system = mounts.tmpfs(directory, f"noatime,mode=0755,size={MEGABYTES}m")
    else:
        file_system = mounts.ext4(directory, directory.with_suffix(".image"), MEGABYTES)
    with file_system:
        subprocess.run(["mount", "-o", "remount,noatime", str(directory)], check=True)
        yield directory
