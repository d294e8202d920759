# SPDX-License-Identifier: MIT
"""Hostile messages by the hundred thousand, while others work: nobody else may notice, nothing may leak or crash.

VPH_STRESS=full makes it a million. The seed is printed, and VPH_STRESS_SEED repeats it.
"""

import os
import pathlib
import random
import socket
import subprocess

import pytest
from support.helper import open_files, wait_for
from support.mounts import tmpfs

WIRE_FUZZER = os.environ.get("WIRE_FUZZER", "")
MESSAGES = 1_000_000 if os.environ.get("VPH_STRESS") == "full" else 100_000
SEED = int(os.environ.get("VPH_STRESS_SEED") or random.randrange(1 << 32))
STUCK = 900  # seconds, after which it is certain that somebody waits for ever


@pytest.fixture
def place(tmp_path):
    """A file system of its own, bounded, whose devices are dead: the export, and beside it what nobody may touch."""
    (tmp_path / "place").mkdir()
    with tmpfs(tmp_path / "place", "mode=0755,nodev,size=256m,nr_inodes=1m") as path:
        yield path


@pytest.fixture
def export(place):
    path = place / "export"
    (path / "dir/deep/er").mkdir(parents=True)
    for name in ("file", "dir/file"):
        (path / name).write_text("content")
    for name, target in {
        "link": "file",
        "out": "../canary",
        "up": "..",
        "dangling": "nowhere",
        "loop": "loop",
    }.items():
        (path / name).symlink_to(target)
    os.mkfifo(path / "fifo")
    os.mknod(path / "device", 0o020666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as name:
        name.bind(str(path / "socket"))
    return path


@pytest.fixture
def canary(place):
    """A small tree beside the export."""
    path = place / "canary"
    (path / "below").mkdir(parents=True)
    (path / "secret").write_text("nobody reads this")
    (path / "below/deep").write_text("nor this")
    (path / "link").symlink_to("secret")
    return path


def state(path):
    """All that a request may change; the time of the last access is no change."""
    seen = path.lstat()
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    attributes = os.listxattr(path, follow_symlinks=False)
    owner = (seen.st_mode, seen.st_uid, seen.st_gid)
    return seen.st_ino, owner, seen.st_nlink, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, content, attributes


def snapshot(canary):
    outside = [canary.parent, canary, *sorted(canary.rglob("*")), pathlib.Path("/etc"), pathlib.Path("/etc/passwd")]
    return {str(path): state(path) for path in outside}


def descriptors(helper):
    """What each process of the helper holds but for what a reactor has of its own, which stays."""
    return [
        sorted(target.split(":")[0] for target in open_files(pid) if not target.startswith(("anon_inode:", "pipe:")))
        for pid in [helper.pid, *helper.children()]
    ]


def test_hostile_messages_disturb_nobody(canary, helper):
    before, held, children = snapshot(canary), descriptors(helper), helper.children()
    assert len(children) == 1
    print(f"seed {SEED}")

    command = [WIRE_FUZZER, helper.socket, str(MESSAGES), str(SEED), str(canary / "secret")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=STUCK, check=False)
    print(done.stdout)
    assert done.returncode == 0, f"seed {SEED}: {done.stderr}\n{helper.log()[-5000:]}"

    assert helper.children() == children, f"seed {SEED}: the worker has died\n{helper.log()[-5000:]}"
    assert snapshot(canary) == before, f"seed {SEED}"
    wait_for(lambda: descriptors(helper) == held, what=f"seed {SEED}: {held} again")
