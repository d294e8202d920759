# SPDX-License-Identifier: MIT
"""The two sandboxes: what a client can reach from a descriptor that it was given, and which one there is."""

import contextlib
import errno
import os
import pathlib
import stat
import subprocess

import pytest
from support import proc
from support.expect import fails, not_opened
from support.helper import Helper, wait_for
from support.launch import launcher, run
from support.mounts import shared_tmpfs, tmpfs

NAMESPACES = ("mnt", "net", "ipc", "pid")
WITHOUT_SYS_ADMIN = "setpriv --bounding-set=-sys_admin"


def sandboxed(kind):
    return pytest.mark.parametrize("helper_arguments", [(f"--sandbox={kind}",)])


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}


def mounts(pid):
    """The mount points that a process has, with their options."""
    lines = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return {fields[4]: set(fields[5].split(",")) for fields in map(str.split, lines)}


def walk_up(client, steps=8):
    """Where a client gets to from the descriptor of the root directory that it was passed."""
    place = client.open("/", os.O_DIRECTORY)
    for _ in range(steps):
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        os.close(place)
        place = above
    try:
        return os.fstat(place)
    finally:
        os.close(place)


@pytest.mark.parametrize("helper_arguments", [(), ("--sandbox=namespace",)])
def test_nothing_is_above_the_export(helper, client, export):
    assert os.path.samestat(walk_up(client), export.stat())
    assert "sandbox: namespace" in helper.log()


@sandboxed("chroot")
def test_a_chroot_is_left_that_way(helper, client):
    """Why it is the second choice."""
    assert os.path.samestat(walk_up(client, 100), os.stat("/"))
    assert "sandbox: chroot" in helper.log()


@pytest.fixture
def disk(export):
    """Below the export, mounted before the helper starts."""
    (export / "disk").mkdir()
    with tmpfs(export / "disk"):
        yield export / "disk"


def test_export_is_all_that_is_mounted(disk, helper, client):
    (worker,) = helper.children()
    found = mounts(worker)
    assert set(found) == {"/", "/disk"}
    for options in found.values():
        assert options >= {"nosuid", "nodev", "noexec"}
    assert client.lstat("//disk").ino == disk.stat().st_ino
    place = client.open("//disk", os.O_DIRECTORY)
    assert os.path.samestat(os.stat("../../..", dir_fd=place), os.stat(helper.export))
    os.close(place)


def test_programs_cannot_be_executed_nor_devices_opened(client, export):
    """Even by who has been passed a directory of the export."""
    (export / "program").write_text("#!/bin/sh\n")
    (export / "program").chmod(0o755)
    os.mknod(export / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    place = client.open("/", os.O_DIRECTORY)
    with pytest.raises(PermissionError):
        os.open("null", os.O_RDWR, dir_fd=place)
    assert os.access("program", os.R_OK, dir_fd=place)
    assert not os.access("program", os.X_OK, dir_fd=place), "faccessat(2) knows of noexec"
    os.close(place)


def test_worker_has_namespaces_of_its_own(helper):
    (worker,) = helper.children()
    ours, its = namespaces(helper.pid), namespaces(worker)
    assert all(ours[name] != its[name] for name in NAMESPACES)
    assert proc.status(worker)["NSpid"].split()[-1] == "1"
    assert ours == namespaces(os.getpid()), "the monitor stays where it was"


@sandboxed("chroot")
def test_chroot_has_none(helper):
    (worker,) = helper.children()
    assert namespaces(worker) == namespaces(helper.pid)


def test_every_worker_has_its_own(helper, client):
    """Not only the first: a monitor that had lost the way back could not start another."""
    (first,) = helper.children()
    seen = namespaces(first)
    for _ in range(3):
        # The number of a namespace that is gone is used again: what is open is not gone.
        with open(f"/proc/{first}/ns/pid", encoding="ascii"):
            os.kill(first, 9)
            (second,) = wait_for(lambda last=first: set(helper.children()) - {last}, what="another worker")
            client.lstat("/")
            assert namespaces(second)["pid"] != seen["pid"]
        first, seen = second, namespaces(second)


# Mounts that come later


@pytest.fixture
def shared_export(tmp_path):
    (tmp_path / "host").mkdir()
    with shared_tmpfs(tmp_path / "host"):
        path = tmp_path / "host" / "export"
        (path / "late").mkdir(parents=True)
        yield path


def test_what_the_host_mounts_later_appears(shared_export):
    """And goes again, and its device nodes are refused as well."""
    with Helper(shared_export) as helper, helper.connect() as client:
        assert "mounted private" not in helper.log()
        with tmpfs(shared_export / "late"):
            (shared_export / "late/file").write_text("late")
            os.mknod(shared_export / "late/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            assert client.lstat("//late/file").size == 4
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
                with fails(errno.ENXIO):
                    client.open("//late/null", flags)
            place = client.open("//late", os.O_DIRECTORY)
            assert os.path.samestat(os.stat("..", dir_fd=place), shared_export.stat())
            os.close(place)
        with fails(errno.ENOENT):
            client.lstat("//late/file")


@contextlib.contextmanager
def bound(source, target):
    """`source` at `target` as well, as long as the block lasts."""
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


NODES = {"character": stat.S_IFCHR | 0o666, "block": stat.S_IFBLK | 0o666}
HARMLESS = {"character": os.makedev(1, 3), "block": os.makedev(7, 0)}  # null, loop0

# What would open the node, or change what is behind it.
OPENERS = {
    "OPEN to read": lambda client, path: client.open(path, os.O_RDONLY),
    "OPEN to write": lambda client, path: client.open(path, os.O_WRONLY),
    "OPEN of both": lambda client, path: client.open(path, os.O_RDWR | os.O_TRUNC),
    "OPEN without waiting": lambda client, path: client.open(path, os.O_RDONLY | os.O_NONBLOCK),
    "OPEN of a directory": lambda client, path: client.open(path, os.O_RDONLY | os.O_DIRECTORY),
    "CREATE": lambda client, path: client.create(path),
    "TRUNCATE": lambda client, path: client.truncate(path, 0),
    "GETVERSION": lambda client, path: client.getversion(path),
}
REFUSED = (errno.ENXIO, errno.ENOTDIR, errno.EINVAL)


@pytest.mark.parametrize("sandbox", ["namespace", "chroot"])
@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("way", ["mounted", "bound"])
def test_device_nodes_of_later_mounts_are_refused(shared_export, tmp_path, sandbox, kind, way):
    """Neither the sandbox's nodev nor the host's is on a mount that comes later: it is the helper that refuses."""
    (tmp_path / "elsewhere").mkdir()
    with Helper(shared_export, args=(f"--sandbox={sandbox}",)) as helper, helper.connect() as client:
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(tmpfs(shared_export / "late" if way == "mounted" else tmp_path / "elsewhere"))
            os.mknod(place / "node", NODES[kind], HARMLESS[kind])
            if way == "bound":
                stack.enter_context(bound(place, shared_export / "late"))
            assert client.lstat("//late/node").rdev == HARMLESS[kind], "it is seen"
            with not_opened(place / "node"):
                for how, attempt in OPENERS.items():
                    with fails(*REFUSED):
                        attempt(client, "//late/node")
                        pytest.fail(how)


@pytest.mark.parametrize("helper_arguments", [("--no-setid", "--no-devices")])
def test_policy_holds_in_later_mounts(shared_export, helper_arguments):
    """A set-user-ID file of the host's that comes with one is a file like others; no guest can make one there."""
    with Helper(shared_export, args=helper_arguments) as helper, helper.connect() as client:
        with tmpfs(shared_export / "late"):
            program = shared_export / "late/program"
            program.write_text("#!/bin/sh\n")
            program.chmod(0o4755)
            assert client.lstat("//late/program").mode == stat.S_IFREG | 0o4755
            os.close(client.open("//late/program"))
            with fails(errno.EPERM):
                client.chmod("//late/program", 0o4711)
            with fails(errno.EPERM):
                client.create("//late/other", mode=0o4755)
            with fails(errno.EPERM):
                client.mknod("//late/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            assert sorted(os.listdir(shared_export / "late")) == ["program"]


def test_what_a_private_mount_hides_is_said(tmp_path):
    with tmpfs(tmp_path):
        subprocess.run(["mount", "--make-private", tmp_path], check=True)
        (tmp_path / "export/late").mkdir(parents=True)
        with Helper(tmp_path / "export") as helper, helper.connect() as client:
            assert "mounted private" in helper.log()
            with tmpfs(tmp_path / "export/late"):
                (tmp_path / "export/late/file").touch()
                with fails(errno.ENOENT):
                    client.lstat("//late/file")


def test_export_that_the_host_unmounts_is_the_guests_until_the_helper_ends(shared_export):
    """The host has to insist; and what takes its place is not theirs: docs/deployment.md."""
    with tmpfs(shared_export):
        (shared_export / "first").touch()
        with Helper(shared_export) as helper, helper.connect() as client:
            assert client.lstat("//first").size == 0
            done = subprocess.run(["umount", shared_export], capture_output=True, text=True, check=False)
            assert done.returncode != 0 and "busy" in done.stderr
            subprocess.run(["umount", "--lazy", shared_export], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared_export], check=True)
            (shared_export / "second").touch()
            assert client.lstat("//first").size == 0
            with fails(errno.ENOENT):
                client.lstat("//second")
        with Helper(shared_export) as helper, helper.connect() as client:
            assert client.lstat("//second").size == 0


def test_nothing_that_the_worker_unmounts_goes_on_the_host(shared_export):
    def seen():
        lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(shared_export.parent) in line]

    before = seen()
    assert before
    with Helper(shared_export) as helper, helper.connect() as client:
        client.lstat("/")
        assert seen() == before
    assert seen() == before


# Which one


def test_auto_falls_back_and_says_why(export, tmp_path):
    with Helper(export, binary=launcher(tmp_path, prefix=WITHOUT_SYS_ADMIN)) as helper, helper.connect() as client:
        client.lstat("/")
        assert "sandbox: chroot (no namespace: cannot make a mount namespace: Operation not permitted)" in helper.log()


def test_chroot_or_nothing(export, tmp_path):
    prefix = "setpriv --bounding-set=-sys_chroot".split()
    done = run("-n", "-p", export, "-s", tmp_path / "s", "--sandbox=chroot", prefix=prefix)
    assert done.returncode == 1
    assert "cannot confine the worker: chroot" in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("demand", [("--sandbox=namespace",), ("--idmap=both:0:100000:65536",)])
def test_namespace_or_nothing(export, tmp_path, demand):
    done = run("-n", "-p", export, "-s", tmp_path / "s", *demand, prefix=WITHOUT_SYS_ADMIN.split())
    assert done.returncode == 1
    assert "cannot confine the worker: make a" in done.stderr
    assert not (tmp_path / "s").exists()
