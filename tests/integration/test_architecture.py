# SPDX-License-Identifier: MIT
"""HACKING.md's rules of who may do what, held against the sources."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("src/**/*.c"), *ROOT.glob("include/**/*.h")])


def includes(path):
    return re.findall(r'^#include [<"](.*)[>"]', path.read_text(), re.MULTILINE)


def folder(path):
    return path.relative_to(ROOT).parts[1]


@pytest.mark.parametrize(
    "who, never",
    [
        # The vocabulary of protocol.h has the operations' names, and no function that looks at a guest's bytes.
        ("monitor", ("ops/", "proxyfs/codec.h", "proxyfs/client.h")),
        ("ops", ("event2/", "worker/", "monitor/")),
        ("worker", ("monitor/",)),
        ("common", ("event2/", "ops/", "worker/", "monitor/", "proxyfs/")),
        ("ctl", ("event2/", "ops/", "worker/", "monitor/")),
        ("mount", ("event2/", "ops/", "worker/", "monitor/", "ctl/", "proxyfs/codec.h")),
    ],
)
def test_folder_includes_nothing_of_others(who, never):
    files = [path for path in SOURCES if folder(path) == who]
    assert len(files) >= 2
    for path in files:
        for name in includes(path):
            # The one way in: the monitor forks the process that runs the worker.
            if name != "worker/worker.h" or path.stem != "worker_process":
                assert not name.startswith(never), f"{path} includes {name}"


@pytest.mark.parametrize(
    "call, home",
    [
        (r"\bset(?:res|re|fs|e)?[ug]id\(|SYS_setres|SYS_capset", {"credentials.c", "sandbox.c"}),
        (r"\bcap_drop_bound\(|PR_SET_NO_NEW_PRIVS|\bsetgroups\(", {"sandbox.c"}),
        (r"\bchroot\(", {"sandbox.c", "namespace.c"}),
        (r"\bunshare\(CLONE_NEW|\bsetns\(|\bmount\(NULL|SYS_pivot_root", {"namespace.c"}),
        (r"\bseccomp_load\(", {"seccomp.c"}),
        (r"\battr_copy_", {"private_attributes.c"}),
    ],
)
def test_calls_that_have_one_home(call, home):
    found = {path.name for path in SOURCES if re.search(call, path.read_text())}
    assert found and found <= home


def test_wire_bytes_are_touched_in_the_library_only():
    """Outside, nobody knows a field's offset or size on the wire."""
    for path in SOURCES:
        assert not re.search(r"\bcursor|PROXYFS_STAT(?:FS)?_SIZE", path.read_text()), path
