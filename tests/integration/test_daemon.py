# SPDX-License-Identifier: MIT
"""As a daemon: the caller goes on when clients can connect, not before, and nothing of the caller's is kept."""

import os
import re
import socket
import stat
import struct

import pytest
from support import proc
from support.helper import wait_for
from support.launch import Daemon, under_number
from support.wire import Client


CREDENTIALS = struct.Struct("=iII")  # pid, uid, gid


@pytest.fixture
def daemon(export, run_directory):
    """A daemon that serves `export` on the socket `s`."""
    with Daemon("--path", export, "--socket", run_directory / "s") as running:
        yield running


def assert_serves(client, export):
    with client:
        assert client.lstat("/").ino == export.stat().st_ino


def test_socket_accepts_as_soon_as_the_caller_goes_on(export, run_directory):
    name = run_directory / "s"
    for _ in range(20):
        with Daemon("--path", export, "--socket", name) as daemon:
            assert_serves(Client.connect(name), export)
            assert daemon.stop() == 0
        assert os.listdir(run_directory) == []


def test_relative_names_mean_the_callers_directory(export, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Daemon("-p", "../export", "-s", "s", cwd=elsewhere) as daemon:
        assert_serves(Client.connect(elsewhere / "s"), export)
        os.unlink(elsewhere / "s")
        assert daemon.stop() == 0


def test_relative_name_is_put_back_where_it_was(export, tmp_path):
    with Daemon("-p", "export", "-s", "./s", cwd=tmp_path) as daemon:
        (tmp_path / "s").unlink()
        wait_for((tmp_path / "s").exists, what="the socket's name")
        assert_serves(Client.connect(tmp_path / "s"), export)
        assert daemon.stop() == 0
    assert not (tmp_path / "s").exists()


def test_caller_gets_what_the_daemon_said_at_its_start_and_its_stdio_back(daemon):
    """That Daemon() returned says that nobody holds the caller's pipes any more."""
    assert "serving" in daemon.output
    monitor = proc.descriptors(daemon.pid)
    assert {monitor[fd] for fd in (0, 1, 2)} == {"/dev/null"}
    worker = proc.descriptors(daemon.worker())
    assert {worker[fd] for fd in (0, 1)} == {"/dev/null"}
    assert worker[2].startswith("pipe:"), "the worker's log, which the monitor reads"


def test_session_and_working_directory_are_its_own(daemon, export):
    for pid in (daemon.pid, daemon.worker()):
        assert os.getsid(pid) == daemon.pid
    assert os.readlink(f"/proc/{daemon.pid}/cwd") == "/"
    assert os.readlink(f"/proc/{daemon.worker()}/cwd") == "/"


def test_daemon_is_who_accepts(daemon, run_directory):
    """Whoever looks for the daemon behind the socket finds it: SO_PEERCRED, unix(7)."""
    with Client.connect(run_directory / "s") as client:
        peer = client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    assert CREDENTIALS.unpack(peer)[0] == daemon.pid


def daemon_with(inherited, fd, export):
    """A daemon that finds the socket `inherited` under the number `fd`."""
    with under_number(fd, inherited) as options:
        return Daemon("--path", export, "--fd", fd, **options)


@pytest.mark.parametrize("fd", [0, 1, 2, 9])
def test_connected_socket_as_any_descriptor(export, fd):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with daemon_with(theirs, fd, export) as daemon:
            theirs.close()
            assert os.readlink(f"/proc/{daemon.pid}/cwd") == "/"
            assert_serves(Client(ours), export)
            assert daemon.wait() == 0


@pytest.mark.parametrize("fd", [0, 1, 2, 9])
def test_listening_socket_as_any_descriptor(export, tmp_path, fd):
    name = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(name))
        listener.listen()
        with daemon_with(listener, fd, export) as daemon:
            listener.close()
            assert_serves(Client.connect(name), export)
            assert_serves(Client.connect(name), export)
            assert daemon.stop() == 0
    assert stat.S_ISSOCK(os.lstat(name).st_mode), "it was not the helper who gave it its name"


# syslog(3): <facility "daemon" and level> date program[pid]: text
SYSLOG_LINE = re.compile(rb"<(\d+)>\w{3} [ \d]\d [\d:]{8} virtfs-proxy-helper\[(\d+)\]: (.*)")
DAEMON, WARNING, INFO = 3 << 3, 4, 6


def test_it_logs_to_syslog(export, run_directory, tmp_path):
    """Each line with its level, from when the caller has gone on; also what the worker says."""
    script = f'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s {tmp_path}/log /dev/log && exec "$@"'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(10)

        def wait_for_line(text):
            while True:
                level, pid, said = SYSLOG_LINE.fullmatch(log.recv(4096)).groups()
                if text in said:
                    return int(level), int(pid)

        prefix = ("unshare", "-m", "sh", "-ec", script, "sh")
        with Daemon("--path", export, "--socket", run_directory / "s", prefix=prefix) as daemon:
            assert "serving" in daemon.output, "until the caller goes on, it is told"
            with Client.connect(run_directory / "s") as client:
                assert wait_for_line(b"connected") == (DAEMON | INFO, daemon.pid)
                client.send_raw(b"\xff" * 8)
                client.expect_reset()
            assert wait_for_line(b"its connection is cut") == (DAEMON | WARNING, daemon.pid)
            assert daemon.stop() == 0
            assert wait_for_line(b"stopping") == (DAEMON | INFO, daemon.pid)
