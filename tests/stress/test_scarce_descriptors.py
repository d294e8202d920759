# SPDX-License-Identifier: MIT
"""256 clients open files as fast as they can while the helper has few descriptors: every reply is a descriptor or says
that there is none, nothing dies, and nothing leaks.

Five seconds, or a minute with VPH_STRESS=full:

    VPH_STRESS=full meson test -C build --suite stress --verbose
"""

import os
import subprocess

import pytest
from support.helper import ROOT, open_files, wait_for

SCARCE = os.environ.get("STRESS_SCARCE", str(ROOT / "build/tests/stress/scarce"))
SECONDS = 60.0 if os.environ.get("VPH_STRESS") == "full" else 5.0
CLIENTS = 256

# What the helper itself takes for so many clients and threads: a little less, and it would not serve all of them.
THREADS = 4
ROOM = 24 + CLIENTS + 7 * THREADS


@pytest.fixture
def helper_arguments():
    return ("--max-clients", str(CLIENTS), "--threads", str(THREADS), "--rlimit-nofile", str(ROOM))


def held(helper):
    """What both processes hold, by process id."""
    return {pid: sorted(open_files(pid)) for pid in (helper.pid, *helper.children())}


def sockets(helper):
    return [target for targets in held(helper).values() for target in targets if target.startswith("socket:")]


@pytest.fixture
def warm_helper(helper):
    """Each of its threads is there: they start as they are needed, and stay."""
    before = sockets(helper)
    # Without a timeout, connect(2) waits for room in the helper's queue.
    clients = [helper.connect(timeout=None) for _ in range(CLIENTS)]
    for client in clients:
        client.lstat("/")
    for client in clients:
        client.close()
    wait_for(lambda: sockets(helper) == before, what="the clients' end")
    return helper


def run_load(helper, capfd):
    """The counts that the load prints, which are shown also when all is well."""
    command = [SCARCE, "-s", helper.socket, "-c", str(CLIENTS), "-t", str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 120, check=False)
    with capfd.disabled():
        print(f"\n{SECONDS:g} s, {CLIENTS} clients: {done.stdout}{done.stderr}", end="", flush=True)
    assert done.returncode == 0, done.stderr
    return {name: int(count) for name, count in (word.split("=") for word in done.stdout.split())}


def test_every_reply_is_a_descriptor_or_says_that_there_is_none(warm_helper, capfd):
    before = held(warm_helper)
    counts = run_load(warm_helper, capfd)
    assert counts["descriptors"] > 0
    assert counts["EMFILE"] > 0, "descriptors were not scarce"
    assert counts["ETOOMANYREFS"] > 0, "there was always room in the sockets"
    # By process id: whoever died was replaced by another.
    wait_for(lambda: held(warm_helper) == before, what="the descriptors from before")
    assert "cut" not in warm_helper.log()
