# SPDX-License-Identifier: MIT
"""A change that hangs in the disk stops its client, and nobody else.

A frozen ext4 stands for a failing disk: creating in it hangs, beyond the reach of any signal, until it is thawed.
"""

import pytest
from support import proc
from support.mounts import ext4, frozen
from support.wire import Op


@pytest.fixture
def disk(export, tmp_path):
    """An ext4 below the export, mounted before the helper starts."""
    (export / "disk").mkdir()
    with ext4(export / "disk", tmp_path / "image") as path:
        yield path


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
