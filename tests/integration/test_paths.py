# SPDX-License-Identifier: MIT
"""Every path of every operation: terminators, and what a hostile client may send instead of a path."""

import errno

import pytest
from support.examples import EXAMPLES, prepare, snapshot
from support.expect import fails
from support.wire import FD_REPLIES, FIELDS, Op, close_all

PATHS = [(op, name) for op, layout in FIELDS.items() for name, _ in layout if name in ("path", "old", "new")]
TARGET = (Op.SYMLINK, "target")

WRONG_TEXT = [
    (b"", errno.ENOENT),
    (b"\0", errno.ENOENT),
    (b"\0\0", errno.EINVAL),
    (b"//file\0\0", errno.EINVAL),
    (b"//fi\0le", errno.EINVAL),
    (b"\0//file", errno.EINVAL),
    (b"/" + b"x/" * 2047 + b"x", errno.ENAMETOOLONG),
    (b"/" * 65000, errno.ENAMETOOLONG),
]
WRONG_PATHS = WRONG_TEXT + [
    (b"file", errno.EINVAL),
    (b"./file", errno.EINVAL),
    (b"../file", errno.EINVAL),
    (b".", errno.EINVAL),
    (b"link\0", errno.EINVAL),
    (b"//" + b"x" * 256, errno.ENAMETOOLONG),
]


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    prepare(path)
    return path


def check_wrong(client, export, op, name, cases):
    before = snapshot(export)
    for text, code in cases:
        with fails(code):
            client.call(op, nul=False, **{**EXAMPLES[op], name: text})
    assert snapshot(export) == before


@pytest.mark.parametrize("op, name", PATHS)
def test_wrong_paths_are_refused_without_effect(client, export, op, name):
    check_wrong(client, export, op, name, WRONG_PATHS)


def test_wrong_link_targets_are_refused_without_effect(client, export):
    check_wrong(client, export, *TARGET, WRONG_TEXT)


@pytest.mark.parametrize("op", Op)
@pytest.mark.parametrize("nul", [None, True, False], ids=["as QEMU", "all counted", "none counted"])
def test_one_terminating_nul_more_or_less_means_nothing(client, export, op, nul):
    before = snapshot(export)
    reply = client.call(op, nul=nul, **EXAMPLES[op])
    if op in FD_REPLIES:
        close_all([reply])
    assert b"\0" not in b"".join(bytes(path.relative_to(export)) for path in export.rglob("*"))
    if op is Op.SYMLINK:
        assert (export / "symlink").readlink().name == "anything"
    if op in (Op.MKNOD, Op.MKDIR, Op.SYMLINK, Op.LINK, Op.CREATE, Op.RENAME, Op.REMOVE, Op.LSETXATTR):
        assert snapshot(export) != before


def test_longest_name_and_longest_path(client, export):
    name = "n" * 255
    client.mkdir(f"//{name}")
    assert (export / name).is_dir()
    slashes = "/" * (4095 - len("file"))
    assert client.lstat(f"{slashes}file").size == 7
    with fails(errno.ENAMETOOLONG):
        client.lstat(f"{slashes}/file")


def test_names_are_bytes(client, export):
    name = bytes(byte for byte in range(1, 256) if byte != ord("/"))
    client.mkdir(b"//" + name)
    assert client.lstat(b"//" + name).nlink == 2
    client.remove(b"//" + name)
