# SPDX-License-Identifier: MIT
"""What the helper's processes hold: memory and descriptors."""

import collections
import pathlib
import re

from support.helper import open_files


def memory(pid):
    """Proportional set size, bytes."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Pss: +(\d+) kB$", rollup, re.MULTILINE).group(1)) << 10


def descriptors(pid):
    """How many of each kind."""
    kinds = (re.sub(r":\[\d+\]$", "", target) for target in open_files(pid))
    return dict(collections.Counter(kinds))


def measure(pids):
    """Both, for processes by name."""
    return {name: (memory(pid), descriptors(pid)) for name, pid in pids.items()}
