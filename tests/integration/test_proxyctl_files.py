# SPDX-License-Identifier: MIT
"""The short forms: ls, cat, put, stat, getfattr; and names that somebody chose to do harm."""

import os
import stat

import pytest
from support import proxyctl
from support.proxyctl import REFUSED, USAGE

HOSTILE = os.fsdecode(b"\x1b[2J\x07\nx\\\"\xff\xc2\x9b\xe2\x80\xae")
ESCAPED = r"\x1b[2J\x07\nx\\" + '"' + r"\xff\xc2\x9b\xe2\x80\xae"


def test_ls(export, helper):
    for name in ("b", "a", "C", ".hidden"):
        (export / name).touch()
    assert proxyctl.output("ls", helper.socket, "/").splitlines() == [".hidden", "C", "a", "b"]
    (printed,) = proxyctl.objects("ls", helper.socket, "/")
    assert printed["names"] == [".hidden", "C", "a", "b"]
    assert printed["descriptor"] == "directory"
    assert "names_hex" not in printed


def test_ls_of_nothing(helper):
    assert proxyctl.output("ls", helper.socket, "/") == ""
    assert proxyctl.objects("ls", helper.socket, "/")[0]["names"] == []


def test_ls_of_a_file(export, helper):
    (export / "file").touch()
    assert b"ENOTDIR: " in proxyctl.run("ls", helper.socket, "/file", status=REFUSED).stderr


def test_a_name_commands_no_terminal(export, helper):
    (export / HOSTILE).touch()
    assert proxyctl.output("ls", helper.socket, "/") == ESCAPED + "\n"
    (printed,) = proxyctl.objects("ls", helper.socket, "/")
    assert [bytes.fromhex(name) for name in printed["names_hex"]] == [os.fsencode(HOSTILE)]
    (printed,) = proxyctl.objects("stat", helper.socket, "/" + HOSTILE)
    assert bytes.fromhex(printed["request"]["path_hex"]) == b"/" + os.fsencode(HOSTILE)


def test_a_name_in_utf8_is_a_name(export, helper):
    (export / "naïve \U0001f41f").touch()
    (printed,) = proxyctl.objects("ls", helper.socket, "/")
    assert printed["names"] == ["naïve \U0001f41f"]
    assert "names_hex" not in printed


def test_an_attributes_value_commands_no_terminal(export, helper):
    os.setxattr(export, "user.a\x1b", b"\x1b[2J\0\"")
    assert proxyctl.output("getfattr", helper.socket, "/") == "user.a\\x1b\n"
    assert proxyctl.output("getfattr", helper.socket, "/", "user.a\x1b") == '"\\x1b[2J\\x00\\""\n'


def test_cat(export, helper):
    content = os.urandom(200_000)
    (export / "file").write_bytes(content)
    assert proxyctl.run("cat", helper.socket, "/file").stdout == content
    (printed,) = proxyctl.objects("cat", helper.socket, "/file")
    assert bytes.fromhex(printed["contents_hex"]) == content


def test_cat_of_a_directory(helper):
    assert b"Is a directory" in proxyctl.run("cat", helper.socket, "/", status=REFUSED).stderr


def test_put_from_the_standard_input(export, helper):
    content = os.urandom(200_000)
    proxyctl.run("put", "--mode", "600", "--uid=5", "--gid=6", helper.socket, "/file", data=content)
    seen = (export / "file").stat()
    assert (export / "file").read_bytes() == content
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (5, 6, 0o600)


@pytest.mark.parametrize("source", ["-", None])
def test_put_replaces(export, helper, tmp_path, source):
    (export / "file").write_bytes(b"longer than what comes")
    local = tmp_path / "local"
    local.write_bytes(b"short")
    proxyctl.run("put", helper.socket, "/file", source or local, data=b"short")
    assert (export / "file").read_bytes() == b"short"


def test_put_of_what_is_not_there(export, helper):
    assert b"/missing: No such" in proxyctl.run("put", helper.socket, "/file", "/missing", status=USAGE).stderr
    assert not (export / "file").exists()


@pytest.mark.parametrize("option", ["--mode=rw", "--uid=root", "--gid="])
def test_put_with_wrong_options(export, helper, option):
    assert b"give a " in proxyctl.run("put", option, helper.socket, "/file", status=USAGE).stderr
    assert not (export / "file").exists()


def test_put_refused(helper):
    assert b"create: ENOENT: " in proxyctl.run("put", helper.socket, "/missing/file", data=b"x", status=REFUSED).stderr


def test_stat(export, helper):
    (export / "file").write_bytes(b"12345")
    (export / "file").chmod(0o751)
    os.chown(export / "file", 7, 8)
    os.utime(export / "file", ns=(1, 2_000_000_003))
    lines = proxyctl.output("stat", helper.socket, "/file").splitlines()
    for line in ("mode: 0100751", "uid: 7", "gid: 8", "size: 5", "atime: 0.000000001", "mtime: 2.000000003"):
        assert line in lines


def test_getfattr(export, helper):
    for name in ("user.a", "user.b"):
        os.setxattr(export, name, name.encode())
    assert sorted(proxyctl.output("getfattr", helper.socket, "/").split()) == ["user.a", "user.b"]
    assert proxyctl.output("getfattr", helper.socket, "/", "user.b") == '"user.b"\n'
    assert sorted(proxyctl.objects("getfattr", helper.socket, "/")[0]["reply"]["names"]) == ["user.a", "user.b"]
    assert b"ENODATA: " in proxyctl.run("getfattr", helper.socket, "/", "user.c", status=REFUSED).stderr
