# SPDX-License-Identifier: MIT
"""Clients that hang up at the wrong moment, or never read their replies: nobody else may notice, nothing may leak."""

import contextlib
import errno
import os
import select
import socket
import struct

import pytest
from support.examples import EXAMPLES, prepare
from support.helper import Helper, open_files, wait_for
from support.mounts import tmpfs
from support.wire import Client, Op, RemoteError, message, request

MEMORY_GROWTH_MAX = 16 << 20


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    prepare(path)
    return path


@pytest.fixture
def helper_arguments():
    """All clients on one thread, where it is hardest for a rude one to stop nobody but itself."""
    return ("--threads", "1")


@pytest.fixture
def memory(export):
    """A tmpfs below the export, with a file that takes attributes of 64 KiB, as it does since Linux 6.6."""
    (export / "memory").mkdir()
    with tmpfs(export / "memory") as path:
        (path / "file").touch()
        try:
            os.setxattr(path / "file", "user.name", b"x" * 65536)
        except OSError as error:
            pytest.skip(f"tmpfs has no user attributes of 64 KiB on this kernel: {error}")
        yield path


def processes(helper):
    return [helper.pid, *helper.children()]


def descriptors(helper):
    """How many sockets and files each process of the helper holds, while it has one client more.

    Not counted is what a reactor has of its own: reactors are started when they are needed, and stay.
    """
    with helper.connect() as probe:
        assert_alive(probe)
        return [
            sum(not target.startswith(("anon_inode:", "pipe:")) for target in open_files(pid))
            for pid in processes(helper)
        ]


def private_memory(helper):
    """Bytes of memory that the helper's processes have to themselves."""
    total = 0
    for pid in processes(helper):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
    return total << 10


@pytest.fixture
def unchanged_descriptors(helper):
    """What the helper held before the test, it holds again some moments after it."""
    before = descriptors(helper)
    yield
    wait_for(lambda: descriptors(helper) == before, what=f"{before} descriptors again")


def assert_alive(client):
    assert client.lstat("//file").nlink == 1


def fill(client, stream, step):
    """Sends copies of `stream` until the helper takes no more for a while; returns how many bytes it took."""
    client.sock.setblocking(False)
    poller = select.poll()
    poller.register(client.sock, select.POLLOUT)
    sent = 0
    while poller.poll(300):
        try:
            offset = sent % len(stream)
            sent += client.sock.send(stream[offset : offset + step])
        except BlockingIOError:
            continue
        assert sent < 64 << 20, "a client that reads nothing is served without end"
    client.sock.settimeout(10)
    return sent


def test_open_and_close_leave_no_descriptor(unchanged_descriptors, helper):
    with helper.connect() as client:
        for _ in range(300):
            os.close(client.open("//file"))
            os.close(client.create("//created"))
            with pytest.raises(RemoteError):
                client.open("//missing")
            client.getversion("//file")


def test_two_hundred_connections_one_after_another(unchanged_descriptors, helper):
    for _ in range(200):
        with helper.connect() as client:
            assert_alive(client)


def test_connections_that_say_nothing(unchanged_descriptors, helper, client):
    silent = [helper.connect() for _ in range(100)]
    for connection in silent:
        connection.close()
    assert_alive(client)
    client.close()


def test_hang_up_at_every_byte_of_a_message(unchanged_descriptors, helper):
    whole = request(Op.CREATE, **EXAMPLES[Op.CREATE])
    with helper.connect() as client:
        for length in range(len(whole)):
            with helper.connect() as offender:
                offender.send_raw(whole[:length])
            assert_alive(client)
        with pytest.raises(RemoteError) as caught:
            client.lstat("//created")
        assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("op", [Op.LSTAT, Op.OPEN, Op.CHMOD])
def test_hang_up_without_reading_the_reply(unchanged_descriptors, helper, op):
    with helper.connect() as client:
        for count in (1, 2, 50):
            with helper.connect() as offender:
                offender.send_raw(request(op, **EXAMPLES[op]) * count)
            assert_alive(client)


def test_hang_up_in_the_middle_of_a_large_message(unchanged_descriptors, helper):
    with helper.connect() as client:
        for length in (8, 4096, 65535):
            with helper.connect() as offender:
                offender.send_raw(message(Op.LSETXATTR, b"x" * length, 65536))
            assert_alive(client)


def test_client_that_never_reads_is_held_back_and_then_served(unchanged_descriptors, helper):
    with helper.connect() as client, helper.connect() as greedy:
        assert_alive(client)
        before = private_memory(helper)
        single = request(Op.LSTAT, path="//file")
        sent = fill(greedy, single * 1000, 65536)
        assert sent // len(single) > 1000
        for _ in range(100):
            assert_alive(client)
        assert private_memory(helper) - before < MEMORY_GROWTH_MAX
        for _ in range(sent // len(single)):
            payload = greedy.recv_data()
            assert len(payload) == 116
        rest = sent % len(single)
        greedy.send_raw(single[rest:] if rest else single)
        assert len(greedy.recv_data()) == 116
        assert_alive(greedy)


@pytest.mark.parametrize("room", [1, 10000, 40000])
def test_replies_that_do_not_fit_are_sent_in_pieces(memory, export, room):
    """On a socket with little room, and a reader that takes a little at a time: no piece may be lost or doubled."""
    value = os.urandom(60000)
    os.setxattr(memory / "file", "user.name", value)
    expected = struct.pack("=IIH", 0, 2 + len(value), len(value)) + value
    client_end, helper_end = socket.socketpair()
    helper_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
    with Helper(export, fd=helper_end.fileno()) as helper, Client(client_end) as client:
        helper_end.close()
        client.send_raw(request(Op.LGETXATTR, size=65536, path="//memory/file", name="user.name") * 5)
        for _ in range(5):
            assert b"".join(client.recv_exact(10001) for _ in range(6)) + client.recv_exact(4) == expected
        assert_alive(client)
        client.close()
        assert helper.wait() == 0


def test_client_that_takes_no_descriptors(unchanged_descriptors, helper):
    single = request(Op.OPEN, path="//file", flags=os.O_RDONLY)
    with helper.connect() as client, helper.connect() as greedy:
        sent = fill(greedy, single * 1000, 65536)
        for _ in range(100):
            assert_alive(client)
            os.close(client.open("//file"))
        assert max(descriptors(helper)) < 100
        for _ in range(sent // len(single)):
            os.close(greedy.recv_fd())


def test_client_that_takes_no_descriptors_and_leaves(unchanged_descriptors, helper):
    with helper.connect() as client:
        with helper.connect() as greedy:
            fill(greedy, request(Op.OPEN, path="//file", flags=os.O_RDONLY) * 1000, 65536)
        assert_alive(client)


def is_cut_with(client, data, descriptors):
    """Whether descriptors that are sent along cut a client; where the kernel forbids sending them (6.16) they do not."""
    try:
        socket.send_fds(client.sock, [data], descriptors)
    except PermissionError:
        client.send_raw(data)
        assert client.recv_reply_raw()
        return False
    with pytest.raises(ConnectionResetError):
        client.recv_data()
    return True


def test_descriptor_sent_to_the_helper_is_not_kept(unchanged_descriptors, helper):
    """The other end of a pipe whose writing end was sent along reaches its end of file: nobody holds it."""
    reader, writer = os.pipe()
    with helper.connect() as client, helper.connect() as split:
        whole = request(Op.LSTAT, path="/")
        cut = is_cut_with(client, whole, [writer] * 50)
        split.send_raw(whole[:-1])
        assert is_cut_with(split, whole[-1:], [writer]) == cut
        os.close(writer)
        assert select.select([reader], [], [], 10)[0]
        assert os.read(reader, 1) == b""
    os.close(reader)
    assert ("it sent a descriptor" in helper.log()) == cut


def test_own_socket_sent_to_the_helper_does_not_outlive_its_client(unchanged_descriptors, helper):
    """In a queue that is never emptied, it would keep the connection open after everybody has closed it."""
    whole = request(Op.LSTAT, path="//file")
    for _ in range(20):
        with helper.connect() as offender:
            offender.send_raw(whole[:-1])
            with contextlib.suppress(PermissionError):  # Linux 6.16
                socket.send_fds(offender.sock, [whole[-1:]], [offender.sock.fileno()])
