# SPDX-License-Identifier: MIT
"""What hangs in the file system stops its client, and nobody else.

A frozen ext4 stands for a failing disk: creating in it hangs, beyond the reach of any signal, until it is thawed. A
FUSE file system that stops answering stands for one whose server is gone, of which docs/deployment.md tells.
"""

import errno

import pytest
from support import control, proc
from support.expect import fails
from support.hanging import HangingFileSystem
from support.helper import Helper
from support.mounts import frozen
from support.wire import Op


def test_other_clients_go_on_while_one_hangs(disk, helper):
    (worker,) = helper.children()
    stuck, second, third = (helper.connect() for _ in range(3))
    with frozen(disk):
        stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
        proc.wait_for_hanging(worker)
        for client in (second, third) * 100:
            assert client.lstat("//disk").nlink == 3
            client.mkdir("//elsewhere")
            client.remove("//elsewhere")
        with helper.connect() as late:
            assert late.lstat("//disk").nlink == 3
    stuck.recv_status()
    assert (disk / "new").is_dir()
    for client in (stuck, second, third):
        client.close()


# A server that is gone


@pytest.fixture
def far(export):
    """Mounted below the export before the helper starts: everything but its root hangs."""
    (export / "far").mkdir()
    with HangingFileSystem(export / "far") as file_system:
        yield file_system


def go_on(client):
    """Everything but what needs the server: its root is remembered."""
    for _ in range(100):
        assert client.lstat("//far").nlink == 2
        client.mkdir("//near")
        client.remove("//near")


def test_server_that_is_gone_holds_up_who_asks_it_alone(export, far, run_directory):
    socket = run_directory / "control"
    with Helper(export, args=("--control", socket)) as helper:
        looking, making, other = (helper.connect() for _ in range(3))
        looking.send(Op.LSTAT, path="//far/name")
        making.send(Op.MKDIR, uid=0, gid=0, path="//far/new", mode=0o755)
        seen = control.wait_for_stuck(socket, 2)
        stuck = [one["in_flight"] for one in seen["clients"] if one["in_flight"]]
        assert {(one["operation"], one["path"]) for one in stuck} == {("lstat", "//far/name"), ("mkdir", "//far/new")}
        go_on(other)
        with helper.connect() as newcomer:
            go_on(newcomer)
        control.wait_for_stuck(socket, 2)
        # The server is back: it has no such name, and makes no directories.
        far.release()
        with fails(errno.ENOENT):
            looking.recv_data()
        with fails(errno.ENOSYS):
            making.recv_status()
        for client in (looking, making, other):
            go_on(client)
            client.close()


def test_file_system_that_gives_the_server_up_fails_the_requests_that_waited(export):
    (export / "far").mkdir()
    with Helper(export, args=("--sandbox=chroot",)) as helper, helper.connect() as client, helper.connect() as other:
        with HangingFileSystem(export / "far"):
            client.send(Op.LSTAT, path="//far/name")
            (worker,) = helper.children()
            proc.wait_for_hanging(worker)
            go_on(other)
        with fails(errno.ECONNABORTED, errno.ENOTCONN):
            client.recv_data()
        assert client.lstat("/").nlink >= 2
