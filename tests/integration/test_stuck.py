# SPDX-License-Identifier: MIT
"""Requests that do not come back from the file system: what is told of them, and what restart-worker does about them.

A frozen ext4 keeps a thread beyond the reach of any signal: a process that is killed does not end then, nor is any of its
sockets closed, before the thread returns.
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import signal
import time

import pytest
from support import control, openmetrics, proc
from support.expect import descriptor, fails
from support.hanging import HangingFileSystem
from support.helper import Helper, wait_for
from support.mounts import frozen
from support.wire import Op

LONGER = 1.0  # s, than --stuck-after here
STUCK = ("--stuck-after", "1")

PTRACE_CONT, PTRACE_SEIZE, PTRACE_O_TRACEEXIT, WALL = 7, 0x4206, 0x40, 0x40000000


@pytest.fixture
def socket_path(run_directory):
    return run_directory / "control"


@pytest.fixture
def helper_arguments(socket_path):
    return ("--control", str(socket_path), *STUCK)


def worker_of(helper):
    """The one that serves; children that are left of others are older."""
    (pid,) = wait_for(lambda: [pid for pid in helper.children() if not proc.has_ended(pid)], what="one worker")
    return pid


def start_to_hang(helper, client, name="new"):
    before = len(proc.hanging_threads(worker_of(helper)))
    client.send(Op.MKDIR, uid=0, gid=0, path=f"//disk/{name}", mode=0o755)
    proc.wait_for_hanging(worker_of(helper), before + 1)


def gauge(socket_path):
    return openmetrics.parse(control.ask(socket_path, "metrics"))["virtfs_proxy_requests_stuck", ()]


def in_flight(socket_path):
    return [client["in_flight"] for client in control.status(socket_path)["clients"] if client["in_flight"]]


def restart(socket_path):
    done = control.run("--json", "restart-worker", socket_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def kept_from_dying(task):
    """A thread that is killed during the block stops just before it exits, until the end of the block; ptrace(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, task, None, PTRACE_O_TRACEEXIT) != 0:
        pytest.skip(f"cannot trace here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        os.waitpid(task, WALL)
        libc.ptrace(PTRACE_CONT, task, None, None)
        os.waitpid(task, WALL)


def wake_ups(*pids):
    """How often threads of these processes have gone to sleep so far."""
    return {
        (pid, task): proc.status(pid, task)["voluntary_ctxt_switches"]
        for pid in pids
        for task in proc.threads(pid).values()
    }


# What is told


def test_request_that_is_stuck_is_told_of_once_and_once_more_when_it_returns(disk, helper, client, socket_path):
    with frozen(disk):
        start_to_hang(helper, client, "a\nb")
        assert [flight["stuck"] for flight in in_flight(socket_path)] == [False]
        assert gauge(socket_path) == 0
        line = f'client pid {os.getpid()} ({proc.name(os.getpid())}), uid 0: its mkdir "//disk/a\\x0ab"'
        warning = re.escape(line) + r" has been in the file system for [1-5]\.\d s"
        wait_for(lambda: re.search(warning, helper.log()), what="the warning")
        assert [flight["stuck"] for flight in in_flight(socket_path)] == [True]
        assert "STUCK mkdir //disk/a\\x0ab for " in control.run("status", socket_path).stdout
        assert gauge(socket_path) == 1
        time.sleep(1.5 * LONGER)
        assert helper.log().count("in the file system") == 1
        assert "came back" not in helper.log()
    client.recv_status()
    took = wait_for(
        lambda: re.search(re.escape(line) + r" came back after (\d+\.\d) s", helper.log()), what="the second line"
    )
    assert 2.4 <= float(took[1]) < 10
    assert gauge(socket_path) == 0 and in_flight(socket_path) == []
    client.lstat("/")
    assert helper.log().count("came back") == 1


@pytest.mark.parametrize("silence", [0, 0.5], ids=["busy", "silent"])
def test_whatever_was_before(disk, helper, silence):
    """The first request of a client; one behind others that return; when ticks have ended and when they have not."""
    with helper.connect() as first, helper.connect() as second:
        for _ in range(100):
            second.lstat("/")
        time.sleep(silence)
        with frozen(disk):
            first.send(Op.MKDIR, uid=0, gid=0, path="//disk/first", mode=0o755)
            for number in range(20):
                second.send(Op.MKDIR, uid=0, gid=0, path=f"//{number}", mode=0o755)
            second.send(Op.MKDIR, uid=0, gid=0, path="//disk/second", mode=0o755)
            for _ in range(20):
                second.recv_status()
            wait_for(lambda: helper.log().count("has been in the file system for") == 2, what="both warnings")
        first.recv_status()
        second.recv_status()
        wait_for(lambda: helper.log().count("came back after") == 2, what="both returns")


@pytest.mark.parametrize("helper_arguments", [(*STUCK, "--threads", "1")])
def test_one_after_another_on_one_thread(disk, helper, client):
    for number in range(2):
        with frozen(disk):
            start_to_hang(helper, client, str(number))
            wait_for(lambda: helper.log().count("in the file system") == number + 1, what="the warning")
        client.recv_status()
        wait_for(lambda: helper.log().count("came back") == number + 1, what="the return")


@pytest.mark.parametrize("helper_arguments", [("--stuck-after", "0"), ()], ids=["never", "default"])
def test_request_that_is_not_stuck_for_long_enough_is_not_told_of(disk, helper, client):
    with frozen(disk):
        start_to_hang(helper, client)
        time.sleep(1.5 * LONGER)
    client.recv_status()
    client.lstat("/")
    assert "in the file system" not in helper.log() and "came back" not in helper.log()


@pytest.mark.parametrize("state", ["silent", "stuck"])
def test_neither_silent_clients_nor_those_that_are_known_to_be_stuck_cost_a_wake_up(disk, helper, state):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(helper.connect()) for _ in range(8)]
        for client in clients * 50:
            client.lstat("/")
        if state == "stuck":
            stack.enter_context(frozen(disk))
            clients[0].send(Op.LSTAT, path="/")  # what is left of it cannot be tidied away
            start_to_hang(helper, clients[0])
            clients[0].recv_data()
            wait_for(lambda: "in the file system" in helper.log(), what="the warning")
        time.sleep(1.5 * LONGER)
        before = wake_ups(helper.pid, worker_of(helper))
        time.sleep(2.5 * LONGER)
        assert wake_ups(helper.pid, worker_of(helper)) == before


# A worker that is replaced


def test_restart_worker_answers_who_waits_and_moves_the_others(disk, helper, socket_path):
    with contextlib.ExitStack() as stack:
        stuck, *others = [stack.enter_context(helper.connect()) for _ in range(4)]
        for client in (stuck, *others):
            client.lstat("/")
        opened = others[0].open("//disk", os.O_DIRECTORY)
        old = worker_of(helper)
        with frozen(disk):
            start_to_hang(helper, stuck)
            done = restart(socket_path)
            assert done == {"killed": old, "started": worker_of(helper), "hanging": 1, "moved": 4, "answered": 1, "cut": 0}
            with fails(errno.EIO):
                stuck.recv_status()
            for client in (stuck, *others) * 10:
                assert client.lstat("//disk").nlink == 3
            assert proc.state(old) == "Z" and len(helper.children()) == 2  # what is left of it
        with descriptor(opened) as fd:
            assert os.fstat(fd).st_nlink >= 3
        wait_for(lambda: helper.children() == [done["started"]], what="the end of the old worker")
        wait_for(lambda: "which hung in the file system, has ended" in helper.log(), what="the log")
        stuck.lstat("//disk/new")  # it may have taken effect; here it has
        assert control.status(socket_path)["worker_restarts"] == 1


def test_restart_worker_while_every_thread_is_stuck(disk, export, socket_path):
    with Helper(export, args=("--control", str(socket_path), "--threads", "2")) as helper, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(helper.connect()) for _ in range(6)]
        with frozen(disk):
            for number, client in enumerate(clients[:2]):
                start_to_hang(helper, client, str(number))
            for client in clients[2:]:
                client.send(Op.LSTAT, path="/")
            text = control.run("restart-worker", socket_path).stdout
            assert "threads of it that stay in the kernel: 2\n" in text
            assert "moved over: 6; requests that were answered with an I/O error: 2; connections cut: 0\n" in text
            for client in clients[:2]:
                with fails(errno.EIO):
                    client.recv_status()
            for client in clients[2:]:
                assert len(client.recv_data()) == 116
        for number in range(2):
            wait_for(lambda: (disk / str(number)).is_dir(), what="what was on its way")  # noqa: B023
        wait_for(lambda: len(helper.children()) == 1, what="the end of the old worker")


def test_restart_worker_again_and_again_is_no_crash(disk, export, socket_path):
    args = ("--control", str(socket_path), "--crash-limit", "0/60")
    with Helper(export, args=args) as helper, helper.connect() as client:
        with frozen(disk):
            for number in range(3):
                start_to_hang(helper, client, str(number))
                assert restart(socket_path)["hanging"] == 1
                with fails(errno.EIO):
                    client.recv_status()
            assert len(helper.children()) == 4
            client.lstat("//disk")
        wait_for(lambda: len(helper.children()) == 1, what="the end of three workers")
        client.lstat("//disk/2")


def test_restart_worker_with_nothing_to_do(helper, client, socket_path):
    client.lstat("/")
    old = worker_of(helper)
    assert restart(socket_path) == {
        "killed": old, "started": worker_of(helper), "hanging": 0, "moved": 1, "answered": 0, "cut": 0
    }  # fmt: skip
    client.lstat("/")


def test_restart_worker_where_killing_helps(export, socket_path):
    (export / "hanging").mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(HangingFileSystem(export / "hanging"))
        helper = stack.enter_context(Helper(export, args=("--control", str(socket_path))))
        client = stack.enter_context(helper.connect())
        client.send(Op.OPEN, path="//hanging/file", flags=os.O_RDONLY)
        proc.wait_for_hanging(worker_of(helper))
        done = restart(socket_path)
        assert (done["hanging"], done["answered"]) == (0, 1)
        with fails(errno.EIO):
            client.recv_fd()
        client.lstat("/")


def test_restart_worker_tells_who_is_cut(helper, client, socket_path):
    """In the middle of a message that its worker had begun to take."""
    client.lstat("/")
    client.send_raw(b"\x07\x00\x00\x00\x10")
    wait_for(lambda: control.status(socket_path)["clients"][0]["requests"] == 1, what="the first request")
    time.sleep(0.2)
    done = restart(socket_path)
    assert (done["moved"], done["cut"]) == (0, 1)
    with pytest.raises(ConnectionResetError):
        client.recv_status()
    wait_for(lambda: "in the middle of its message or reply" in helper.log(), what="the log")


@pytest.mark.parametrize("how", ["restart-worker", "kill"])
def test_nobody_answers_in_the_place_of_a_thread_that_might(helper, client, socket_path, how):
    """One that is neither dead nor in the state D when it was killed: here, a tracer keeps it from dying."""
    client.lstat("/")
    old = worker_of(helper)
    with kept_from_dying(proc.reactors(old)["vph-reactor-1"]):
        if how == "kill":
            os.kill(old, signal.SIGKILL)
        else:
            done = control.run("restart-worker", socket_path)
            assert done.stdout.startswith(f"worker {old} was killed, but still works in the kernel")
        client.send(Op.LSTAT, path="/")
        time.sleep(0.5)
        assert helper.children() == [old]
    assert len(client.recv_data()) == 116
    assert worker_of(helper) != old


def test_worker_that_is_killed_while_a_thread_hangs_is_replaced(disk, helper):
    """By whomever: kill -9, or the kernel for want of memory."""
    with helper.connect() as stuck, helper.connect() as other:
        other.lstat("/")
        with frozen(disk):
            for number in range(2):
                old = worker_of(helper)
                start_to_hang(helper, stuck, str(number))
                os.kill(old, signal.SIGKILL)
                with fails(errno.EIO):
                    stuck.recv_status()
                assert other.lstat("//disk").nlink == 3
                assert proc.state(old) == "Z"
        wait_for(lambda: len(helper.children()) == 1, what="the end of both workers")
        assert other.lstat("//disk/1").nlink == 2
        assert helper.log().count("starting another worker") == 2


def test_end_is_noticed_although_sockets_are_held_by_what_is_left(disk, export, socket_path):
    """A request that nobody will answer must fail when it is sent."""
    with contextlib.ExitStack() as stack:
        helper = stack.enter_context(Helper(export, args=("--control", str(socket_path))))
        stuck, other, offender = (stack.enter_context(helper.connect()) for _ in range(3))
        other.lstat("/")
        with frozen(disk):
            start_to_hang(helper, stuck)
            restart(socket_path)
            with fails(errno.EIO):
                stuck.recv_status()
            offender.send_raw(b"\xff" * 8)
            wait_for(lambda: "its connection is cut" in helper.log(), what="the offender's end")
            wait_for(lambda: len(control.status(socket_path)["clients"]) == 2, what="the offender's end")
            assert helper.stop() == 0
            for client in (stuck, other, offender):
                with pytest.raises((BrokenPipeError, ConnectionResetError)):
                    client.lstat("/")


def test_stop_does_not_wait_for_what_is_left(disk, export, socket_path):
    with Helper(export, args=("--control", str(socket_path))) as helper, helper.connect() as client, frozen(disk):
        start_to_hang(helper, client)
        restart(socket_path)
        with fails(errno.EIO):
            client.recv_status()
        client.lstat("/")
        begun = time.monotonic()
        assert helper.stop() == 0
        assert time.monotonic() - begun < 2
