# SPDX-License-Identifier: MIT
"""A guest whose QEMU talks to the helper through virtfs-proxyctl trace: it works as ever, and all of it is printed."""

import subprocess

import pytest
from support import proxyctl
from support.guest import Guest
from support.recipes import blocks


@pytest.fixture(scope="module")
def site(start_site):
    return start_site("nobody", "nogroup")


@pytest.fixture(scope="module")
def traced(site, image):
    """What was printed while a guest worked and was turned off, and the files it has left."""
    with proxyctl.Trace(site.socket.parent, site.socket) as trace:
        with Guest(image, trace.socket, "nobody") as guest:
            guest.run("echo hello >file && mkdir folder && mv file folder/file && setfattr -n user.a -v b folder")
            assert guest.run("cat folder/file && ls folder") == "hello\nfile"
            assert guest.attempt("cat missing").status != 0
            guest.poweroff()
        trace.lines("1 ended its connection")
        assert trace.socket.exists(), "QEMU, as another user, cannot have removed it"
    return trace.printed()


def test_the_guests_work_is_done(traced, site):
    assert (site.export / "folder/file").read_text() == "hello\n"


def test_the_first_request_is_of_the_root(traced):
    connected, first = traced.splitlines()[:2]
    assert connected.startswith("1 connected, process ")
    assert first.startswith('1 lstat(path="/") = ')


@pytest.mark.parametrize(
    "line",
    [
        '1 create(path="//file", ',
        '1 mkdir(uid=0, gid=0, path="//folder", mode=0',
        '1 rename(old="//file", new="//folder/file") = 0 ',
        '1 lsetxattr(path="//folder", name="user.a", value="b", size=1, flags=0) = 0 ',
        '1 open(path="//folder", flags=O_RDONLY|O_DIRECTORY) = descriptor (directory) ',
        '1 lstat(path="//missing") = ENOENT: No such file or directory ',
    ],
)
def test_a_request_of_the_guest_is_printed(traced, line):
    assert any(printed.startswith(line) for printed in traced.splitlines()), traced


def test_nothing_made_no_sense(traced):
    for words in ("no reply", "no request", "makes no sense", "reset"):
        assert words not in traced


def test_the_sums_of_the_recipe(traced, site):
    sums = blocks("What a QEMU says")[-1]
    assert (site.socket.parent / "trace.log").read_text() == traced
    printed = subprocess.run(["bash", "-ec", sums], cwd=site.socket.parent, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in printed.splitlines()]
    requests = [line for line in traced.splitlines() if line.endswith(" us")]
    assert sum(int(count) for count, _, _ in rows) == len(requests)
    assert rows[0][2] == "lstat"
