# SPDX-License-Identifier: MIT
"""Random operations have the same results as in a local directory. VPH_MOUNT_SEED repeats a seed that failed."""

import os
import random
import shutil

import pytest

from support.fuse import FULL
from support.helper import ROOT

SECONDS = 120 if FULL else 4
SEED = int(os.environ.get("VPH_MOUNT_SEED") or random.randrange(1 << 32))
USER = 65534
OFFSET = 100000  # between the ids of the mount and those of the files, in "mapped"


@pytest.mark.parametrize(
    "helper, mount, user, offset",
    [
        ((), (), USER, 0),
        ((), ("--no-direct",), USER, 0),
        ((), ("--cache=auto",), USER, 0),
        (("--idmap", f"both:0:{OFFSET}:65536"), (), USER, OFFSET),
        ((), (), None, 0),
    ],
    ids=["plain", "asked", "cached", "mapped", "root"],
)
def test_same_as_local(start_site, helper, mount, user, offset):
    print(f"VPH_MOUNT_SEED={SEED}")
    site = start_site(helper, mount, user)
    local = site.export.parent / "local"
    model = shutil.copy(ROOT / "tests/mount/model.py", site.export.parent)
    for path, owner in (local, user or 0), (site.export / "tree", (user or 0) + offset):
        path.mkdir()
        os.chown(path, owner, owner)
    done = site.run("/usr/bin/python3", model, "tree", local, SEED, SECONDS)
    count = int(done.split()[0])
    print(count, "operations")
    assert count > 100 * SECONDS
    owners = {path.lstat().st_uid for path in (site.export / "tree").rglob("*")}
    assert owners <= {(user or 0) + offset}, "the host's"
