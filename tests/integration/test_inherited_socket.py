# SPDX-License-Identifier: MIT
"""--fd: a socket of the launcher's, connected (as LXD and Incus start the helper) or listening."""

import os
import socket
import stat
import subprocess

import pytest
from support import proc
from support.helper import OURS, Helper
from support.launch import Daemon, under_number
from support.wire import Client, Op


@pytest.fixture
def pair():
    """Our end and the helper's of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def listener(tmp_path):
    """A listening socket with a name."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        made.listen()
        yield made


def assert_serves(client, export):
    assert client.lstat("/").ino == export.stat().st_ino


def test_connected_socket_is_served_until_its_peer_hangs_up(export, pair):
    ours, theirs = pair
    with Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        with Client(ours) as client:
            for _ in range(3):
                assert_serves(client, export)
        assert helper.wait() == 0


def test_command_line_of_lxd(export, pair):
    ours, theirs = pair
    with under_number(3, theirs) as options:
        command = [*options.pop("prefix"), OURS, "--nodaemon", "--fd", "3", "--path", export]
        with subprocess.Popen(command, stderr=subprocess.PIPE, **options) as process:
            theirs.close()
            with Client(ours) as client:
                assert_serves(client, export)
            assert process.wait(10) == 0


def test_peer_that_never_spoke(export, pair):
    ours, theirs = pair
    with Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        ours.close()
        assert helper.wait() == 0


def test_peer_that_hung_up_before_the_start(export, pair):
    ours, theirs = pair
    ours.close()
    with Helper(export, fd=theirs.fileno()) as helper:
        assert helper.wait() == 0


def test_peer_that_hangs_up_in_the_middle_of_a_message(export, pair):
    ours, theirs = pair
    with Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        ours.send(b"\2\0\0")
        ours.close()
        assert helper.wait() == 0


def test_request_sent_before_the_start_is_answered(export, pair):
    ours, theirs = pair
    client = Client(ours)
    client.send(Op.LSTAT, path="/")
    with Helper(export, fd=theirs.fileno()):
        theirs.close()
        assert len(client.recv_data()) == 116


def test_peer_that_breaks_the_protocol_ends_the_helper(export, pair):
    ours, theirs = pair
    with Helper(export, fd=theirs.fileno()) as helper:
        theirs.close()
        client = Client(ours)
        client.send_raw(bytes(8))
        client.expect_reset()
        assert helper.wait() == 0


def test_listening_socket_serves_many_and_outlives_the_helper(export, listener, tmp_path):
    name = tmp_path / "s"
    with Helper(export, fd=listener.fileno()) as helper:
        clients = [Client.connect(name) for _ in range(4)]
        for client in clients:
            assert_serves(client, export)
        for client in clients:
            client.close()
        with Client.connect(name) as late:
            assert_serves(late, export)
        assert helper.poll() is None, "it does not end with a client"
        assert helper.stop() == 0
    assert stat.S_ISSOCK(os.lstat(name).st_mode)

    with Helper(export, fd=listener.fileno()), Client.connect(name) as again:
        assert_serves(again, export)


def test_listening_socket_keeps_to_max_clients(export, listener, tmp_path):
    with Helper(export, fd=listener.fileno(), args=("--max-clients", "1")):
        with Client.connect(tmp_path / "s") as client, Client.connect(tmp_path / "s") as late:
            assert_serves(client, export)
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                late.lstat("/")
            assert_serves(client, export)


def test_name_of_a_listening_socket_is_the_launchers(export, listener, tmp_path):
    """Removed, it stays so; nothing is put in its place."""
    with Helper(export, fd=listener.fileno()):
        with Client.connect(tmp_path / "s") as client:
            os.unlink(tmp_path / "s")
            assert_serves(client, export)
    assert not (tmp_path / "s").exists()


def test_daemon_with_a_connected_socket_ends_with_its_peer(export, pair):
    ours, theirs = pair
    with Daemon("--path", export, "--fd", theirs.fileno(), pass_fds=[theirs.fileno()]) as daemon:
        theirs.close()
        worker = daemon.worker()
        with Client(ours) as client:
            assert_serves(client, export)
        assert daemon.wait() == 0
        assert proc.has_ended(worker)
