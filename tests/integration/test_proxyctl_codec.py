# SPDX-License-Identifier: MIT
"""virtfs-proxyctl encode and decode: the bytes of the Python codec, both ways, and garbage."""

import os
import struct
import subprocess

import pytest
from support import proxyctl
from support.examples import EXAMPLES, prepare
from support.proxyctl import REFUSED, USAGE
from support.wire import FIELDS, MAX_PAYLOAD, Op, message, request


def words(op):
    """The fields of an example by name; its two halves of a time as one."""
    fields = dict(EXAMPLES[op])
    for time in ("atime", "mtime"):
        if time in fields:
            fields[time] = f"{fields[time]}.{fields.pop(time + '_nsec'):09}"
    if "mode" in fields:
        fields["mode"] = f"{fields['mode']:o}"
    return [f"{name}={os.fsdecode(value) if isinstance(value, bytes) else value}" for name, value in fields.items()]


def example(op):
    return request(op, **EXAMPLES[op])


@pytest.mark.parametrize("op", Op)
def test_encode(op):
    assert proxyctl.run("encode", op.name.lower(), *words(op)).stdout == example(op)


@pytest.mark.parametrize("op", Op)
def test_decode_is_the_way_back(op):
    (printed,) = proxyctl.objects("decode", data=example(op))
    expected = {
        {"atime": "atime_sec", "mtime": "mtime_sec"}.get(name, name): value.decode() if name == "value" else value
        for name, value in EXAMPLES[op].items()
    }
    assert printed == {"operation": op.name.lower(), "request": expected}


def test_decode_for_people():
    line = proxyctl.output("decode", data=example(Op.CREATE) + example(Op.UTIME))
    assert line == (
        'create(path="//created", flags=O_RDWR|O_CREAT, mode=0640, uid=1000, gid=1001)\n'
        'utime(path="//file", atime=1.000000002, mtime=3.000000004)\n'
    )


def test_list_is_of_all_operations():
    listed = [line.split() for line in proxyctl.output("encode", "--list").splitlines()]
    assert [line[0] for line in listed] == [op.name.lower() for op in Op]
    for line, op in zip(listed, Op):
        named = [word.strip("[]").split("=")[0] for word in line[1:]]
        assert named == [name for name, _ in FIELDS[op] if not name.endswith("_nsec")]


def test_all_through_socat(export, helper):
    """One connection for all twenty: requests in, replies out, in the forms that the operations say."""
    prepare(export)
    ops = [op for op in Op if op is not Op.REMOVE] + [Op.REMOVE]
    replies = subprocess.run(
        ["socat", "-t5", "-", f"UNIX-CONNECT:{helper.socket}"],
        input=b"".join(map(example, ops)), capture_output=True, check=True, timeout=proxyctl.TIMEOUT,
    ).stdout  # fmt: skip
    printed = proxyctl.objects("decode", "--replies", *(op.name.lower() for op in ops), data=replies)
    assert [(one["operation"], one["status"]) for one in printed] == [(op.name.lower(), 0) for op in ops]


def status(code):
    return struct.pack("=IIi", int(code < 0), 4, code)


def string_reply(value):
    return message(0, struct.pack("=H", len(value)) + value)


def test_the_last_operation_repeats():
    data = status(0) + string_reply(b"x") + string_reply(b"y")
    printed = proxyctl.objects("decode", "--replies", "mkdir", "readlink", data=data)
    assert [one.get("reply") for one in printed] == [None, {"target": "x"}, {"target": "y"}]


def test_replies_of_failures():
    data = status(-2) + status(-4000) + struct.pack("=i", -13) + struct.pack("=i", 0x7FFFFFFF)
    lines = proxyctl.output("decode", "--replies", "lstat", "mkdir", "open", data=data).splitlines()
    assert lines[0] == "lstat = ENOENT: No such file or directory"
    assert lines[1].startswith("mkdir = errno 4000: ")
    assert lines[2:] == ["open = EACCES: Permission denied", "open = descriptor"]


@pytest.mark.parametrize(
    "payload, reply",
    [
        (struct.pack("=I", 70), {"length": 70}),
        (struct.pack("=I", 2), {"length": 2}),
        (struct.pack("=H", 2) + b"ab", {"value": "ab"}),
        (struct.pack("=H", 0), {"value": ""}),
    ],
)
def test_a_length_is_told_from_a_value(payload, reply):
    assert proxyctl.objects("decode", "--replies", "lgetxattr", data=message(0, payload))[0]["reply"] == reply


GOOD = request(Op.LSTAT, path="/", nul=False)  # 11 bytes


@pytest.mark.parametrize(
    "data, printed, said",
    [
        (GOOD + b"\1", 1, "byte 11: the input ends after 1 bytes of a message of 8"),
        (GOOD[:-1], 0, "byte 0: the input ends after 10 bytes of a message of 11"),
        (GOOD + message(99, b""), 1, "byte 11: no operation has this type"),
        (message(1, b""), 0, "byte 0: no operation has this type"),
        (message(8, b"", MAX_PAYLOAD + 1), 0, "byte 0: the payload would be larger than 65536"),
        (message(8, b"", -1), 0, "byte 0: the payload would be larger than 65536"),
        (message(8, b"") + GOOD, 2, "byte 0: the payload is shorter than its fields"),
        (message(8, b"\5\0/\0\0ab") + GOOD, 2, "byte 0: a path or name has a NUL inside"),
    ],
)
def test_garbage_in_requests(data, printed, said):
    done = proxyctl.run("decode", "--requests", data=data, status=REFUSED)
    assert said in done.stderr.decode()
    assert len(done.stdout.splitlines()) == printed


@pytest.mark.parametrize(
    "data, said",
    [
        (status(0) + b"\0" * 7, "byte 12: the input ends after 7 bytes of a message of 8"),
        (message(2, b"\0\0\0\0"), "byte 0: this is no header of a reply"),
        (message(0, b"\1\0\0\0"), "byte 0: this is no reply to mkdir"),
        (message(0, b"\0"), "byte 0: this is no reply to mkdir"),
        (message(0, b"", MAX_PAYLOAD + 1), "byte 0: this is no header of a reply"),
    ],
)
def test_garbage_in_replies(data, said):
    assert said in proxyctl.run("decode", "--replies", "mkdir", data=data, status=REFUSED).stderr.decode()


def test_noise():
    """Whatever comes, it ends by itself, with a place and a reason."""
    for seed in range(30):
        noise = bytes(seed * 7 % 23 if at % 4 == 0 else 0 for at in range(8)) + os.urandom(200)
        assert proxyctl.run("decode", data=noise, status=REFUSED).stderr.startswith(b"virtfs-proxyctl: decode: byte ")


def test_nothing_is_no_garbage():
    assert proxyctl.output("decode", data=b"") == ""
    assert proxyctl.output("decode", "--replies", "lstat", data=b"") == ""


def test_a_hostile_path_in_one_line():
    printed = proxyctl.output("decode", data=request(Op.LSTAT, path=b"/\n\x1b]0;x\x07\xff"))
    assert printed == 'lstat(path="/\\n\\x1b]0;x\\x07\\xff")\n'
    (printed,) = proxyctl.objects("decode", data=request(Op.LSTAT, path=b"/\xff"))
    assert printed["request"] == {"path": "/\u00ff", "path_hex": "2fff"}


@pytest.mark.parametrize("arguments", [["--replies"], ["--replies", "nothing"], ["lstat"], ["--requests", "lstat"]])
def test_wrong_arguments(arguments):
    proxyctl.run("decode", *arguments, status=USAGE)
