# SPDX-License-Identifier: MIT
"""virtfs-proxyctl trace: it changes nothing of what passes, an end or a reset neither, and prints all of it."""

import array
import contextlib
import os
import signal
import socket
import stat
import struct

import pytest
from support import proxyctl
from support.examples import EXAMPLES, prepare
from support.helper import holds_listener, wait_for
from support.wire import Client, EndOfFile, Op, close_all, message, request

FOLLOWS = struct.pack("=i", 0x7FFFFFFF)


@pytest.fixture
def trace(helper, run_directory):
    with proxyctl.Trace(run_directory, helper.socket) as running:
        yield running


class Liar:
    """A helper by hand: whoever connects to the trace is found here, as `peer`."""

    def __init__(self, directory, stack):
        self.listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        self.listener.bind(str(directory / "real"))
        self.listener.listen()
        self.trace = stack.enter_context(proxyctl.Trace(directory, directory / "real"))
        self.client = stack.enter_context(Client.connect(self.trace.socket))
        self.peer = stack.enter_context(self.listener.accept()[0])
        self.peer.settimeout(10)

    def expect(self, data):
        got = b""
        while len(got) < len(data):
            got += self.peer.recv(len(data) - len(got))
        assert got == data


@pytest.fixture
def liar(run_directory):
    with contextlib.ExitStack() as stack:
        yield Liar(run_directory, stack)


def send_descriptor(sock, data, fd):
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


# What passes


def test_each_operation(export, helper, trace):
    prepare(export)
    with Client.connect(trace.socket) as client:
        for op in Op:
            result = client.call(op, **EXAMPLES[op])
            if isinstance(result, int):
                os.close(result)
    for op in Op:
        assert trace.lines(f"1 {op.name.lower()}(")[0].endswith(" us")
    assert not trace.lines("connected")[0].endswith(" us")
    assert " = ENO" not in trace.printed() and "no reply" not in trace.printed()


def test_the_descriptor_is_the_files(export, trace):
    (export / "file").write_bytes(b"content")
    with Client.connect(trace.socket) as client:
        fd = client.open("//file", os.O_RDWR)
        assert os.read(fd, 100) == b"content"
        os.close(fd)
    assert '1 open(path="//file", flags=O_RDWR) = descriptor (regular file)' in trace.lines("open(")[0]


def test_the_trace_keeps_no_descriptor(export, trace):
    (export / "file").touch()
    with Client.connect(trace.socket) as client:
        client.lstat("//file")
        before = count_open(trace.pid)
        for _ in range(20):
            os.close(client.open("//file"))
        trace.lines("open(", 20)
        assert count_open(trace.pid) == before


def count_open(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_pipelined_replies_stay_apart(export, trace):
    """The int of a descriptor reply comes alone with its descriptor, whatever is behind and before it."""
    (export / "file").touch()
    requests = [request(Op.LSTAT, path="//file"), request(Op.OPEN, path="//file", flags=0), request(Op.OPEN, path="/", flags=0)]
    with Client.connect(trace.socket) as client:
        client.send_raw(b"".join(requests * 20))
        for _ in range(20):
            client.recv(Op.LSTAT)
            for kind in (stat.S_ISREG, stat.S_ISDIR):
                data, descriptors = client.receive(4)
                assert data == FOLLOWS and len(descriptors) == 1
                assert kind(os.fstat(descriptors[0]).st_mode)
                close_all(descriptors)
    assert len(trace.lines("open(", 40)) == 40


def test_a_descriptor_reply_is_not_joined_with_what_follows(liar):
    liar.client.send_raw(request(Op.OPEN, path="/", flags=0) + request(Op.LSTAT, path="/missing"))
    liar.expect(request(Op.OPEN, path="/", flags=0) + request(Op.LSTAT, path="/missing"))
    with open("/dev/null", "rb") as null:
        os.kill(liar.trace.pid, signal.SIGSTOP)  # so that it finds all of it at once
        send_descriptor(liar.peer, FOLLOWS, null.fileno())
        liar.peer.send(struct.pack("=IIi", 1, 4, -2))
        os.kill(liar.trace.pid, signal.SIGCONT)
    liar.trace.lines("ENOENT")
    data, descriptors = liar.client.receive(100)  # room for both: a joined one would fill it
    close_all(descriptors)
    assert (data, len(descriptors)) == (FOLLOWS, 1)


def test_a_descriptor_reply_is_not_joined_with_what_came_before(liar):
    liar.client.send_raw(request(Op.LSTAT, path="/missing") + request(Op.OPEN, path="/", flags=0))
    liar.expect(request(Op.LSTAT, path="/missing") + request(Op.OPEN, path="/", flags=0))
    with open("/dev/null", "rb") as null:
        os.kill(liar.trace.pid, signal.SIGSTOP)
        liar.peer.send(struct.pack("=IIi", 1, 4, -2))
        send_descriptor(liar.peer, FOLLOWS, null.fileno())
        os.kill(liar.trace.pid, signal.SIGCONT)
    liar.trace.lines("open(")
    with pytest.raises(OSError, match="No such file"):
        liar.client.recv(Op.LSTAT)
    os.close(liar.client.recv_fd())


def test_a_big_request_in_pieces(liar):
    data = request(Op.LSETXATTR, path="/f", name="user.v", value=b"v" * 60000, size=60000, flags=0)
    for at in range(0, len(data), 997):
        liar.client.send_raw(data[at : at + 997])
        liar.expect(data[at : at + 997])  # each piece passes when it comes
    liar.peer.send(struct.pack("=IIi", 0, 4, 0))
    liar.client.recv(Op.LSETXATTR)
    (line,) = liar.trace.lines("lsetxattr(")
    assert 'value="' + "v" * 60000 + '", size=60000, flags=0) = 0' in line


def test_a_big_reply_in_pieces(liar):
    liar.client.send(Op.LGETXATTR, size=65536, path="/f", name="user.v")
    liar.peer.recv(1000)
    reply = message(0, struct.pack("=H", 60000) + b"v" * 60000)
    for at in range(0, len(reply), 1009):
        liar.peer.send(reply[at : at + 1009])
        assert liar.client.recv_exact(len(reply[at : at + 1009])) == reply[at : at + 1009]
    assert 'value="' + "v" * 60000 in liar.trace.lines("lgetxattr(")[0]


def test_more_than_the_sockets_hold(export, trace):
    """Neither side reads for a while; nothing is lost, and nothing overtakes."""
    count = 20000
    with Client.connect(trace.socket) as client, client.sock.dup() as sender:
        sender.setblocking(False)
        data = memoryview(request(Op.LSTAT, path="/") * count)
        sent = answered = 0
        while answered < count:
            with contextlib.suppress(BlockingIOError):
                sent += sender.send(data[sent : sent + 100000]) if sent < len(data) else 0
                if sent < len(data):
                    continue
            client.recv(Op.LSTAT)
            answered += 1
    assert len(trace.lines("lstat(", count)) == count


def test_several_clients(export, trace):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client.connect(trace.socket)) for _ in range(5)]
        for number, client in enumerate(clients, 1):
            client.mkdir(f"//{number}")
        for number, client in enumerate(reversed(clients), 1):
            client.lstat(f"//{number}")
    for number in range(1, 6):
        assert trace.lines(f'{number} mkdir(uid=0, gid=0, path="//{number}"')
        assert trace.lines(f'{number} lstat(path="//{6 - number}"')
        assert trace.lines(f"{number} ended its connection")
    assert sorted(os.listdir(export)) == list("12345")


def test_a_stuck_client_delays_nobody(liar):
    liar.client.send(Op.LSTAT, path="/")
    with Client.connect(liar.trace.socket) as other, liar.listener.accept()[0] as peer:
        other.send(Op.MKDIR, uid=0, gid=0, path="/d", mode=0)
        peer.recv(100)
        peer.send(struct.pack("=IIi", 0, 4, 0))
        other.recv(Op.MKDIR)


# Ends


def test_the_clients_end_is_the_helpers(liar):
    liar.client.send(Op.LSTAT, path="/")
    liar.expect(request(Op.LSTAT, path="/"))
    liar.peer.send(struct.pack("=IIi", 1, 4, -2))
    with pytest.raises(OSError, match="No such file"):
        liar.client.recv(Op.LSTAT)
    liar.client.close()
    assert liar.peer.recv(1) == b""
    assert liar.trace.lines("1 ended its connection")


def test_a_client_that_only_ends_its_direction_still_gets_its_reply(liar):
    liar.client.send(Op.READLINK, path="/", size=9)
    liar.client.sock.shutdown(socket.SHUT_WR)
    liar.expect(request(Op.READLINK, path="/", size=9))
    assert liar.peer.recv(1) == b""
    liar.peer.send(message(0, b"\1\0x"))
    assert liar.client.recv(Op.READLINK) == b"\1\0x"
    liar.peer.close()
    with pytest.raises(EndOfFile):
        liar.client.receive(1)


def test_the_clients_reset_is_the_helpers(liar):
    liar.client.send(Op.LSTAT, path="/")
    liar.expect(request(Op.LSTAT, path="/"))
    liar.peer.send(struct.pack("=IIi", 1, 4, -2))
    liar.trace.lines("ENOENT")
    liar.client.close()  # with the reply unread
    with pytest.raises(ConnectionResetError):
        liar.peer.recv(1)
    assert liar.trace.lines("1 reset its connection")


def test_the_helpers_end_is_the_clients(liar):
    liar.client.send(Op.LSTAT, path="/")
    liar.expect(request(Op.LSTAT, path="/"))
    liar.peer.close()
    with pytest.raises(EndOfFile):
        liar.client.receive(1)
    assert "lstat(path=\"/\") = (no reply)" in liar.trace.lines("no reply")[0]
    assert liar.trace.lines("1 was ended by the helper")


def test_the_helpers_reset_is_the_clients(liar):
    liar.client.send(Op.OPEN, path="/", flags=0)
    assert liar.peer.recv(3)
    liar.trace.lines("connected")
    liar.peer.close()  # with most of the request unread
    liar.client.expect_reset()
    assert liar.trace.lines("1 was reset by the helper")


def test_a_reply_comes_before_the_reset(liar):
    liar.client.send(Op.MKDIR, uid=0, gid=0, path="/", mode=0)
    liar.client.send(Op.MKDIR, uid=0, gid=0, path="/", mode=0)
    wait_for(lambda: len(liar.peer.recv(100, socket.MSG_PEEK)) == 46)
    assert liar.peer.recv(23)
    liar.peer.send(struct.pack("=IIi", 0, 4, 0))
    liar.peer.close()
    liar.client.recv(Op.MKDIR)
    liar.client.expect_reset()


def test_a_real_cut(helper, trace):
    with Client.connect(trace.socket) as client:
        client.lstat("/")
        client.send_raw(message(99, b"x"))
        client.expect_reset()
    assert trace.lines("1 sent what is no request")
    assert trace.lines("1 was reset by the helper")


def test_a_request_that_is_answered_with_an_errno_of_the_protocol(trace):
    with Client.connect(trace.socket) as client:
        client.send_raw(message(Op.LSTAT, b""))
        with pytest.raises(OSError, match="No buffer space"):
            client.recv(Op.LSTAT)
        client.lstat("/")
    assert "1 lstat = ENOBUFS: " in trace.lines("ENOBUFS")[0]


@pytest.mark.parametrize("reply", [message(7, b"abc"), message(0, b"abc"), b"\0" * 8])
def test_a_reply_that_makes_no_sense_passes_as_it_is(liar, reply):
    liar.client.send(Op.LSTAT, path="/")
    liar.expect(request(Op.LSTAT, path="/"))
    liar.peer.send(reply)
    assert liar.client.recv_exact(len(reply)) == reply
    liar.trace.lines("no reply" if reply[0] else "makes no sense")
    liar.peer.send(b"more")
    assert liar.client.recv_exact(4) == b"more"


def test_nobody_asked_for_it(liar):
    with open("/dev/null", "rb") as null:
        send_descriptor(liar.peer, b"abcd", null.fileno())
    data, received = b"", 0
    while len(data) < 4:
        more, descriptors = liar.client.receive(4 - len(data))
        close_all(descriptors)
        data, received = data + more, received + len(descriptors)
    assert (data, received) == (b"abcd", 1)
    assert liar.trace.lines("1 was sent what is no reply")


# The trace itself


def test_a_helper_that_is_not_there_resets(run_directory):
    """A client must not see an end of file, which QEMU takes for success."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(run_directory / "real"))
        with proxyctl.Trace(run_directory, run_directory / "real") as trace, Client.connect(trace.socket) as client:
            trace.lines("cannot connect")
            client.send(Op.OPEN, path="/", flags=0)
            client.expect_reset()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(helper, run_directory, how):
    trace = proxyctl.Trace(run_directory, helper.socket)
    with Client.connect(trace.socket) as client:
        client.lstat("/")
        assert trace.stop(how) == 0
        client.expect_reset()
    assert not trace.socket.exists()
    with helper.connect() as client:
        client.lstat("/")


def test_it_removes_no_name_of_others(helper, run_directory):
    trace = proxyctl.Trace(run_directory, helper.socket)
    trace.socket.unlink()  # as QEMU does
    trace.socket.touch()
    assert trace.stop() == 0
    assert trace.socket.exists()


def test_whoever_may_reach_the_helper_may_reach_the_trace(helper, run_directory):
    os.chown(helper.socket, 7, 8)
    os.chmod(helper.socket, 0o620)
    with proxyctl.Trace(run_directory, helper.socket) as trace:
        seen = trace.socket.stat()
        assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (7, 8, 0o620)


def test_a_name_that_is_taken(helper, run_directory):
    (run_directory / "taken").touch()
    done = proxyctl.run("trace", run_directory / "taken", helper.socket, status=proxyctl.TRANSPORT)
    assert b"Address already in use" in done.stderr
    assert (run_directory / "taken").exists()


def test_no_helper_to_stand_in_for(run_directory):
    done = proxyctl.run("trace", run_directory / "s", run_directory / "missing", status=proxyctl.TRANSPORT)
    assert b"No such file" in done.stderr
    assert not (run_directory / "s").exists()


def test_it_ends_when_nobody_reads_what_it_prints(helper, run_directory):
    ours, theirs = os.pipe()
    socket_name = run_directory / "t"
    trace = proxyctl.subprocess.Popen([proxyctl.CTL, "trace", str(socket_name), helper.socket], stdout=theirs)
    os.close(theirs)
    wait_for(lambda: holds_listener(trace.pid))
    os.close(ours)
    with Client.connect(socket_name):
        assert trace.wait(proxyctl.TIMEOUT) == proxyctl.TRANSPORT
    assert not socket_name.exists()


def test_objects(export, helper, run_directory):
    (export / "file").write_bytes(b"x")
    with proxyctl.Trace(run_directory, helper.socket, "--json") as trace:
        with Client.connect(trace.socket) as client:
            os.close(client.open("//file"))
            with pytest.raises(OSError):
                client.lstat(b"//missing\xff\n\x1b")
        trace.lines("ended its connection")
        printed = proxyctl.parse(trace.printed().encode())
    assert [one.get("operation", one.get("event", "").split(",")[0]) for one in printed] == [
        "connected", "open", "lstat", "ended its connection"
    ]  # fmt: skip
    assert all(one["client"] == 1 for one in printed)
    assert printed[1]["descriptor"] == "regular file" and printed[1]["us"] >= 0
    assert printed[2]["error"] == "ENOENT"
    assert bytes.fromhex(printed[2]["request"]["path_hex"]) == b"//missing\xff\n\x1b"
