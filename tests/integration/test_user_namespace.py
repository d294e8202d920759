# SPDX-License-Identifier: MIT
"""Without real root: as root of a user namespace, which is how unprivileged LXD and Incus run the helper."""

import contextlib
import errno
import os
import socket
import stat
import subprocess

import pytest
from support import proc
from support.capabilities import assert_seven
from support.expect import descriptor, fails
from support.helper import wait_for
from support.public import public_directory
from support.wire import Client

USER = 65534
GROUP = 4  # a supplementary one
NAMESPACE = ("unshare", "--user", "--map-root-user")


def as_user(*groups):
    """A command that runs the rest as an unprivileged user, with these supplementary groups."""
    chosen = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    return ("setpriv", f"--reuid={USER}", f"--regid={USER}", chosen)


@pytest.fixture
def place():
    """A directory of the user's with the helper and an export."""
    with public_directory() as path:
        tried = subprocess.run([*as_user(), *NAMESPACE, "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            pytest.skip(f"users may not make user namespaces here: {tried.stderr.strip()}")
        os.chown(path / "export", USER, USER)
        yield path


class Served:
    """The helper in a user namespace, serving .client over an inherited socket."""

    def __init__(self, place, *groups):
        ours, theirs = socket.socketpair()
        command = [*as_user(*groups), *NAMESPACE, place / "helper", "--nodaemon", "--path", place / "export"]
        self._log = open(place / "log", "w+", encoding="utf-8")  # pylint: disable=consider-using-with
        with theirs:
            self._process = subprocess.Popen(
                [*map(str, command), "--fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
            )
        self.pid = self._process.pid
        self.client = Client(ours)

    def log(self):
        with open(self._log.name, encoding="utf-8") as log:
            return log.read()

    def hang_up(self):
        """Closes the connection; returns the helper's exit status."""
        self.client.close()
        return self._process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture
def served(place):
    with Served(place) as running:
        yield running


def owner(path):
    found = os.lstat(path)
    return found.st_uid, found.st_gid


def test_it_serves_and_ends_with_its_peer(served, place):
    seen = served.client.lstat("/")
    assert seen.ino == (place / "export").stat().st_ino
    assert (seen.uid, seen.gid) == (0, 0), "the user is root inside"
    assert served.hang_up() == 0, served.log()


def test_everything_of_the_namespaces_root_works(served, place):
    client, export = served.client, place / "export"
    with descriptor(client.create("//file", mode=0o640)) as fd:
        os.write(fd, b"content")
    client.mkdir("//directory", 0o750)
    client.symlink("file", "//link")
    client.mknod("//fifo", stat.S_IFIFO | 0o600)
    client.link("//file", "//hard")
    client.chmod("//file", 0o600)
    client.chown("//file", 0, 0)
    client.rename("//hard", "//renamed")
    client.remove("//renamed")
    assert sorted(os.listdir(export)) == ["directory", "fifo", "file", "link"]
    assert {owner(export / name) for name in os.listdir(export)} == {(USER, USER)}
    assert (export / "file").read_bytes() == b"content"


@pytest.mark.parametrize(("uid", "gid"), [(1, 0), (0, 1), (1000, 1000), (USER, 0)])
def test_user_or_group_that_the_namespace_does_not_know_is_refused(served, place, uid, gid):
    client = served.client
    for attempt in (
        lambda: client.create("//file", uid=uid, gid=gid),
        lambda: client.mkdir("//directory", uid=uid, gid=gid),
        lambda: client.symlink("target", "//link", uid=uid, gid=gid),
        lambda: client.mknod("//fifo", stat.S_IFIFO, uid=uid, gid=gid),
        lambda: client.chown("/", uid, gid),
    ):
        with fails(errno.EINVAL):
            attempt()
    assert os.listdir(place / "export") == []
    client.mkdir("//directory")
    assert owner(place / "export/directory") == (USER, USER)


def test_device_node_is_not_the_namespaces_to_make(served):
    with fails(errno.EPERM):
        served.client.mknod("//device", stat.S_IFCHR | 0o600, os.makedev(1, 3))


def test_worker_is_confined_as_with_real_root(served):
    served.client.lstat("/")
    (worker,) = proc.children(served.pid)
    assert proc.name(worker) == "vph-worker"
    for task in proc.threads(worker).values():
        fields = proc.status(worker, task)
        assert_seven(fields)
        assert fields["Groups"] == ""


def test_groups_that_cannot_be_dropped_are_warned_of(place):
    """An unprivileged user's namespace forbids setgroups(2), user_namespaces(7)."""
    with Served(place, GROUP) as served:
        assert served.client.lstat("/").uid == 0
        served.client.mkdir("//directory")
        assert served.log().count("forbids dropping supplementary groups") == 1
        assert served.hang_up() == 0


def test_no_groups_no_warning(served):
    served.client.lstat("/")
    assert "supplementary groups" not in served.log()


def test_named_socket(place):
    """The namespace's root serves the user's own guests."""
    options = ["--nodaemon", "--path", place / "export", "--socket", place / "s"]
    command = [*as_user(), *NAMESPACE, place / "helper", *options]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for((place / "s").exists, what="the socket")
            assert owner(place / "s") == (USER, USER)
            with Client.connect(place / "s") as client:
                assert client.lstat("/").uid == 0
        finally:
            process.terminate()
        assert process.wait(10) == 0
