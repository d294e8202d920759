# SPDX-License-Identifier: MIT
"""Which extended attributes there are: the host's /etc/xattr.conf says so, and a file of that name in the export not.

The machine's own file is left alone: each helper sees an /etc of the test's, in a mount namespace of its own.
"""

import errno
import os
import shlex
import signal
import struct
import subprocess

import pytest
from support.expect import fails, not_opened
from support.helper import Helper, wait_for
from support.launch import launcher, run
from support.mounts import tmpfs

RULES = """
# What this host keeps to itself
system.posix_acl_access     permissions
user.private*               skip        # ours
"""
HOSTILE = "user.public skip\nuser.other skip\nsecurity.capability skip\nuser.private.a permissions\n"

PRIVATE = ("user.private", "user.private.a", "security.ima", "security.evm")
PUBLIC = ("user.public", "user.other")


@pytest.fixture
def host(tmp_path):
    """The host's /etc as the helper sees it, empty."""
    path = tmp_path / "etc"
    path.mkdir()
    if subprocess.run(["unshare", "-m", "mount", "--bind", path, path], check=False, capture_output=True).returncode:
        pytest.skip("mount namespaces cannot be made here")
    return path


@pytest.fixture
def binary(tmp_path, host):
    """A helper that finds `host` in the place of /etc."""
    inside = f"mount --bind {shlex.quote(str(host))} /etc && exec \"$@\""
    return launcher(tmp_path, prefix=f"unshare -m sh -c {shlex.quote(inside)} sh")


@pytest.fixture
def file(export):
    """With attributes of each kind, set by the host."""
    path = export / "file"
    path.touch()
    for name in (*PRIVATE, *PUBLIC):
        os.setxattr(path, name, name.encode())
    return path


@pytest.fixture
def serve(export, binary):
    """Starts helpers with further arguments; they must end with status 0."""
    helpers = []

    def start(*arguments):
        helpers.append(Helper(export, args=arguments, binary=binary))
        return helpers[-1]

    yield start
    for helper in helpers:
        assert helper.stop() == 0, helper.log()


@pytest.fixture
def client(host, file, serve):
    """Of a helper whose host has RULES."""
    (host / "xattr.conf").write_text(RULES)
    with serve().connect() as connected:
        yield connected


def names(client, path="//file"):
    return sorted(client.llistxattr(path).decode().split("\0")[:-1])


# --- host, the default


def test_private_names_are_not_listed(client):
    assert names(client) == sorted(PUBLIC)


def test_size_of_a_list_is_that_of_what_is_left(client):
    size = sum(len(name) + 1 for name in PUBLIC)
    assert client.llistxattr("//file", 0) == size
    assert len(client.llistxattr("//file", size)) == size
    for less in (1, size - 1):
        with fails(errno.ERANGE):
            client.llistxattr("//file", less)


def test_a_list_of_private_names_alone_is_empty(client, file):
    for name in PUBLIC:
        os.removexattr(file, name)
    assert client.llistxattr("//file", 0) == 0
    assert client.llistxattr("//file", 1) == b""


def test_list_of_what_is_not_there(client):
    with fails(errno.ENOENT):
        client.llistxattr("//missing", 0)


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("size", [0, 1, 65536])
def test_private_attributes_are_not_there_to_read(client, name, size):
    with fails(errno.ENODATA):
        client.lgetxattr("//file", name, size)


@pytest.mark.parametrize("name", [*PRIVATE, "user.private.new"])
def test_private_attributes_cannot_be_set_or_removed(client, file, name):
    before = {listed: os.getxattr(file, listed) for listed in os.listxattr(file)}
    with fails(errno.EOPNOTSUPP):
        client.lsetxattr("//file", name, b"value")
    with fails(errno.EOPNOTSUPP):
        client.lremovexattr("//file", name)
    assert {listed: os.getxattr(file, listed) for listed in os.listxattr(file)} == before


@pytest.mark.parametrize("name", ["user.public", "user.privat", "user.Private", "xuser.private"])
def test_other_attributes_are_the_file_systems_business(client, file, name):
    if name.startswith("x"):
        with fails(errno.EOPNOTSUPP):
            client.lgetxattr("//file", name)
        return
    client.lsetxattr("//file", name, b"new")
    assert client.lgetxattr("//file", name) == b"new"
    client.lremovexattr("//file", name)
    assert name not in os.listxattr(file)


def test_access_control_lists_are_not_private(client, file):
    entries = [(0x01, 6, -1), (0x02, 7, 1000), (0x04, 4, -1), (0x10, 7, -1), (0x20, 0, -1)]
    value = struct.pack("=I", 2) + b"".join(struct.pack("=HHi", *entry) for entry in entries)
    client.lsetxattr("//file", "system.posix_acl_access", value)
    assert client.lgetxattr("//file", "system.posix_acl_access") == value
    assert "system.posix_acl_access" in names(client)
    assert os.getxattr(file, "system.posix_acl_access") == value


def test_longest_lists(export, host, serve):
    """The kernel's longest list fits, and so does its rest, whatever the client has room for."""
    (host / "xattr.conf").write_text("user.*x skip\n")
    (export / "memory").mkdir()
    with tmpfs(export / "memory") as memory:
        path = memory / "file"
        path.touch()
        for number in range(255):
            os.setxattr(path, f"user.{number:0250}", b"")
        os.setxattr(path, "user." + "0" * 249 + "x", b"")
        with serve() as helper, helper.connect() as client:
            assert client.llistxattr("//memory/file", 0) == 65280
            for size in (65280, 65536):
                assert len(client.llistxattr("//memory/file", size)) == 65280
            with fails(errno.ERANGE):
                client.llistxattr("//memory/file", 65279)


# --- the file in the export


@pytest.fixture(params=["etc/xattr.conf is a guest's", "etc is a link"])
def hostile(request, export, file):
    """The export's own xattr.conf, by a guest that would like to have a say."""
    folder = export / "etc"
    if request.param == "etc is a link":
        (export / "elsewhere").mkdir()
        folder.symlink_to("elsewhere")
    else:
        folder.mkdir()
    (folder / "xattr.conf").write_text(HOSTILE)
    return folder / "xattr.conf"


@pytest.mark.parametrize(
    "content, hidden",
    [(RULES, PRIVATE), (None, PRIVATE[2:]), ("", PRIVATE[2:]), ("# nothing\n", PRIVATE[2:])],
    ids=["rules", "missing", "empty", "comment"],
)
def test_export_has_no_say(host, hostile, serve, content, hidden):
    """Nor after a crash, when another worker comes; and what the host's file says by then is not heard any more."""
    if content is not None:
        (host / "xattr.conf").write_text(content)
    seen = sorted({*PUBLIC, *PRIVATE} - {*hidden})
    with not_opened(hostile):
        helper = serve()
        with helper.connect() as client, helper.connect() as other:
            assert names(client) == seen
            assert client.lgetxattr("//file", "user.public") == b"user.public"
            client.lsetxattr("//file", "user.public", b"user.public")
            (host / "xattr.conf").write_text("user.* skip\n")
            (worker,) = helper.children()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: helper.children() not in ([], [worker]), what="another worker")
            for one in (client, other):
                assert names(one) == seen
                assert one.lgetxattr("//file", "user.public") == b"user.public"


def test_log_says_that_there_are_no_rules(host, serve):
    assert "no rules in /etc/xattr.conf" in serve().log()
    (host / "xattr.conf").write_text(RULES)
    assert "xattr.conf" not in serve().log()


@pytest.mark.parametrize("content", ["user.private\n", "user.private hide\n", "user.private skip"])
def test_rules_that_make_no_sense_are_named_and_nothing_is_served(export, tmp_path, host, binary, serve, content):
    (host / "xattr.conf").write_text(content)
    done = run("--nodaemon", "--path", export, "--socket", tmp_path / "socket", binary=binary)
    assert done.returncode == 1
    assert "/etc/xattr.conf" in done.stderr and "--xattr-policy" in done.stderr
    assert not (tmp_path / "socket").exists()
    for other in ("all", "none"):
        assert "xattr.conf" not in serve(f"--xattr-policy={other}").log()


# --- all and none


def test_all_hides_nothing(host, file, serve):
    (host / "xattr.conf").write_text(RULES)
    with serve("--xattr-policy=all").connect() as client:
        assert names(client) == sorted((*PRIVATE, *PUBLIC))
        assert client.llistxattr("//file", 0) == len(client.llistxattr("//file"))
        for name in PRIVATE:
            assert client.lgetxattr("//file", name) == name.encode()
        client.lsetxattr("//file", "user.private", b"new")
        client.lremovexattr("//file", "user.private.a")
        with fails(errno.EPERM):
            client.lsetxattr("//file", "security.ima", b"new")
    assert os.getxattr(file, "user.private") == b"new"
    assert "user.private.a" not in os.listxattr(file)


def test_none_has_no_attributes(file, serve):
    before = sorted(os.listxattr(file))
    with serve("--xattr-policy=none").connect() as client:
        calls = [
            lambda: client.lgetxattr("//file", "user.public"),
            lambda: client.lgetxattr("//file", "security.capability", 0),
            lambda: client.llistxattr("//file"),
            lambda: client.llistxattr("//file", 0),
            lambda: client.lsetxattr("//file", "user.public", b"new"),
            lambda: client.lsetxattr("//file", "system.posix_acl_access", b"new"),
            lambda: client.lremovexattr("//file", "user.public"),
        ]
        for call in calls:
            with fails(errno.EOPNOTSUPP):
                call()
    assert sorted(os.listxattr(file)) == before
    assert os.getxattr(file, "user.public") == b"user.public"
