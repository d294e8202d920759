# SPDX-License-Identifier: MIT
"""A process of the helper is killed: nobody takes an end of file for an answer, and guests live on where they can."""

import collections
import contextlib
import errno
import os
import signal
import socket
import threading
import time

import pytest
from support import proc
from support.expect import descriptor, fails
from support.hanging import HangingFileSystem
from support.helper import Helper, wait_for
from support.mounts import ext4, frozen
from support.wire import FD_REPLIES, Client, EndOfFile, MalformedReply, Op, RemoteError, request

HANGING = {
    Op.OPEN: {"path": "//file", "flags": os.O_RDONLY},
    Op.CREATE: {"path": "//file", "flags": os.O_CREAT | os.O_RDWR, "mode": 0o600, "uid": 1000, "gid": 1001},
    Op.MKDIR: {"path": "//directory", "mode": 0o755, "uid": 1000, "gid": 1001},
    Op.LSTAT: {"path": "//file"},
}
CONFINEMENT = ["Name", "Uid", "Gid", "Groups", "Umask", "NoNewPrivs", "CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"]
DEATHS_MOST = 10  # that are made good, in a minute


def worker_of(helper):
    (pid,) = wait_for(helper.children, what="a worker")
    return pid


def kill_worker(helper):
    """Kills the worker; returns the next one's process id when there is one."""
    old = worker_of(helper)
    os.kill(old, signal.SIGKILL)

    def replaced():
        found = helper.children()
        return found[0] if found and found != [old] else None

    return wait_for(replaced, what="another worker")


def start_to_hang(helper, client, op=Op.OPEN):
    client.send(op, **HANGING[op])
    proc.wait_for_hanging(worker_of(helper))


def assert_ended(client):
    with pytest.raises((EndOfFile, ConnectionResetError, BrokenPipeError)):
        client.lstat("/")


def assert_answered_or_reset(client, op):
    """Nothing, or one whole answer, and then a reset; never an end of file."""
    with contextlib.suppress(ConnectionResetError):
        answer = client.recv(op)
        if op in FD_REPLIES:
            os.close(answer)
        client.expect_reset()


# The worker


def test_idle_clients_go_on_with_another_worker(helper):
    clients = [helper.connect() for _ in range(5)]
    for client in clients:
        client.lstat("/")
    first = proc.status(worker_of(helper))
    second = kill_worker(helper)
    for client in clients:
        with client:
            assert client.lstat("/").nlink >= 2
    for field in CONFINEMENT:
        assert proc.status(second)[field] == first[field]
    assert "killed by signal 9" in helper.log()


def test_new_clients_are_served_by_another_worker(helper):
    kill_worker(helper)
    with helper.connect() as client:
        assert client.lstat("/").nlink >= 2


@pytest.mark.parametrize("op", HANGING)
def test_request_in_flight_gets_eio_and_its_connection_goes_on(export, op):
    with HangingFileSystem(export) as file_system, Helper(export) as helper, helper.connect() as client:
        start_to_hang(helper, client, op)
        kill_worker(helper)
        with fails(errno.EIO):
            client.recv(op)
        assert client.lstat("/").nlink >= 2
        file_system.release()
        with fails(errno.ENOENT):
            client.open("//file")


def test_request_that_was_not_read_is_served_by_the_next_worker(helper, client):
    client.lstat("/")
    worker = worker_of(helper)
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: {proc.state(f"{worker}/task/{task}") for task in proc.threads(worker).values()} == {"T"}, what="a stop")
    client.send(Op.OPEN, path="/", flags=os.O_DIRECTORY)
    kill_worker(helper)
    with descriptor(client.recv_fd()) as fd:
        assert os.fstat(fd).st_nlink >= 2


def test_client_that_comes_while_there_is_no_worker_is_served(helper):
    """Whether the monitor looks at the client first, or at what is left of the worker."""
    for _ in range(DEATHS_MOST):
        worker = worker_of(helper)
        os.kill(helper.pid, signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        with helper.connect() as client:
            client.send(Op.LSTAT, path="/")
            os.kill(helper.pid, signal.SIGCONT)
            assert len(client.recv_data()) == 116


def test_client_that_leaves_while_there_is_no_worker_is_forgotten(export):
    with Helper(export, args=("--max-clients", "1")) as helper:
        with helper.connect() as client:
            client.lstat("/")
            os.kill(helper.pid, signal.SIGSTOP)
            os.kill(worker_of(helper), signal.SIGKILL)
        os.kill(helper.pid, signal.SIGCONT)
        wait_for(lambda: "gone after" in helper.log(), what="the end of the client")
        with helper.connect() as late:
            assert late.lstat("/").nlink >= 2


def test_descriptors_given_earlier_keep_working(helper, client, export):
    (export / "file").write_bytes(b"content")
    with descriptor(client.open("//file", os.O_RDWR)) as fd:
        kill_worker(helper)
        assert os.pread(fd, 100, 0) == b"content"
        assert os.pwrite(fd, b"changed", 0) == 7
        assert (export / "file").read_bytes() == b"changed"


@pytest.mark.parametrize("size", [1, 7, 8, 20])
def test_client_in_the_middle_of_a_message_is_answered_or_cut(helper, client, size):
    """Nobody can say later how much of it was taken. An end of file would be success to an OPEN."""
    message = request(Op.OPEN, path="/", flags=os.O_DIRECTORY)
    client.lstat("/")
    client.send_raw(message[:size])
    kill_worker(helper)
    try:
        client.send_raw(message[size:])
        os.close(client.recv_fd())
    except (RemoteError, ConnectionResetError, BrokenPipeError):
        pass
    with helper.connect() as other:
        assert other.lstat("/").nlink >= 2


def test_launchers_connected_socket_survives_and_ends_the_helper_later(export):
    ours, theirs = socket.socketpair()
    with Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        with Client(ours) as client:
            client.lstat("/")
            kill_worker(helper)
            assert client.lstat("/").nlink >= 2
        assert helper.wait() == 0


def run_load(helper, op, fields, outcomes, done):
    """Requests of one kind without a pause, on a new connection whenever one is lost."""
    client = helper.connect()
    while not done.is_set():
        try:
            reply = client.call(op, **fields)
            if op in FD_REPLIES:
                os.close(reply)
            outcomes[op, "served"] += 1
        except RemoteError as error:
            outcomes[op, errno.errorcode[error.errno]] += 1
        except (OSError, EOFError, MalformedReply) as error:
            outcomes[op, type(error).__name__] += 1
            client.close()
            client = helper.connect()
    client.close()


def test_death_under_load_ends_no_connection(export):
    """Wherever in a request it hits: between taking and noting it, or between answering and noting that."""
    (export / "file").write_text("content")
    requests = [(Op.OPEN, {"path": "//file", "flags": 0}), (Op.CHMOD, {"path": "//file", "mode": 0o600})] * 2
    outcomes, done = collections.Counter(), threading.Event()
    for _ in range(2):
        with Helper(export) as helper:
            done.clear()
            threads = [threading.Thread(target=run_load, args=(helper, *one, outcomes, done)) for one in requests]
            for thread in threads:
                thread.start()
            for _ in range(DEATHS_MOST):
                time.sleep(0.1)
                kill_worker(helper)
            time.sleep(0.1)
            done.set()
            for thread in threads:
                thread.join()
            assert helper.stop() == 0
    assert {outcome for _, outcome in outcomes} <= {"served", "EIO"}, outcomes


# The worker, too often


def test_deaths_that_do_not_end_end_the_service_with_status_1(export):
    with HangingFileSystem(export), Helper(export) as helper, helper.connect() as idle, helper.connect() as client:
        idle.lstat("/")
        for _ in range(DEATHS_MOST):
            start_to_hang(helper, client)
            kill_worker(helper)
            with fails(errno.EIO):
                client.recv_fd()
            assert idle.lstat("/").nlink >= 2
        assert helper.poll() is None

        start_to_hang(helper, client)
        os.kill(worker_of(helper), signal.SIGKILL)
        with fails(errno.EIO):
            client.recv_fd()
        assert helper.wait() == 1
        assert_ended(idle)
        assert not os.path.exists(helper.socket)
        assert "giving up" in helper.log()


def test_whoever_waits_is_answered_before_the_end(export):
    """Each in the form of its request; and nobody, also behind those, takes the end for an answer."""
    (export / "hanging").mkdir()
    requests = {op: {**fields, "path": "//hanging/name"} for op, fields in HANGING.items()}
    with contextlib.ExitStack() as stack:
        stack.enter_context(HangingFileSystem(export / "hanging"))
        helper = stack.enter_context(Helper(export, args=("--crash-limit", "0/60")))
        waiting = {op: stack.enter_context(helper.connect()) for op in requests}
        unread, idle, pipelined = (stack.enter_context(helper.connect()) for _ in range(3))
        for client in (unread, idle):
            client.lstat("/")
        for op, client in waiting.items():
            client.send(op, **requests[op])
        pipelined.send_raw(request(Op.OPEN, **requests[Op.OPEN]) + request(Op.LSTAT, path="/"))
        worker = worker_of(helper)
        proc.wait_for_hanging(worker, len(requests) + 1)
        os.kill(worker, signal.SIGSTOP)
        unread.send(Op.OPEN, path="/", flags=os.O_DIRECTORY)
        os.kill(worker, signal.SIGKILL)
        for op, client in (*waiting.items(), (Op.OPEN, pipelined)):
            with fails(errno.EIO):
                client.recv(op)
        assert helper.wait() == 1
        assert_answered_or_reset(unread, Op.OPEN)
        assert_answered_or_reset(pipelined, Op.LSTAT)
        for client in (*waiting.values(), idle):
            client.expect_reset()


def test_pause_before_another_worker_grows(helper, client):
    """From nothing for the first to 0.64 s for the eighth."""
    pauses = []
    for _ in range(8):
        begun = time.monotonic()
        kill_worker(helper)
        pauses.append(time.monotonic() - begun)
        client.lstat("/")
    assert min(pauses[:3]) < 0.3
    assert pauses[7] > 0.6 and pauses[6] > 0.3


@pytest.mark.parametrize(("limit", "deaths"), [("2/60", 3), ("0/60", 1)])
def test_limit_of_deaths_is_an_option(export, limit, deaths):
    with Helper(export, args=("--crash-limit", limit)) as helper, helper.connect() as client:
        client.lstat("/")
        for _ in range(deaths - 1):
            kill_worker(helper)
            client.lstat("/")
        os.kill(worker_of(helper), signal.SIGKILL)
        assert helper.wait() == 1
        assert f"has died {deaths} times in 60 seconds" in helper.log()


def test_stop_while_the_next_worker_is_put_off_takes_no_time(helper, client):
    """From the second on, workers are replaced after a while: whoever waits is answered all the same."""
    for _ in range(8):
        kill_worker(helper)
        client.lstat("/")
    os.kill(worker_of(helper), signal.SIGKILL)
    wait_for(lambda: helper.log().count("starting another worker") == 9, what="the ninth death to be noticed")
    assert helper.stop() == 0
    assert_ended(client)


@pytest.mark.parametrize("first", ["death", "signal"])
def test_request_in_flight_is_answered_when_the_end_comes_with_the_workers_death(export, first):
    with HangingFileSystem(export), Helper(export) as helper, helper.connect() as client:
        start_to_hang(helper, client)
        worker = worker_of(helper)
        os.kill(helper.pid, signal.SIGSTOP)
        if first == "signal":
            os.kill(helper.pid, signal.SIGTERM)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")
        if first == "death":
            os.kill(helper.pid, signal.SIGTERM)
        os.kill(helper.pid, signal.SIGCONT)
        with fails(errno.EIO):
            client.recv_fd()
        assert helper.wait() == 0


# The monitor


def kill_monitor(helper):
    """Returns the worker's process id."""
    worker = worker_of(helper)
    os.kill(helper.pid, signal.SIGKILL)
    assert helper.wait() == -signal.SIGKILL
    return worker


def test_worker_whose_monitor_was_killed_answers_and_ends(export, tmp_path):
    with ext4(export, tmp_path / "image"), Helper(export) as helper, helper.connect() as client:
        with helper.connect() as idle, frozen(export):
            idle.lstat("/")
            client.send(Op.CREATE, **HANGING[Op.CREATE])
            proc.wait_for_hanging(worker_of(helper))
            worker = kill_monitor(helper)
            assert_ended(idle)
        with descriptor(client.recv_fd()) as fd:
            assert os.fstat(fd).st_uid == 1000
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")


def test_worker_whose_monitor_was_killed_ends_every_connection_with_a_reset(export, tmp_path):
    """Never with an end of file, whatever its client is at; and what is in flight is answered first, in time."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(ext4(export, tmp_path / "image"))
        helper = stack.enter_context(Helper(export))
        stuck, other, idle, sending, pipelined = (stack.enter_context(helper.connect()) for _ in range(5))
        for client in (stuck, other, idle, sending, pipelined):
            client.lstat("/")
        message = request(Op.OPEN, path="/", flags=os.O_DIRECTORY)
        with frozen(export):
            stuck.send(Op.MKDIR, path="//stuck", mode=0o755, uid=0, gid=0)
            pipelined.send_raw(request(Op.CREATE, **HANGING[Op.CREATE]) + message)
            sending.send_raw(message[:10])
            worker = worker_of(helper)
            proc.wait_for_hanging(worker, 2)
            kill_monitor(helper)
            for client in (other, idle, sending):
                client.expect_reset()
        stuck.recv_status()
        os.close(pipelined.recv_fd())
        assert_answered_or_reset(pipelined, Op.OPEN)
        stuck.expect_reset()
        assert (export / "stuck").is_dir()
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")


@pytest.mark.parametrize("op", HANGING)
def test_worker_whose_monitor_was_killed_waits_for_no_request_for_ever(export, op):
    with HangingFileSystem(export), Helper(export) as helper, helper.connect() as client:
        start_to_hang(helper, client, op)
        worker = kill_monitor(helper)
        with fails(errno.EIO):
            client.recv(op)
        assert_ended(client)
        wait_for(lambda: proc.has_ended(worker), what="the worker's end")
