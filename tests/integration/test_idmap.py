# SPDX-License-Identifier: MIT
"""--idmap: the guests' ids are others on the host, by the kernel's idmapped mounts."""

import errno
import os
import stat
import subprocess

import pytest
from support.expect import fails
from support.hanging import HangingFileSystem
from support.helper import Helper
from support.launch import run
from support.mounts import ext4, shared_tmpfs, tmpfs

BASE = 100000
COUNT = 65536
MAP = f"both:0:{BASE}:{COUNT}"
OVERFLOW = 65534


@pytest.fixture(params=["tmpfs", "ext4"])
def export(request, tmp_path):
    """An export whose root belongs to the guests' root."""
    path = tmp_path / "export"
    path.mkdir()
    with tmpfs(path) if request.param == "tmpfs" else ext4(path, tmp_path / "image"):
        os.chown(path, BASE, BASE)
        yield path


@pytest.fixture
def helper_arguments():
    return ("--idmap", MAP)


def owner(path):
    status = os.lstat(path)
    return status.st_uid - BASE, status.st_gid - BASE


@pytest.mark.parametrize(("uid", "gid"), [(0, 0), (1000, 1001), (0, 5), (5, 0), (COUNT - 1, COUNT - 1)])
def test_what_a_guest_makes_belongs_to_its_ids_of_the_host(client, export, uid, gid):
    os.close(client.create("//file", uid=uid, gid=gid))
    client.mkdir("//directory", uid=uid, gid=gid)
    client.symlink("target", "//link", uid=uid, gid=gid)
    client.mknod("//fifo", stat.S_IFIFO | 0o600, uid=uid, gid=gid)
    for name in ("file", "directory", "link", "fifo"):
        assert owner(export / name) == (uid, gid)
        shown = client.lstat(f"//{name}")
        assert (shown.uid, shown.gid) == (uid, gid)


def test_chown_is_mapped(client, export):
    os.close(client.create("//file"))
    client.chown("//file", 7, 8)
    assert owner(export / "file") == (7, 8)
    client.chown("//file", 9, -1)
    assert owner(export / "file") == (9, 8)


def test_ids_outside_of_the_map(client, export):
    """Shown as the overflow id where the host has them, and refused where a guest wants them: as the kernel does."""
    (export / "host").touch()
    shown = client.lstat("//host")
    assert (shown.uid, shown.gid) == (OVERFLOW, OVERFLOW)
    with fails(errno.EOVERFLOW):
        client.create("//file", uid=COUNT, gid=0)
    with fails(errno.EOVERFLOW):
        client.mkdir("//directory", uid=0, gid=COUNT)
    os.close(client.create("//file"))
    with fails(errno.EINVAL, errno.EOVERFLOW):
        client.chown("//file", COUNT, 0)
    assert not os.path.lexists(export / "directory")
    changes = (
        lambda: client.chmod("//host", 0o777),
        lambda: client.truncate("//host", 1),
        lambda: client.utime("//host", 1, 1, 1, 1),
        lambda: os.close(client.open("//host", os.O_WRONLY)),
        lambda: client.rename("//host", "//other"),
        lambda: client.remove("//host"),
    )
    for change in changes:
        with fails(errno.EPERM, errno.EACCES, errno.EOVERFLOW):
            change()
    assert os.lstat(export / "host").st_uid == 0


def test_root_can_give_itself_what_has_an_owner_outside_of_the_map(client, export):
    """CAP_CHOWN outweighs a missing map (the manual says so): an assumption about the kernel."""
    (export / "host").touch()
    client.chown("//host", 0, 0)
    assert owner(export / "host") == (0, 0)


def test_acls_are_mapped(client, export):
    os.close(client.create("//file"))
    subprocess.run(["setfacl", "-m", f"u:{BASE + 33}:r,g:{BASE + 44}:w", export / "file"], check=True)
    value = client.lgetxattr("//file", "system.posix_acl_access")
    assert (33).to_bytes(4, "little") in value and (44).to_bytes(4, "little") in value
    client.lsetxattr("//file", "system.posix_acl_access", value.replace(b"\x21\0\0\0", b"\x22\0\0\0"))
    shown = subprocess.run(["getfacl", "-n", export / "file"], check=True, capture_output=True, text=True).stdout
    assert f"user:{BASE + 34}:r--" in shown


def test_descriptors_are_mapped_too(client, export):
    os.close(client.create("//file", uid=3, gid=4))
    descriptor = client.open("//file")
    assert os.fstat(descriptor).st_uid == 3
    os.close(descriptor)
    assert owner(export / "file") == (3, 4)


def test_several_ranges(tmp_path):
    with tmpfs(tmp_path):
        (tmp_path / "export").mkdir()
        ranges = "uid:0:5000:1,uid:1000:1000:1,gid:0:6000:10"
        with Helper(tmp_path / "export", args=["--idmap", ranges]) as helper, helper.connect() as client:
            os.chown(tmp_path / "export", 5000, 6000)
            os.close(client.create("//root", uid=0, gid=9))
            os.close(client.create("//user", uid=1000, gid=0))
            with fails(errno.EOVERFLOW):
                client.create("//other", uid=1, gid=0)
        roots, users = (os.lstat(tmp_path / "export" / name) for name in ("root", "user"))
        assert (roots.st_uid, roots.st_gid, users.st_uid, users.st_gid) == (5000, 6009, 1000, 6000)


def test_mounts_below_are_mapped_and_later_ones_stay_out(tmp_path):
    """One that appeared later would show the host's own ids."""
    with shared_tmpfs(tmp_path):
        export = tmp_path / "export"
        for name in ("early", "late"):
            (export / name).mkdir(parents=True)
        with tmpfs(export / "early"):
            os.chown(export / "early", BASE, BASE)
            with Helper(export, args=["--idmap", MAP]) as helper, helper.connect() as client, tmpfs(export / "late"):
                os.close(client.create("//early/file", uid=1, gid=2))
                assert owner(export / "early/file") == (1, 2)
                (export / "late/file").touch()
                with fails(errno.ENOENT):
                    client.lstat("//late/file")


def test_file_system_that_cannot_is_named_at_the_start(tmp_path):
    (tmp_path / "export").mkdir()
    with HangingFileSystem(str(tmp_path / "export")):
        done = run("-n", "-p", tmp_path / "export", "-s", tmp_path / "s", "--idmap", MAP)
    assert done.returncode == 1
    assert "map the ids of the export's file systems (not every one can)" in done.stderr
