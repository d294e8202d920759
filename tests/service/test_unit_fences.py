# SPDX-License-Identifier: MIT
"""The helper inside the fences of contrib/systemd's service, put up by hand: it starts, serves, and is confined.

There is no systemd to start it (see test_units.py). What stands in for it: setpriv for capabilities, fences.py for the
filters of system calls, and a mount namespace with the same propagation, and the same /proc, as systemd's.
"""

import errno
import os
import pathlib
import shlex
import shutil
import signal
import stat
import subprocess

import pytest
from support import control, proc
from support.capabilities import assert_seven
from support.examples import EXAMPLES, prepare
from support.expect import fails
from support.helper import OURS, Helper, wait_for
from support.launch import launcher
from support.mounts import ext4, frozen, shared_tmpfs, tmpfs
from support.public import public_directory
from support.units import SERVICE, parse, words
from support.wire import Op

FENCES = pathlib.Path(__file__).with_name("fences.py")
# As with PrivateMounts=: mounts come in, and do not go out.
UNSHARE = "unshare -m --propagation slave"
MOUNTS = "mount --make-rshared /"
PROC = "mount -t proc -o hidepid=invisible,subset=pid proc /proc"


def fenced(directory):
    """A program that puts the fences up and becomes the helper."""
    names = [name.removeprefix("CAP_").lower() for name in words(parse(SERVICE)["Service"]["CapabilityBoundingSet"])]
    bounding = ",".join(["-all", *(f"+{name}" for name in names)])
    inside = directory / "inside"
    inside.mkdir()
    behind_filters = launcher(
        inside, prefix=f"setpriv --bounding-set={bounding} --inh-caps=-all --no-new-privs /usr/bin/python3 {FENCES}"
    )
    in_namespace = f"{MOUNTS}; {PROC}; exec {behind_filters} \"$@\""
    (directory / "launcher").write_text(f"#!/bin/sh -e\nexec {UNSHARE} sh -ec {shlex.quote(in_namespace)} sh \"$@\"\n")
    (directory / "launcher").chmod(0o755)
    return str(directory / "launcher")


@pytest.fixture
def place(export):
    """The export: a file system that takes user attributes, and shares what is mounted below it."""
    with shared_tmpfs(export):
        yield export


@pytest.fixture
def program(tmp_path):
    return fenced(tmp_path)


@pytest.fixture
def helper(place, program):
    with Helper(place, binary=program, env={"PYTHONDONTWRITEBYTECODE": "1"}) as running:
        yield running


def test_worker_is_confined_as_ever_and_has_nothing_to_complain_of(helper):
    (worker,) = helper.children()
    assert_seven(proc.status(worker))
    assert proc.status(worker)["Seccomp"] == "2"
    for kind in ("mnt", "pid", "net"):
        assert os.readlink(f"/proc/{worker}/ns/{kind}") != os.readlink(f"/proc/{helper.pid}/ns/{kind}")
    log = helper.log()
    assert "sandbox: namespace" in log
    assert [line for line in log.splitlines() if "ermi" in line] == [], log
    assert "private" not in log


def test_worker_that_is_killed_while_a_thread_hangs_is_replaced(place, program, tmp_path):
    """Most of /proc is hidden from the monitor."""
    (place / "disk").mkdir()
    with ext4(place / "disk", tmp_path / "image") as disk, Helper(place, binary=program) as helper:
        with helper.connect() as stuck, helper.connect() as other:
            (old,) = helper.children()
            with frozen(disk):
                stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
                proc.wait_for_hanging(old)
                os.kill(old, signal.SIGKILL)
                with fails(errno.EIO):
                    stuck.recv_status()
                other.lstat("/")
                assert proc.state(old) == "Z"
            wait_for(lambda: helper.children() not in ([], [old]) and old not in helper.children(), what="its end")


@pytest.mark.parametrize("sandbox", ["namespace", "chroot"])
def test_status_tells_the_sandbox(place, program, run_directory, sandbox):
    """Although the monitor has no CAP_SYS_PTRACE here, to look at the worker's namespaces."""
    arguments = ("--control", run_directory / "control", "--sandbox", sandbox)
    with Helper(place, binary=program, args=arguments, env={"PYTHONDONTWRITEBYTECODE": "1"}):
        seen = control.status(run_directory / "control")
        assert seen["sandbox"] == sandbox
        assert seen["worker"]["descriptors"] > 3 and seen["worker"]["pss_bytes"] > 0, seen["worker"]


def test_every_operation_succeeds(place, helper, client):
    prepare(place)
    for op, fields in EXAMPLES.items():
        client.call(op, **fields)


def test_guests_make_device_nodes_and_set_id_files(place, client):
    client.mknod("//null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    client.create("//program", mode=0o4755)
    assert (place / "null").stat().st_rdev == os.makedev(1, 3)
    assert (place / "program").stat().st_mode & stat.S_ISUID


def test_what_the_host_mounts_later_appears(place, helper, client):
    client.mkdir("//late")
    with tmpfs(place / "late"):
        (place / "late/file").write_text("")
        assert client.lstat("//late/file").ino == (place / "late/file").stat().st_ino


def test_worker_is_replaced(helper):
    (worker,) = helper.children()
    os.kill(worker, 9)
    wait_for(lambda: helper.children() not in ([], [worker]), what="another worker")
    with helper.connect() as client:
        assert client.lstat("/").nlink >= 2


CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); input()"


def test_log_names_programs_of_others(program):
    """Although /proc hides their processes."""
    with public_directory() as directory:
        name = directory / "s"
        with Helper(directory / "export", socket=name, binary=program, args=("-u", "65534")) as helper:
            command = ["/usr/bin/python3", "-c", CONNECT, name]
            with subprocess.Popen(command, user=65534, group=65534, extra_groups=[], stdin=subprocess.PIPE):
                wait_for(lambda: "(python3), uid 65534: connected" in helper.log(), what="the program's name")


@pytest.fixture
def outside():
    """A program as the helper is: to see that the fences are there."""

    def attempt(directory, *command):
        path = pathlib.Path(fenced(directory))
        inside = directory / "inside/launcher"
        inside.write_text(inside.read_text().replace(shlex.quote(OURS), shlex.join(command)))
        return subprocess.run([path], capture_output=True, text=True, timeout=30, check=False)

    return attempt


FORBIDDEN = {
    "user namespace": ("unshare", "--user", "true"),
    "UTS namespace": ("unshare", "--uts", "true"),
    "network": ("python3", "-c", "import socket; socket.socket()"),
    "kernel's log": ("dmesg", "-D"),
    "code made at run time": ("python3", "-c", "import mmap; mmap.mmap(-1, 4096, prot=7)"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_fences_are_there(tmp_path, outside, what):
    program, *arguments = FORBIDDEN[what]
    done = outside(tmp_path, shutil.which(program, path="/usr/bin:/bin"), *arguments)
    assert done.returncode != 0
    assert "not permitted" in done.stderr
