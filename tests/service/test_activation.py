# SPDX-License-Identifier: MIT
"""A socket that a service manager listens on, and passes: LISTEN_FDS, sd_listen_fds(3)."""

import contextlib
import os
import socket
import stat
import subprocess

import pytest
from support import proc
from support.helper import OURS, holds_listener, wait_for
from support.launch import Daemon, run, under_number
from support.wire import Client

ANNOUNCED = 'export LISTEN_FDS={count} LISTEN_PID={pid} LISTEN_FDNAMES={names}; exec "$@"'


@pytest.fixture
def listener(tmp_path):
    """A listening socket with a name."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        made.listen()
        yield made


@contextlib.contextmanager
def announced(inherited, count=1, pid="$$"):
    """Options for run() and Daemon(), to start a helper that is told of `inherited` as descriptor 3."""
    with under_number(3, inherited) as options:
        shell = ("bash", "-c", ANNOUNCED.format(count=count, pid=pid, names=":".join(["share"] * (2 if count == "2" else 1))), "bash")
        yield {**options, "prefix": (*options["prefix"], *shell)}


def assert_serves(name, export):
    with Client.connect(name) as client:
        assert client.lstat("/").ino == export.stat().st_ino


@pytest.mark.parametrize("mode", [(), ("--fd", "3")], ids=["alone", "with --fd"])
def test_socket_is_served_by_a_daemon(export, listener, tmp_path, mode):
    with announced(listener) as options, Daemon("--path", export, *mode, **options) as daemon:
        assert_serves(tmp_path / "s", export)
        assert_serves(tmp_path / "s", export)
        assert "inherited socket" in daemon.output
        assert daemon.stop() == 0
    assert stat.S_ISSOCK(os.lstat(tmp_path / "s").st_mode), "its name is the manager's"


def test_named_socket_wins_and_the_announced_one_is_closed(export, listener, tmp_path, run_directory):
    with announced(listener) as options:
        with Daemon("--path", export, "--socket", run_directory / "s", **options) as daemon:
            assert_serves(run_directory / "s", export)
            inode = os.fstat(listener.fileno()).st_ino
            assert f"socket:[{inode}]" not in proc.descriptors(daemon.pid).values()


@pytest.fixture
def activator(export, tmp_path):
    """systemd's own tool, in the manager's place: it listens, and becomes the helper when somebody connects."""
    name = tmp_path / "activated"
    command = ["systemd-socket-activate", "--listen", str(name), OURS, "--nodaemon", "--path", str(export)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: holds_listener(process.pid), what="the socket, which has a name before it is listened on")
        yield process, name
        process.terminate()
        assert process.wait(15) == 0


def test_helper_starts_with_the_first_client(export, activator):
    process, name = activator
    assert proc.name(process.pid) != "vph-monitor"
    with Client.connect(name) as client:
        assert client.lstat("/").ino == export.stat().st_ino
        assert proc.name(process.pid) == "vph-monitor"
        assert_serves(name, export)


def not_listening():
    return socket.socketpair()[0]


WRONG = {
    "connected": (not_listening, "Accept=no"),
    "a datagram socket": (lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0], "ListenStream="),
    "a socket of the network": (lambda: socket.create_server(("127.0.0.1", 0)), "AF_UNIX"),
    "a pipe": (lambda: open(os.pipe()[0], "rb"), "ListenStream="),  # pylint: disable=consider-using-with
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_served_is_named(export, kind):
    make, named = WRONG[kind]
    with make() as inherited, announced(inherited) as options:
        done = run("--nodaemon", "--path", export, **options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "LISTEN_FDS" in done.stderr and named in done.stderr


@pytest.mark.parametrize(
    "count, pid, named",
    [("0", "$$", "no socket"), ("2", "$$", "announces 2 sockets"), ("1", "1", "no socket"), ("x", "$$", "no socket")],
    ids=["none", "several", "another process's", "nonsense"],
)
def test_announcement_that_makes_no_sense_is_named(export, listener, count, pid, named):
    with announced(listener, count, pid) as options:
        options["prefix"] = (*options["prefix"], "bash", "-c", 'exec 4<&3; exec "$@"', "bash")
        done = run("--nodaemon", "--path", export, **options)
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr


def test_socket_that_is_announced_and_not_there(export):
    with open("/dev/null", "rb") as nothing, announced(nothing) as options:
        options["prefix"] = (*options["prefix"], "bash", "-c", 'exec 3<&-; exec "$@"', "bash")
        done = run("--nodaemon", "--path", export, **options)
    assert done.returncode == 1
    assert "not there: Bad file descriptor" in done.stderr
