# SPDX-License-Identifier: MIT
"""Messages as bytes: exact replies, pieces, pipelines, limits, and clients that break the protocol."""

import errno
import os
import socket
import struct

import pytest
from support.examples import EXAMPLES, prepare, snapshot
from support.expect import descriptor, fails
from support.helper import wait_for
from support.wire import (
    DATA_REPLIES,
    DESCRIPTOR_FOLLOWS,
    FD_REPLIES,
    MAX_PAYLOAD,
    STATUS_REPLIES,
    EndOfFile,
    Op,
    RemoteError,
    encode,
    message,
    request,
)

UNKNOWN_TYPES = [0, 1, 22, 23, 255, 0x7FFFFFFF, 0xFFFFFFFF]
TOO_LARGE = [65537, 65544, 2**24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    prepare(path)
    return path


def assert_alive(client):
    assert client.lstat("//file").nlink >= 1


def take_reply(client, op):
    """Reads the reply to `op`; a descriptor is closed, an errno is fine."""
    try:
        reply = client.recv(op)
    except RemoteError as error:
        return error.errno
    if op in FD_REPLIES:
        os.close(reply)
    return 0


# Replies, byte by byte


def test_status_replies(client):
    client.send(Op.MKDIR, uid=0, gid=0, path="//new", mode=0o755)
    assert client.recv_exact(12) == struct.pack("=IIi", 0, 4, 0)
    client.send(Op.MKDIR, uid=0, gid=0, path="//new", mode=0o755)
    assert client.recv_exact(12) == struct.pack("=IIi", 1, 4, -errno.EEXIST)


def test_data_replies(client):
    client.send(Op.READLINK, path="//link", size=100)
    assert client.recv_exact(14) == struct.pack("=IIH4s", 0, 6, 4, b"file")
    client.send(Op.LGETXATTR, size=0, path="//file", name="user.name")
    assert client.recv_exact(12) == struct.pack("=III", 0, 4, 5)
    client.send(Op.LGETXATTR, size=100, path="//file", name="user.name")
    assert client.recv_exact(15) == struct.pack("=IIH5s", 0, 7, 5, b"value")
    client.send(Op.LSTAT, path="//missing")
    assert client.recv_exact(12) == struct.pack("=IIi", 1, 4, -errno.ENOENT)
    assert_alive(client)


def test_descriptor_reply_is_one_int_that_nothing_is_joined_to(client):
    client.send_raw(request(Op.OPEN, path="//file", flags=0) + request(Op.LSTAT, path="//file"))
    client.send_raw(request(Op.OPEN, path="//missing", flags=0))
    data, descriptors = client.receive(4096)
    for fd in descriptors:
        os.close(fd)
    assert (data, len(descriptors)) == (struct.pack("=i", DESCRIPTOR_FOLLOWS), 1)
    assert len(client.recv_data()) == 116
    assert client.recv_exact(4) == struct.pack("=i", -errno.ENOENT)
    assert_alive(client)


# Payloads that are too short or too long


@pytest.mark.parametrize("op", Op)
def test_every_shortened_payload_is_answered_and_does_nothing(client, export, op):
    payload = encode(op, **EXAMPLES[op])
    before = snapshot(export)
    for length in range(len(payload)):
        client.send_raw(message(op, payload[:length]))
        with fails(errno.ENOBUFS):
            client.recv(op)
    assert snapshot(export) == before
    client.send_raw(message(op, payload))
    assert take_reply(client, op) == 0


@pytest.mark.parametrize("op", Op)
def test_bytes_after_the_last_field_are_ignored(client, op):
    payload = encode(op, **EXAMPLES[op])
    client.send_raw(message(op, payload + b"\xff\0extra"))
    assert take_reply(client, op) == 0
    assert_alive(client)


@pytest.mark.parametrize("op", Op)
def test_payload_of_exactly_64_KiB(client, op):
    payload = encode(op, **EXAMPLES[op])
    client.send_raw(message(op, payload.ljust(MAX_PAYLOAD, b"\xff")))
    assert take_reply(client, op) == 0
    assert_alive(client)


@pytest.mark.parametrize("length", [1, 8, 0x7FFF, 0xFFFF - 11])
def test_string_longer_than_its_payload(client, length):
    client.send_raw(message(Op.LSTAT, struct.pack("=H", 7 + length) + b"//file\0"))
    with fails(errno.ENOBUFS):
        client.recv_data()
    client.send_raw(message(Op.OPEN, struct.pack("=H", 7 + 4 + length) + b"//file\0" + b"\0" * 4))
    with fails(errno.ENOBUFS):
        client.recv_fd()
    assert_alive(client)


@pytest.mark.parametrize("op", Op)
def test_payload_of_nothing_but_ones(client, export, op):
    before = snapshot(export)
    client.send_raw(message(op, b"\xff" * 64))
    assert take_reply(client, op) == errno.ENOBUFS
    assert snapshot(export) == before
    assert_alive(client)


# Connections that must be cut, alone


@pytest.mark.parametrize("size", TOO_LARGE)
@pytest.mark.parametrize("op", [Op.LSTAT, Op.OPEN])
@pytest.mark.parametrize("following", [b"", b"x", b"x" * 5000], ids=["header only", "one byte", "more"])
def test_too_large_a_message_ends_its_connection_alone(helper, client, op, size, following):
    with helper.connect() as offender:
        offender.send_raw(message(op, following, size))
        offender.expect_reset()
    assert_alive(client)


@pytest.mark.parametrize("type_", UNKNOWN_TYPES)
@pytest.mark.parametrize("payload", [b"", encode(Op.LSTAT, path="//file")], ids=["empty", "path"])
def test_unknown_type_ends_its_connection_alone(helper, client, type_, payload):
    with helper.connect() as offender:
        offender.send_raw(message(type_, payload))
        offender.expect_reset()
    assert_alive(client)


@pytest.mark.parametrize("header", [message(Op.OPEN, b"", 65537), message(22, b"")], ids=["size", "type"])
def test_wrong_header_in_pieces(helper, client, header):
    with helper.connect() as offender:
        for byte in header:
            offender.send_raw(bytes([byte]))
            assert_alive(client)
        offender.expect_reset()


@pytest.mark.parametrize("header", [message(Op.OPEN, b"", 65537), message(22, b"")], ids=["size", "type"])
def test_requests_before_a_wrong_header_are_answered(helper, client, header):
    with helper.connect() as offender:
        wrong = request(Op.LSTAT, path="//file") + request(Op.OPEN, path="//file", flags=0) + header
        offender.send_raw(wrong + request(Op.MKDIR, uid=0, gid=0, path="//never", mode=0o755))
        assert len(offender.recv_data()) == 116
        with descriptor(offender.recv_fd()) as fd:
            assert os.read(fd, 7) == b"content"
        offender.expect_reset()
    with fails(errno.ENOENT):
        client.lstat("//never")


def test_cut_is_logged_once(helper, client):
    with helper.connect() as offender:
        offender.send_raw(message(22, b"x" * 1000))
        offender.expect_reset()
    assert_alive(client)
    wait_for(lambda: "gone after 0 requests" in helper.log(), what="the end of the connection in the log")
    cut = [line for line in helper.log().splitlines() if line.endswith("connection is cut")]
    assert len(cut) == 1 and f"pid {os.getpid()}," in cut[0] and "type 22" in cut[0]


# Pieces and pipelines


@pytest.mark.parametrize("op", [Op.LSTAT, Op.CREATE, Op.LSETXATTR])
def test_message_in_two_pieces_at_every_byte(client, helper, export, op):
    """The round trip of another client gives the helper the time to see the first piece alone."""
    whole = request(op, **EXAMPLES[op])
    with helper.connect() as other:
        for position in range(1, len(whole)):
            client.send_raw(whole[:position])
            assert_alive(other)
            client.send_raw(whole[position:])
            assert take_reply(client, op) == 0


@pytest.mark.parametrize("op", Op)
def test_message_byte_by_byte(client, helper, op):
    with helper.connect() as other:
        for byte in request(op, **EXAMPLES[op]):
            client.send_raw(bytes([byte]))
            assert_alive(other)
        assert take_reply(client, op) == 0
    assert_alive(client)


def test_largest_message_in_pieces(client, helper):
    whole = message(Op.LSTAT, encode(Op.LSTAT, path="//file").ljust(MAX_PAYLOAD, b"x"))
    with helper.connect() as other:
        for position in range(0, len(whole), 4099):
            client.send_raw(whole[position : position + 4099])
            assert_alive(other)
    assert len(client.recv_data()) == 116


def test_pieces_that_straddle_messages(client, helper):
    stream = (request(Op.LSTAT, path="//file") + request(Op.OPEN, path="//file", flags=0)) * 10
    with helper.connect() as other:
        for position in range(0, len(stream), 7):
            client.send_raw(stream[position : position + 7])
            assert_alive(other)
    for _ in range(10):
        assert len(client.recv_data()) == 116
        os.close(client.recv_fd())


def test_pipelined_requests_are_answered_in_order(client, export):
    for number in range(60):
        (export / f"f{number}").write_text(str(number))
    stream = b"".join(
        request(Op.LSTAT, path=f"//f{number}")
        + request(Op.OPEN, path=f"//f{number}", flags=0)
        + request(Op.OPEN, path="//missing", flags=0)
        + request(Op.CHMOD, path=f"//f{number}", mode=0o600)
        for number in range(60)
    )
    client.send_raw(stream)
    for number in range(60):
        inode = (export / f"f{number}").stat().st_ino
        assert struct.unpack_from("=Q", client.recv_data(), 8) == (inode,)
        with descriptor(client.recv_fd()) as fd:
            assert os.fstat(fd).st_ino == inode
            assert os.read(fd, 10) == str(number).encode()
        with fails(errno.ENOENT):
            client.recv_fd()
        client.recv_status()


def test_every_operation_in_one_send(client):
    client.send_raw(b"".join(request(op, **EXAMPLES[op]) for op in Op))
    assert {op: take_reply(client, op) for op in Op} == {op: 0 for op in Op}


def test_shutdown_for_writing_after_a_request_still_gets_the_reply(helper):
    with helper.connect() as client:
        client.send_raw(request(Op.OPEN, path="//file", flags=0) + request(Op.LSTAT, path="//file"))
        client.sock.shutdown(socket.SHUT_WR)
        os.close(client.recv_fd())
        assert len(client.recv_data()) == 116
        with pytest.raises(EndOfFile):
            client.recv_exact(1)


def test_the_three_forms_cover_all_operations():
    assert FD_REPLIES | DATA_REPLIES | STATUS_REPLIES == set(Op)
