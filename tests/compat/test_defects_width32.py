# SPDX-License-Identifier: MIT
"""The defect of upstream that only 32-bit hosts see, and that our own 32-bit build is as good as the other."""

import contextlib
import os
import re
import select
import shutil
import struct
import warnings

import pytest
from support import mounts
from support.helper import OURS, Helper
from support.wire import Op

from . import trees
from .defects import defect, judge, parametrize
from .exchange import Side, shown
from .filesystems import mounted
from .fixed_stream import fixed_stream
from .implementations import family, is_stuck
from .width32 import kernel_runs_it, prepare

CHECKS = []
ATIME, MTIME = (1000, 1), (2000, 2)
BEYOND = 0x41414141

KERNEL_RUNS_IT = kernel_runs_it()
if not KERNEL_RUNS_IT:
    warnings.warn("this kernel runs no 32-bit programs: they are compiled, not tried", stacklevel=1)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Our helper and upstream's as 32-bit programs, by name."""
    directory = tmp_path_factory.mktemp("width32")
    yield {made.name: made for made in prepare(directory)}
    shutil.rmtree(directory)  # pytest would keep the last three, and a system is large


@defect(CHECKS, "17-utime-overruns-stack", AssertionError, "beyond the array")
def check_utime(implementation, tmp_path):
    """Defect 17: on a 32-bit host, UTIME decodes four 64-bit numbers into an array of 32-bit ones, one after another.

    The upper half of the last goes four bytes beyond the array. Looked for on the stack while utimensat(2) hangs, on a
    file system that is frozen; unless the request is refused first, because such a number is out of range.
    """
    export = tmp_path / "export"
    export.mkdir()
    with mounts.ext4(export, tmp_path / "image"):
        (export / "file").touch()
        with implementation.serve(export) as (helper, client), mounts.frozen(export):
            nsec = BEYOND << 32 | MTIME[1]
            times = {"atime": ATIME[0], "atime_nsec": ATIME[1], "mtime": MTIME[0], "mtime_nsec": nsec}
            client.send(Op.UTIME, path="//file", **times)
            wait_for_answer_or_hang(helper, client)
            overrun = any(holds_overrun(pid) for pid in family(helper.pid))
            assert not overrun, "the number's upper half is beyond the array"
            with pytest.raises(OSError, match="Invalid argument"):
                client.recv_status()


def wait_for_answer_or_hang(helper, client):
    while not select.select([client.sock], [], [], 0.01)[0] and not is_stuck(helper):
        assert helper.poll() is None


def holds_overrun(pid):
    """Whether a thread's stack has the array of times, and behind it what does not fit into it."""
    array = struct.pack("=iiii", *ATIME, *MTIME)
    return any(array + struct.pack("=I", BEYOND) in stack for stack in writable_memory(pid))


def writable_memory(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match:
                start, end = (int(number, 16) for number in match.groups())
                memory.seek(start)
                with contextlib.suppress(OSError):
                    yield memory.read(end - start)


def needs_a_kernel_that_runs_it(test):
    """On any other there is nothing to test but that our helper can be compiled."""
    return test if KERNEL_RUNS_IT else None


def test_our_helper_is_compiled_for_it(narrow):
    assert os.access(narrow["ours"].binary, os.X_OK)


@needs_a_kernel_that_runs_it
@parametrize(CHECKS)
def test_defect(a_defect, implementation, narrow, tmp_path):
    judge(a_defect, narrow[implementation.name], tmp_path)


@needs_a_kernel_that_runs_it
def test_our_32_bit_build_answers_as_the_64_bit_one(narrow, tmp_path):
    """The fixed stream of the comparison, through both builds of ours: every reply is the same."""
    with mounted("tmpfs", tmp_path / "volume") as volume, contextlib.ExitStack() as stack:
        sides = []
        for binary in (OURS, narrow["ours"].binary):
            root = volume / str(len(sides))
            root.mkdir(mode=0o755)
            trees.build(root, large=True)
            helper = stack.enter_context(Helper(root, binary=binary))
            sides.append(Side(root, helper.connect()))
            stack.callback(sides[-1].close)
        wrong = []
        for step in fixed_stream("tmpfs"):
            wide, small = (side.exchange(step) for side in sides)
            if wide != small:
                wrong.append(shown(step.label, wide=wide.text, narrow=small.text))
        assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:20])
        assert not trees.compare(*(trees.snapshot(side.path) for side in sides))
