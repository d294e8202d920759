# SPDX-License-Identifier: MIT
"""Who may connect: root, the socket's owner and its group, by its mode; with --allow-uid fewer of them."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest
from support import proc
from support.helper import Helper, wait_for
from support.identity import acting_as
from support.launch import run
from support.wire import Client, EndOfFile, Op, request

OWNER, GROUP, MEMBER, OTHER_MEMBER, STRANGER = 1234, 4321, 1235, 1236, 1237
CUT = (ConnectionResetError, BrokenPipeError)
OWNERSHIP = ("-u", str(OWNER), "-g", str(GROUP))


@pytest.fixture
def name():
    """Of a socket, in a directory that every user can enter."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vph-"))
    directory.chmod(0o755)
    yield directory / "s"
    shutil.rmtree(directory)


@pytest.fixture
def start(export, name):
    """Starts a helper whose socket has an owner and a group; it must end with status 0."""
    with contextlib.ExitStack() as stack:

        def start_with(*args):
            helper = stack.enter_context(Helper(export, socket=name, args=(*OWNERSHIP, *args)))
            stack.callback(lambda: helper.poll() is None or pytest.fail(helper.log()))
            return helper

        yield start_with


def connect_as(uid, name):
    """Everybody here is in the group, but for the stranger."""
    with acting_as(uid, () if uid == STRANGER else (GROUP,)):
        return Client.connect(name)


def assert_served(uid, name):
    with connect_as(uid, name) as client:
        assert client.lstat("/").nlink >= 2


def assert_refused(uid, name):
    """It is reset, and not at an end; a client that speaks late cannot, and hears nothing either."""
    with connect_as(uid, name) as client:
        with contextlib.suppress(BrokenPipeError):
            client.send(Op.OPEN, path="/", flags=os.O_DIRECTORY)
            client.expect_reset()


def refusals(helper):
    return [line for line in helper.log().splitlines() if ": refused: " in line]


# By the socket's mode


@pytest.mark.parametrize("uid", [0, OWNER, MEMBER])
def test_root_owner_and_group_are_served(start, name, uid):
    start()
    assert_served(uid, name)


def test_nobody_else_can_connect(start, name):
    start()
    with pytest.raises(PermissionError):
        connect_as(STRANGER, name)


# By --allow-uid


@pytest.mark.parametrize("uid", [0, MEMBER])
def test_listed_user_and_root_are_served(start, name, uid):
    start("--allow-uid", str(MEMBER))
    assert_served(uid, name)


@pytest.mark.parametrize("uid", [OWNER, OTHER_MEMBER])
def test_who_is_not_listed_is_reset(start, name, uid):
    start("--allow-uid", str(MEMBER))
    for _ in range(20):
        assert_refused(uid, name)
    assert_served(MEMBER, name)


def test_several_can_be_listed_by_name_and_number(start, name):
    start("--allow-uid", "daemon", "--allow-uid", str(MEMBER), "--allow-uid", str(OWNER))
    for uid in (1, MEMBER, OWNER):
        assert_served(uid, name)
    assert_refused(OTHER_MEMBER, name)


def test_list_lets_nobody_in_whom_the_mode_keeps_out(start, name):
    start("--allow-uid", str(STRANGER))
    with pytest.raises(PermissionError):
        connect_as(STRANGER, name)


def test_ids_are_those_of_connecting(start, name):
    """Neither of who uses the connection later, nor of who made the socket."""
    start("--allow-uid", str(MEMBER))
    with connect_as(MEMBER, name) as client, acting_as(OTHER_MEMBER):
        assert client.lstat("/").nlink >= 2
    with socket.socket(socket.AF_UNIX) as made:
        with acting_as(OTHER_MEMBER, [GROUP]):
            made.connect(str(name))
        with Client(made) as client:
            with pytest.raises(CUT):
                client.lstat("/")


def test_list_holds_for_a_name_that_was_put_back(start, name):
    start("--allow-uid", str(MEMBER))
    name.unlink()
    wait_for(name.exists, what="the socket's name")
    assert_refused(OTHER_MEMBER, name)
    assert_served(MEMBER, name)


def test_refusal_is_logged_with_user_process_and_program_once(start, name):
    helper = start("--allow-uid", str(MEMBER))
    command = ["setpriv", f"--reuid={OTHER_MEMBER}", f"--regid={GROUP}", "--clear-groups"]
    command += ["socat", "-t1", "-", f"UNIX-CONNECT:{name}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as asked:
        asked.communicate(request(Op.LSTAT, path="/"), timeout=30)
    wait_for(lambda: refusals(helper), what="a line in the log")
    for _ in range(50):
        assert_refused(OTHER_MEMBER, name)
    (line,) = refusals(helper)
    assert f"client pid {asked.pid} (socat), uid {OTHER_MEMBER}: refused: " in line
    assert "--allow-uid" in line


def test_many_users_do_not_fill_the_log(start, name):
    helper = start("--allow-uid", str(MEMBER))
    for uid in range(20000, 20100):
        assert_refused(uid, name)
    assert 10 < len(refusals(helper)) < 40
    assert helper.log().count("\n") < 45


def test_refused_take_nobodys_place(start, name):
    helper = start("--allow-uid", str(MEMBER), "--max-clients", "1")
    silent = [connect_as(OTHER_MEMBER, name) for _ in range(40)]
    assert_served(MEMBER, name)
    wait_for(lambda: len(proc.descriptors(helper.pid)) < 30, what="the end of those who were refused")
    for client in silent:
        with client, pytest.raises((EndOfFile, *CUT)):
            client.lstat("/")


# Inherited sockets


def test_list_holds_for_an_inherited_listening_socket(export, name):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(name))
        listener.listen()
        name.chmod(0o666)
        with Helper(export, fd=listener.fileno(), args=("--allow-uid", str(MEMBER))) as helper:
            assert_served(MEMBER, name)
            assert_served(0, name)
            assert_refused(STRANGER, name)
            assert len(refusals(helper)) == 1


@pytest.fixture
def connection(name):
    """A function that makes a connection of a user's: the client, and the helper's end, as inetd would pass it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(name))
        listener.listen()
        name.chmod(0o666)

        def connection_of(uid):
            client = stack.enter_context(connect_as(uid, name))
            return client, stack.enter_context(listener.accept()[0])

        yield connection_of


@pytest.mark.parametrize("uid", [MEMBER, 0])
def test_connected_socket_of_a_listed_user_is_served(export, connection, uid):
    client, theirs = connection(uid)
    with Helper(export, fd=theirs.fileno(), args=("--allow-uid", str(MEMBER))) as helper:
        theirs.close()
        assert client.lstat("/").nlink >= 2
        client.close()
        assert helper.wait() == 0


@pytest.mark.parametrize("mode", [(), ("--nodaemon",)], ids=["daemon", "foreground"])
def test_connected_socket_of_somebody_else_ends_the_start(export, connection, mode):
    client, theirs = connection(STRANGER)
    client.send(Op.LSTAT, path="/")
    args = ("--path", export, "--fd", theirs.fileno(), "--allow-uid", MEMBER, *mode)
    done = run(*args, pass_fds=[theirs.fileno()])
    theirs.close()
    assert done.returncode == 1
    assert f"uid {STRANGER}: refused: " in done.stderr
    client.expect_reset()
