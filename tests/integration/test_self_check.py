# SPDX-License-Identifier: MIT
"""The worker asks the kernel whether it is confined before it serves, and does not when it is not.

strace(1) has system calls of the way into the sandbox do nothing and succeed, as on a kernel that is not what it seems.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import pytest
from support.helper import OURS, wait_for

DIFFERS = "the worker is not confined as it should be: "
# The call that does nothing, an option, and what is found to be missing.
PRETENDED = {
    "capset": ("--sandbox=auto", DIFFERS + "capabilities effective"),
    "setgroups": ("--sandbox=auto", DIFFERS + "supplementary groups are left"),
    "pivot_root": ("--sandbox=namespace", "cannot confine the worker: part from the host's root"),
    "move_mount": ("--sandbox=namespace", "cannot confine the worker: "),
    "chroot": ("--sandbox=chroot", DIFFERS + "the root is not the export"),
    "close_range": ("--sandbox=auto", DIFFERS + "it holds a descriptor that it should not have"),
}


@contextlib.contextmanager
def started(export, name, option, *strace):
    """A helper under strace, with a few things that it should not keep; yields what it says once it has ended."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace")
    with open("/etc/passwd", "rb") as foreign, socket.socket() as other:
        expressions = [part for expression in strace for part in ("-e", expression)]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", *expressions]
        command += [OURS, "--nodaemon", "--path", export, "--socket", name, option]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            extra_groups=(4, 100), pass_fds=(foreign.fileno(), other.fileno()), start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("call", PRETENDED)
def test_confinement_that_only_seems_to_be_is_noticed(export, run_directory, call):
    option, missing = PRETENDED[call]
    with started(export, run_directory / "s", option, f"trace={call}", f"inject={call}:retval=0") as process:
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 1, said
    assert missing in said, said
    assert ("refusing to serve" in said) == missing.startswith(DIFFERS), said
    assert not (run_directory / "s").exists(), "nobody could ever connect"


def test_who_is_confined_serves(export, run_directory):
    """Under strace, too, or the test above would show nothing."""
    with started(export, run_directory / "s", "--sandbox=auto", "trace=none") as process:
        wait_for((run_directory / "s").exists, what="the socket")
        assert process.poll() is None
