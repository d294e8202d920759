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


@pytest.mark.parametrize(
    "helper, mount, user",
    [((), (), 65534), ((), ("--no-direct",), 65534), ((), ("--cache=auto",), 65534), (("--idmap", "both:0:0:65536"), (), 65534), ((), (), None)],
    ids=["plain", "asked", "cached", "mapped", "root"],
)
def test_same_as_local(start_site, helper, mount, user):
    print(f"VPH_MOUNT_SEED={SEED}")
    site = start_site(helper, mount, user)
    local = site.export.parent / "local"
    model = shutil.copy(ROOT / "tests/mount/model.py", site.export.parent)
    for path in (local, site.export / "tree"):
        path.mkdir()
        os.chown(path, user or 0, user or 0)
    done = site.run("/usr/bin/python3", model, "tree", local, SEED, SECONDS)
    count = int(done.split()[0])
    print(count, "operations")
    assert count > 100 * SECONDS
