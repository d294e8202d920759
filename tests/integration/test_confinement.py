# SPDX-License-Identifier: MIT
"""The worker's confinement as the kernel shows it from outside, and what a client can reach with hostile names."""

import errno
import os
import pathlib
import re
import stat

import pytest
from support import proc
from support.capabilities import DAC_OVERRIDE, assert_seven
from support.expect import descriptor, fails
from support.hanging import HangingFileSystem
from support.helper import Helper
from support.launch import launcher
from support.mounts import ext4, frozen
from support.wire import Op

# What a worker may hold. The files are the null device; a socket or pipe has no name to walk from.
HARMLESS = re.compile(r"/dev/null|socket:\[\d+\]|pipe:\[\d+\]|anon_inode:\[(eventpoll|eventfd|timerfd|signalfd)\]")


@pytest.fixture
def outside(export):
    """A file beside the export, which no client may find."""
    path = export.parent / "outside"
    path.mkdir()
    (path / "secret").write_text("secret")
    return path


def assert_confined(fields):
    """The status of a thread that is root with the seven capabilities and nothing else."""
    assert fields["Uid"].split() == ["0"] * 4
    assert fields["Gid"].split() == ["0"] * 4
    assert fields["Groups"] == ""
    assert fields["Umask"] == "0000"
    assert_seven(fields)


def is_own_descriptors(worker, number):
    """Whether it is the worker's /proc/self/fd (ops/object.h), from which there must be no way up."""
    held = f"/proc/{worker}/fd/{number}"
    if not os.path.isdir(held) or not os.path.samestat(os.stat(held), os.stat(f"/proc/{worker}/fd")):
        return False
    assert os.path.samestat(os.stat(f"{held}/.."), os.stat(held))
    return True


def assert_worker_is_confined(worker, export):
    tasks = proc.threads(worker)
    assert len(tasks) >= 2
    for task in tasks.values():
        assert_confined(proc.status(worker, task))
        for link in ("root", "cwd"):
            assert os.stat(f"/proc/{worker}/task/{task}/{link}").st_ino == export.stat().st_ino
    assert os.readlink(f"/proc/{worker}/root") == "/", "of a mount namespace of its own"
    directories = 0
    for number, target in proc.descriptors(worker).items():
        if is_own_descriptors(worker, number):
            directories += 1
        else:
            assert HARMLESS.fullmatch(target), f"descriptor {number} of the worker is {target}"
    assert directories == 1


# What the kernel says


def test_worker_and_each_of_its_threads_is_confined(helper, export):
    clients = [helper.connect() for _ in range(4)]
    for client in clients:
        client.lstat("/")
    (worker,) = helper.children()
    assert len(proc.reactors(worker)) == 4
    assert_worker_is_confined(worker, export)
    for client in clients:
        client.close()


def test_worker_is_confined_whoever_starts_it(export, tmp_path):
    """Of the launcher's groups, umask, saved ids, ambient capabilities, securebits and descriptors nothing is left."""
    preparation = f"umask 077; exec 7< / 8< /etc/passwd 9>> {tmp_path}/log"
    prefix = "setpriv --groups=4,100,1000 --inh-caps=+sys_admin,+chown --ambient-caps=+sys_admin,+chown"
    prefix += " --securebits=+no_setuid_fixup"
    binary = launcher(tmp_path, preparation, prefix)
    with Helper(export, binary=binary) as helper, helper.connect() as client:
        client.lstat("/")
        os.close(client.create("//file", uid=1000, gid=1000))
        client.chown("//file", 0, 0)
        (worker,) = helper.children()
        assert_worker_is_confined(worker, export)
        for pid in (helper.pid, worker):
            held = [pathlib.Path(f"/proc/{pid}/fd/{number}") for number in proc.descriptors(pid)]
            for outside in ("/", "/etc/passwd", f"{tmp_path}/log"):
                assert not any(path.exists() and path.samefile(outside) for path in held), outside


def test_monitor_holds_only_what_it_needs(helper, client, export):
    """The export as a mere place (O_PATH) and the socket's directory are the only directories."""
    client.lstat("/")
    held = {target for target in proc.descriptors(helper.pid).values() if target.startswith("/")}
    log = {target for target in held if target.endswith("(deleted)")}  # the temporary file of class Helper
    assert held - log == {"/dev/null", str(export), os.path.dirname(helper.socket)}


def test_worker_keeps_nothing_of_a_client_that_has_gone(helper, export):
    (export / "file").write_text("")
    (worker,) = helper.children()
    with helper.connect() as first:
        os.close(first.open("//file"))
        before = len(proc.descriptors(worker)), len(proc.descriptors(helper.pid))
    for _ in range(20):
        with helper.connect() as client:
            os.close(client.open("//file"))
            os.close(client.open("/", os.O_DIRECTORY))
    with helper.connect() as last:
        last.lstat("/")
        assert len(proc.descriptors(worker)) <= before[0] + 10
        assert len(proc.descriptors(helper.pid)) <= before[1] + 3


# Identities, one thread's at a time


@pytest.fixture
def disk(export, tmp_path):
    """The export as an ext4, which can be frozen; to be named before `helper`."""
    with ext4(export, tmp_path / "image"):
        yield export



@pytest.mark.parametrize(("uid", "gid"), [(1000, 1001), (1000, 0), (0, 1001)])
def test_create_that_hangs_has_its_thread_alone_be_somebody_else(disk, helper, uid, gid):
    with helper.connect() as creator, helper.connect() as other:
        other.lstat("/")
        (worker,) = helper.children()
        with frozen(disk):
            creator.send(Op.CREATE, path="//file", flags=os.O_CREAT | os.O_RDWR, mode=0o600, uid=uid, gid=gid)
            (hanging,) = proc.wait_for_hanging(worker).values()
            fields = proc.status(worker, hanging)
            assert fields["Uid"].split() == ["0", str(uid), "0", str(uid)]
            assert fields["Gid"].split() == ["0", str(gid), "0", str(gid)]
            assert fields["Groups"] == ""
            assert int(fields["CapEff"], 16) == DAC_OVERRIDE
            for task in set(proc.threads(worker).values()) - {hanging}:
                assert_confined(proc.status(worker, task))
            assert other.lstat("/").uid == 0
        with descriptor(creator.recv_fd()) as fd:
            assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (uid, gid)
        assert_confined(proc.status(worker, hanging))


def test_create_of_guest_root_keeps_all_seven(disk, helper, client):
    (worker,) = helper.children()
    with frozen(disk):
        client.send(Op.MKDIR, path="//directory", mode=0o755, uid=0, gid=0)
        (hanging,) = proc.wait_for_hanging(worker).values()
        assert_confined(proc.status(worker, hanging))
    client.recv_status()


@pytest.mark.parametrize(
    "request_",
    [
        (Op.OPEN, {"path": "//name", "flags": os.O_RDWR}),
        (Op.CHOWN, {"path": "//name", "uid": 1000, "gid": 1000}),
        (Op.LSTAT, {"path": "//name"}),
    ],
    ids=lambda request: request[0].name,
)
def test_request_that_creates_nothing_runs_as_root_with_seven(export, request_):
    op, fields = request_
    with HangingFileSystem(export) as file_system, Helper(export) as helper, helper.connect() as client:
        (worker,) = helper.children()
        client.send(op, **fields)
        (hanging,) = proc.wait_for_hanging(worker).values()
        assert_confined(proc.status(worker, hanging))
        file_system.release()
        with fails(errno.ENOENT):
            client.recv(op)


# Ways out by name

ESCAPES = ["//../outside", "//d/../../outside", "/" + "../" * 40 + "outside", "//absolute", "//relative", "//deep/up"]


@pytest.fixture
def hostile(export, outside):
    """The export with links of which a program outside would be led outside."""
    (export / "d").mkdir()
    (export / "deep").mkdir()
    (export / "absolute").symlink_to(outside)
    (export / "relative").symlink_to("../outside")
    (export / "deep/up").symlink_to("../" * 40 + str(outside).lstrip("/"))
    return export


def changes(path):
    """Of content or attributes: all of them show in one of these."""
    return os.stat(path).st_mtime_ns, os.stat(path).st_ctime_ns


@pytest.mark.parametrize("way", ESCAPES)
def test_no_name_leads_out_of_the_export(hostile, outside, client, way):
    before = sorted(os.listdir(outside)), changes(outside), changes(outside / "secret")
    secret, new = f"{way}/secret", f"{way}/new"
    (hostile / "inside").write_text("")
    attempts = [
        lambda: client.lstat(secret),
        lambda: client.open(secret),
        lambda: client.open(f"{way}/", os.O_DIRECTORY),
        lambda: client.create(new),
        lambda: client.mkdir(new),
        lambda: client.mknod(new, stat.S_IFREG | 0o644),
        lambda: client.symlink("target", new),
        lambda: client.link("//inside", new),
        lambda: client.link(secret, "//stolen"),
        lambda: client.readlink(secret),
        lambda: client.statfs(secret),
        lambda: client.chmod(secret, 0o777),
        lambda: client.chown(secret, 1000, 1000),
        lambda: client.truncate(secret, 0),
        lambda: client.utime(secret, 1, 0, 1, 0),
        lambda: client.rename("//inside", new),
        lambda: client.rename(secret, "//stolen"),
        lambda: client.remove(secret),
        lambda: client.lgetxattr(secret, "user.name"),
        lambda: client.llistxattr(secret),
        lambda: client.lsetxattr(secret, "user.name", b"value"),
        lambda: client.lremovexattr(secret, "user.name"),
        lambda: client.getversion(secret),
    ]
    for attempt in attempts:
        with fails(errno.ENOENT):
            attempt()
    assert (sorted(os.listdir(outside)), changes(outside), changes(outside / "secret")) == before


@pytest.mark.parametrize("name", ["/..", "/../..", "//.", "//../", "//d/../..", "//d/../../../.."])
def test_parent_of_the_root_is_the_root(hostile, client, name):
    root = hostile.stat()
    seen = client.lstat(name)
    assert (seen.dev, seen.ino) == (root.st_dev, root.st_ino)


def test_link_to_an_absolute_name_means_a_name_in_the_export(hostile, client):
    """A guest's link to /d is followed, in the middle of a name, from the guest's own root."""
    (hostile / "d/file").write_text("content")
    (hostile / "link").symlink_to("/d")
    assert client.lstat("//link/file").size == 7


def test_processes_cannot_be_reached_through_proc(client, helper):
    """There is no /proc inside: nothing leads to descriptors or roots of processes."""
    for name in ("//proc/self/root", f"//proc/{helper.pid}/root", "//proc/1/root"):
        with fails(errno.ENOENT):
            client.lstat(name)
