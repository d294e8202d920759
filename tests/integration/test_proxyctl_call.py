# SPDX-License-Identifier: MIT
"""virtfs-proxyctl call: every operation, said as people say it, and what it does and prints."""

import os
import socket
import stat

import pytest
from support import examples, proxyctl
from support.proxyctl import REFUSED, TRANSPORT, USAGE
from support.wire import DATA_REPLIES, FD_REPLIES, Op

# As in examples.EXAMPLES, in words: by name where a name is needed, in the order of the protocol otherwise.
WORDS = {
    Op.OPEN: ["//file", "O_RDWR"],
    Op.CREATE: ["//created", "O_CREAT|O_RDWR", "640", "1000", "1001"],
    Op.MKNOD: ["1000", "1001", "//node", "S_IFIFO|640", "0"],
    Op.MKDIR: ["path=//made", "mode=750", "uid=1000", "gid=1001"],
    Op.SYMLINK: ["1000", "1001", "anything", "//symlink"],
    Op.LINK: ["//file", "//linked"],
    Op.LSTAT: ["//file"],
    Op.READLINK: ["//link", "4096"],
    Op.STATFS: ["//file"],
    Op.CHMOD: ["//file", "600"],
    Op.CHOWN: ["//file", "7", "8"],
    Op.TRUNCATE: ["//file", "3"],
    Op.UTIME: ["//file", "1.000000002", "3.000000004"],
    Op.RENAME: ["//old", "//new"],
    Op.REMOVE: ["//doomed"],
    Op.LGETXATTR: ["100", "//file", "user.name"],
    Op.LLISTXATTR: ["path=//file", "size=1000"],
    Op.LSETXATTR: ["//file", "user.new", "value"],
    Op.LREMOVEXATTR: ["//file", "user.doomed"],
    Op.GETVERSION: ["//file"],
}


@pytest.fixture
def tree(export):
    examples.prepare(export)
    return export


@pytest.fixture
def call(tree, helper):
    """Runs `call` on a tree where every example succeeds."""

    def run(op, *words, **options):
        return proxyctl.objects("call", helper.socket, op.name.lower(), *words, **options)[0]

    return run


@pytest.mark.parametrize("op", Op)
def test_each_operation(call, op):
    printed = call(op, *WORDS[op])
    assert printed["operation"] == op.name.lower()
    assert printed["status"] == 0
    assert ("descriptor" in printed) == (op in FD_REPLIES)
    assert ("reply" in printed) == (op in DATA_REPLIES)


@pytest.mark.parametrize("op", Op)
def test_each_operation_for_people(tree, helper, op):
    printed = proxyctl.output("call", helper.socket, op.name, *WORDS[op])
    assert bool(printed) == (op in FD_REPLIES | DATA_REPLIES)


@pytest.mark.parametrize("op", sorted(set(Op) - {Op.STATFS}))
def test_each_operation_refused(call, op):
    missing = [word.replace("//", "//missing/") for word in WORDS[op]]
    printed = call(op, *missing, status=REFUSED)
    assert printed["status"] == -2
    assert printed["error"] == "ENOENT"
    assert printed["message"] == "No such file or directory"


def test_effects(call, tree):
    for op in (Op.CREATE, Op.MKNOD, Op.MKDIR, Op.SYMLINK, Op.RENAME, Op.REMOVE, Op.LSETXATTR, Op.UTIME, Op.CHMOD):
        call(op, *WORDS[op])
    created, node, made = ((tree / name).lstat() for name in ("created", "node", "made"))
    assert (created.st_uid, created.st_gid, stat.S_IMODE(created.st_mode)) == (1000, 1001, 0o640)
    assert stat.S_ISFIFO(node.st_mode)
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (1000, 1001, 0o750)
    assert os.readlink(tree / "symlink") == "anything"
    assert (tree / "new").exists() and not (tree / "doomed").exists()
    assert os.getxattr(tree / "file", "user.new") == b"value"
    assert (tree / "file").stat().st_mtime_ns == 3_000_000_004
    assert stat.S_IMODE((tree / "file").stat().st_mode) == 0o600


def test_fields_are_those_of_the_file(call, tree):
    seen = (tree / "file").lstat()
    reply = call(Op.LSTAT, "//file")["reply"]
    assert (reply["ino"], reply["mode"], reply["size"]) == (seen.st_ino, seen.st_mode, seen.st_size)
    assert reply["mtime_sec"] * 10**9 + reply["mtime_nsec"] == seen.st_mtime_ns
    assert len(reply) == 16


def test_times_with_words(call, tree):
    before = (tree / "file").stat()
    request = call(Op.UTIME, "//file", "omit", "-1.5")["request"]
    assert (request["atime_nsec"], request["mtime_sec"], request["mtime_nsec"]) == ((1 << 30) - 2, -1, 500_000_000)
    after = (tree / "file").stat()
    assert after.st_atime_ns == before.st_atime_ns
    assert after.st_mtime_ns == -500_000_000
    call(Op.UTIME, "//file", "0", "now")
    assert (tree / "file").stat().st_mtime_ns >= before.st_mtime_ns


@pytest.mark.parametrize("word, value", [("0x00ff7f", b"\0\xff\x7f"), ("0x", b""), ("x=1", b"x=1"), ("", b"")])
def test_values(call, tree, word, value):
    call(Op.LSETXATTR, "//file", "user.v", word)
    assert os.getxattr(tree / "file", "user.v") == value
    reply = call(Op.LGETXATTR, "65536", "//file", "user.v")["reply"]
    if value.isascii():
        assert reply == {"value": value.decode()}
    else:
        assert bytes.fromhex(reply["value_hex"]) == value


def test_devices_and_flags(call, tree):
    call(Op.MKNOD, "path=//null", "mode=S_IFCHR|0600", "rdev=1:3")
    assert (tree / "null").lstat().st_rdev == os.makedev(1, 3)
    assert call(Op.LSETXATTR, "//file", "user.name", "x", "flags=XATTR_CREATE", status=REFUSED)["error"] == "EEXIST"
    assert call(Op.OPEN, "//file", f"{os.O_RDWR},O_EXCL")["request"]["flags"] == os.O_RDWR | os.O_EXCL


def test_sizes_may_be_wrong_on_purpose(call):
    assert call(Op.READLINK, "//link", "-1", status=REFUSED)["error"] == "EINVAL"
    assert call(Op.LSETXATTR, "//file", "user.v", "abc", "size=9", status=REFUSED)["error"] == "EINVAL"
    assert call(Op.LGETXATTR, "0", "//file", "user.name")["reply"] == {"length": 5}


def test_contents_of_what_came_back(call, helper, tree):
    assert proxyctl.output("call", "--contents", helper.socket, "open", "/file") == "content"
    listed = proxyctl.output("call", "--contents", helper.socket, "open", "/", "O_DIRECTORY")
    assert listed.splitlines() == sorted(os.listdir(tree))
    (printed,) = proxyctl.objects("call", "--contents", helper.socket, "open", "/file")
    assert printed["contents"] == "content"
    assert proxyctl.output("call", helper.socket, "open", "/file") == "descriptor: regular file\n"


def test_an_error_has_a_name(helper):
    done = proxyctl.run("call", helper.socket, "lstat", "/missing", status=REFUSED)
    assert done.stderr == b"virtfs-proxyctl: lstat: ENOENT: No such file or directory\n"
    assert done.stdout == b""


@pytest.mark.parametrize(
    "words, said",
    [
        (["frobnicate"], "no operation 'frobnicate'"),
        (["lstat"], "path is missing"),
        (["lstat", "/", "/"], "/: there is no field left"),
        (["lstat", "path=/", "path=/"], "path is given twice"),
        (["chmod", "/", "9"], "mode: give a mode in octal"),
        (["chown", "/", "root"], "uid: give a number"),
        (["chown", "/", "4294967296"], "uid: give a number of 32 bits"),
        (["open", "/", "O_WHATEVER"], "flags: give flags of open(2)"),
        (["open", "/", ""], "flags: give flags of open(2)"),
        (["utime", "/", "tomorrow"], "atime: give now, omit"),
        (["utime", "/", "1.0000000001"], "atime: give now, omit"),
        (["lsetxattr", "/", "user.a", "0x0"], "value: give text, or 0x"),
        (["mknod", "0", "0", "/n", "600", "1:x"], "rdev: give a number or MAJOR:MINOR"),
        (["lstat", "x" * 65536], "does not fit into a message"),
    ],
)
def test_wrong_arguments(helper, words, said):
    done = proxyctl.run("call", helper.socket, *words, status=USAGE)
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_wrong_arguments_show_the_usage(helper):
    said = proxyctl.run("call", helper.socket, "mkdir", "/", status=USAGE).stderr.decode()
    assert "usage: mkdir [uid=0] [gid=0] path [mode=755]\n" in said


@pytest.mark.parametrize("words", [[], ["call"], ["frobnicate"], ["--frobnicate"], ["ls", "--frobnicate"], ["cat", "/s"]])
def test_wrong_commands(words):
    done = proxyctl.run(*words, status=USAGE)
    assert done.stderr.startswith(b"virtfs-proxyctl: ") or b"--frobnicate" in done.stderr
    assert b"--help'" in done.stderr


def test_nobody_listens(run_directory):
    assert b"No such file" in proxyctl.run("call", run_directory / "s", "lstat", "/", status=TRANSPORT).stderr
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(run_directory / "s"))
        assert b"refused" in proxyctl.run("stat", run_directory / "s", "/", status=TRANSPORT).stderr


@pytest.mark.parametrize("answer", [b"", bytes([9, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0])])
def test_no_reply_that_makes_sense(run_directory, answer):
    """An end of file, and the header of nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run_directory / "s"))
        listener.listen()
        command = [proxyctl.CTL, "stat", str(run_directory / "s"), "/"]
        with proxyctl.subprocess.Popen(command, stderr=proxyctl.subprocess.PIPE) as running:
            with listener.accept()[0] as peer:
                peer.recv(100)
                peer.send(answer)
            said = running.communicate(timeout=proxyctl.TIMEOUT)[1]
    assert running.returncode == TRANSPORT
    assert (b"was cut" if not answer else b"makes no sense") in said


def test_what_cannot_be_written_is_no_success(helper):
    with open("/dev/full", "wb") as full:
        done = proxyctl.subprocess.run([proxyctl.CTL, "stat", helper.socket, "/"], stdout=full, stderr=-1, timeout=20)
    assert done.returncode == TRANSPORT
    assert b"No space left" in done.stderr
