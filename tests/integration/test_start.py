# SPDX-License-Identifier: MIT
"""A start that fails: status 1 and the reason on the caller's stderr, as a daemon too, and nothing left behind."""

import os
import socket

import pytest
from support.helper import Helper
from support.launch import run
from support.public import public_directory

FAILED = 1
AS_ROOT = "start it as root"


@pytest.fixture(params=[(), ("--nodaemon",)], ids=["daemon", "foreground"])
def mode(request):
    """How the helper is started."""
    return request.param


def assert_fails(done, *reasons):
    assert (done.returncode, done.stdout) == (FAILED, "")
    for reason in reasons:
        assert str(reason) in done.stderr
    assert "gone" not in done.stderr, "what the worker makes of it is no reason"


def tree(directory):
    """All names in a directory, to see that none was added or lost."""
    return sorted(str(path) for path in directory.rglob("*"))


def state(path):
    """Whether it is the same object, unchanged; looking at it is no change."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# The export


def test_no_such_path(mode, run_directory):
    done = run(*mode, "--path", run_directory / "missing", "--socket", run_directory / "s")
    assert_fails(done, run_directory / "missing", "No such file or directory")
    assert tree(run_directory) == []


def test_path_is_no_directory(mode, run_directory):
    (run_directory / "file").write_text("")
    done = run(*mode, "--path", run_directory / "file", "--socket", run_directory / "s")
    assert_fails(done, run_directory / "file", "Not a directory")
    assert tree(run_directory) == [str(run_directory / "file")]


def test_empty_path(mode, run_directory):
    assert_fails(run(*mode, "--path", "", "--socket", run_directory / "s"), "No such file or directory")


# The socket's name


def test_no_such_directory_for_the_socket(mode, export, run_directory):
    name = run_directory / "missing" / "s"
    assert_fails(run(*mode, "--path", export, "--socket", name), name, "No such file or directory")


def test_directory_of_the_socket_is_a_file(mode, export, run_directory):
    (run_directory / "file").write_text("")
    name = run_directory / "file" / "s"
    assert_fails(run(*mode, "--path", export, "--socket", name), name, "Not a directory")


@pytest.mark.parametrize("name", ["", ".", "..", "run/", "run/."])
def test_name_of_the_socket_is_a_directorys(mode, export, tmp_path, name):
    (tmp_path / "run").mkdir()
    before = tree(tmp_path)
    assert_fails(run(*mode, "--path", export, "--socket", name, cwd=tmp_path), "directory")
    assert tree(tmp_path) == before


OCCUPANTS = {
    "a file": lambda path: path.write_text("precious"),
    "a directory": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to a file": lambda path: (path.with_name("file").write_text("precious"), path.symlink_to("file")),
}


@pytest.mark.parametrize("occupant", OCCUPANTS)
def test_name_of_the_socket_is_something_elses(mode, export, run_directory, occupant):
    name = run_directory / "s"
    OCCUPANTS[occupant](name)
    before = tree(run_directory), state(name)
    assert_fails(run(*mode, "--path", export, "--socket", name), name, "no socket")
    assert (tree(run_directory), state(name)) == before


def test_link_to_a_left_over_socket_is_refused(mode, export, run_directory):
    left_over = run_directory / "left-over"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(left_over))
    (run_directory / "s").symlink_to("left-over")
    assert_fails(run(*mode, "--path", export, "--socket", run_directory / "s"), "no socket")
    assert left_over.is_socket() and (run_directory / "s").is_symlink()


def test_socket_in_use_by_another_helper(mode, export, run_directory):
    with Helper(export, socket=run_directory / "s") as first, first.connect() as client:
        before = state(first.socket)
        assert_fails(run(*mode, "--path", export, "--socket", first.socket), first.socket, "another process")
        assert state(first.socket) == before
        assert client.lstat("/").nlink >= 2
        with first.connect() as late:
            assert late.lstat("/").nlink >= 2
    assert tree(run_directory) == []


def test_socket_of_another_kind_in_use(mode, export, run_directory):
    """Nobody can connect to it as we would, which does not make it left over."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(run_directory / "s"))
        assert_fails(run(*mode, "--path", export, "--socket", run_directory / "s"), run_directory / "s")
        assert (run_directory / "s").is_socket()


def test_socket_whose_owner_cannot_accept_now_is_in_use(mode, export, run_directory):
    """Its queue is full: connecting fails, but somebody listens."""
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(run_directory / "s"))
        busy.listen(0)
        waiting.connect(str(run_directory / "s"))
        assert_fails(run(*mode, "--path", export, "--socket", run_directory / "s"), run_directory / "s")
        assert (run_directory / "s").is_socket()


def test_directory_that_takes_no_new_names(mode, export):
    """Nothing can be made in /proc/self, by anyone."""
    assert_fails(run(*mode, "--path", export, "--socket", "/proc/self/s"), "/proc/self/s")


# Privilege

WITHOUT = {
    "root": (("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"), AS_ROOT),
    "root, with groups": (("setpriv", "--reuid=65534", "--regid=65534", "--groups=100"), AS_ROOT),
    "CAP_SYS_CHROOT": (("setpriv", "--bounding-set=-sys_chroot,-sys_admin"), "CAP_SYS_CHROOT"),
    "CAP_SETPCAP": (("setpriv", "--bounding-set=-setpcap"), "CAP_SETPCAP"),
    "CAP_SETGID": (("setpriv", "--bounding-set=-setgid"), "setgid"),
    "CAP_SETUID": (("setpriv", "--bounding-set=-setuid"), "setuid"),
    "CAP_MKNOD": (("setpriv", "--bounding-set=-mknod"), "mknod"),
    "CAP_CHOWN": (("setpriv", "--bounding-set=-chown"), "chown"),
}


def test_set_user_id_program_serves_nobody(mode):
    """Whoever may execute it could read and change everything as root."""
    with public_directory() as place:
        (place / "helper").chmod(0o4755)
        args = (*mode, "--path", "/", "--socket", place / "s")
        done = run(*args, prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"), binary=place / "helper")
        assert_fails(done, "uid 65534", "set-user-ID")
        assert not (place / "s").exists()


@pytest.mark.parametrize("missing", WITHOUT)
def test_start_without_a_privilege_names_it(mode, missing):
    prefix, named = WITHOUT[missing]
    with public_directory() as place:
        before = tree(place)
        name = place / "s"
        args = (*mode, "--path", place / "export", "--socket", name)
        assert_fails(run(*args, prefix=prefix, binary=place / "helper"), named)
        assert tree(place) == before


# An inherited socket

NO_SOCKETS_FOR_IT = {
    "a file": lambda: open("/dev/null", "rb"),  # pylint: disable=consider-using-with
    "a TCP socket": lambda: socket.create_server(("127.0.0.1", 0)),
    "a datagram socket": lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0],
    "a socket of packets": lambda: socket.socketpair(type=socket.SOCK_SEQPACKET)[0],
    "neither connected nor listening": lambda: socket.socket(socket.AF_UNIX),
}


@pytest.mark.parametrize("kind", NO_SOCKETS_FOR_IT)
def test_descriptor_that_cannot_be_served(mode, export, kind):
    with NO_SOCKETS_FOR_IT[kind]() as inherited:
        fd = inherited.fileno()
        assert_fails(run(*mode, "--path", export, "--fd", fd, pass_fds=[fd]), f"--fd {fd}")


def test_descriptor_that_is_closed(mode, export):
    assert_fails(run(*mode, "--path", export, "--fd", 77), "--fd 77", "Bad file descriptor")
