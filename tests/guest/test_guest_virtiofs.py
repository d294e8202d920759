# SPDX-License-Identifier: MIT
"""A guest that has a mount of the helper by virtiofs, through the virtiofsd of Debian 12's QEMU.

Nothing here has privilege but the helper: QEMU, virtiofsd and the mount run as another user than root. In the user namespace
that virtiofsd then needs there is one owner, that user, who is the guest's root; docs/mount.md says what follows from it.
"""

import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess
import time

import pytest
from guest.conftest import MountedSite
from guest.test_guest import as_user, check_modes, mode, owner
from guest.test_guest_survive import Worker, kill
from support import guest as guests
from support import proc, virtiofsd
from support.fuse import fusermount_usable, publish, skip_if_impossible
from support.helper import wait_for
from support.virtiofsd import Virtiofsd

USER, GROUP = "nobody", "nogroup"
NO_VIRTIOFS = "this kernel has no virtiofs"  # what contrib/guest/init says then
KILLS = 3
PAUSE = 0.5  # seconds of work before each kill, at least
CACHED = 1.0  # seconds for which virtiofsd lets a guest believe names and attributes, with its default of "auto"


class VirtiofsSite(MountedSite):
    """A helper, its export mounted by the user that QEMU runs as, and guests with a virtiofsd of that user's each."""

    def __init__(self, image, directory, user, group):
        self.daemons = []
        self.runtime = directory / "run"
        self.runtime.mkdir()
        shutil.chown(self.runtime, user, group)
        super().__init__(image, directory, user, group)
        self.uid = pwd.getpwnam(user).pw_uid
        self.export.chmod(0o777)

    def _boot(self):
        self.daemons.append(Virtiofsd(self.runtime / f"virtiofsd{len(self.daemons)}", self.path, self.uid))
        return guests.Guest(self._image, None, self._user, virtiofs=self.daemons[-1].socket)

    def close(self):
        """Each virtiofsd has a copy of the mount, and is gone before that ends."""
        for guest in self._guests:
            guest.kill()
        try:
            ends = [(daemon.wait(), daemon.log()) for daemon in self.daemons]
        finally:
            status = super().close()
        assert all(end == 0 for end, _ in ends), ends
        return status


@pytest.fixture(scope="module")
def site(start_site):
    skip_if_impossible()
    reason = virtiofsd.missing_requirement(pwd.getpwnam(USER).pw_uid)
    if reason:
        pytest.skip(reason)
    with fusermount_usable(), publish():
        yield start_site(USER, GROUP, VirtiofsSite)


@pytest.fixture(scope="module")
def guest(site):
    try:
        return site.start_guest().wait_until_ready()
    except guests.GuestError as error:
        if NO_VIRTIOFS in str(error):
            pytest.skip(NO_VIRTIOFS)
        raise


class Folder:
    """A folder of the guest's for one test: `host` is its path in the export; run() and attempt() work in it."""

    def __init__(self, site, guest, name):
        self._guest, self._name = guest, name
        self.host = site.export / name
        guest.run(f"mkdir -m 777 {name}")

    def run(self, command):
        return self._guest.run(f"cd {self._name} && {{ {command}\n}}")

    def attempt(self, command):
        return self._guest.attempt(f"cd {self._name} && {{ {command}\n}}")

    def refused(self, command, error):
        """The command has to fail with this error."""
        result = self.attempt(command)
        assert result.status != 0 and error in result.output, result


@pytest.fixture
def folder(site, guest, request):
    return Folder(site, guest, request.node.name)


def seen_in_time(condition, what):
    """What another has changed is seen when the guest asks again, and it may believe what it knows for CACHED."""
    wait_for(condition, CACHED + 5, what)


def test_a_kernel_without_the_modules_is_not_taken_for_the_one_that_is_needed(image, tmp_path):
    """Older versions of fetch-kernel left kernels for 9p alone, and no word of what is in them."""

    def look():
        return subprocess.run([guests.TOOLS / "fetch-kernel", "--look", tmp_path], check=False).returncode

    assert look() == 1
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/vmlinuz").touch()
    assert look() == 1
    (tmp_path / "kernel/made-for").write_text("9pnet 9p\n")
    assert look() == 1
    shutil.copy(guests.CACHE / "kernel/made-for", tmp_path / "kernel")
    assert look() == 0
    assert sorted(os.listdir(tmp_path)) == ["kernel"]


def test_nobody_has_privilege_but_the_helper(site, guest):
    assert guest.run("sed -n 's/^share //p' /proc/mounts") == "/mnt/share virtiofs rw,relatime 0 0"
    daemon = site.daemons[0].pid
    for pid in (guest.pid, daemon, *proc.children(daemon), site.mount_pid):
        assert "Uid:\t65534\t65534\t65534\t65534\n" in pathlib.Path(f"/proc/{pid}/status").read_text()
    # virtiofsd is root, but in a namespace where that is the user's own number.
    assert pathlib.Path(f"/proc/{daemon}/uid_map").read_text().split() == ["0", "65534", "1"]


def test_what_is_written_arrives_and_what_is_there_is_read(folder):
    folder.run("echo from the guest > file; echo more >> file; seq 300000 > numbers")
    assert (folder.host / "file").read_text() == "from the guest\nmore\n"
    content = (folder.host / "numbers").read_bytes()
    assert len(content) == 1988895 and content.endswith(b"\n299999\n300000\n")
    assert folder.run("md5sum < numbers").split()[0] == hashlib.md5(content).hexdigest()
    folder.run("truncate -s 1000 numbers; truncate -s 5000 numbers")
    assert (folder.host / "numbers").read_bytes() == content[:1000] + bytes(4000)
    folder.run("printf XYZ | dd of=numbers bs=1 seek=998 conv=notrunc")
    assert (folder.host / "numbers").read_bytes() == content[:998] + b"XYZ" + bytes(3999)
    (folder.host / "from the host").write_text("of the host's\n")
    assert folder.run("cat 'from the host'") == "of the host's"


def test_changes_of_the_host_are_seen_a_second_later(folder):
    folder.run("echo old > file; mkdir dir")
    assert folder.run("cat file; ls") == "old\ndir\nfile"
    (folder.host / "file").write_text("from the host\n")
    (folder.host / "file").rename(folder.host / "renamed")
    (folder.host / "dir").rmdir()
    seen_in_time(lambda: folder.attempt("stat file").status != 0, "the end of the old name")
    assert folder.run("cat renamed; ls") == "from the host\nrenamed"


def test_rename(folder):
    folder.run("echo old > a; echo new > b; mkdir dir full; touch full/x")
    folder.run("mv a renamed")
    assert sorted(os.listdir(folder.host)) == ["b", "dir", "full", "renamed"]
    folder.run("mv renamed dir/moved")
    assert (folder.host / "dir/moved").read_text() == "old\n"
    folder.run("mv b dir/moved")
    assert folder.run("cat dir/moved; ls") == "new\ndir\nfull"
    assert (folder.host / "dir/moved").read_text() == "new\n"
    folder.refused("mv -T dir full", "Directory not empty")
    folder.run("mv dir elsewhere; mv elsewhere full")
    assert (folder.host / "full/elsewhere/moved").read_text() == "new\n"
    assert folder.run("ls -R") == ".:\nfull\n\n./full:\nelsewhere\nx\n\n./full/elsewhere:\nmoved"


def test_a_removed_file_that_is_open_is_written_and_read(folder):
    folder.run(
        "exec 3>>file; echo one >&3; rm file; echo two >&3; ls >/tmp/left; cat /proc/self/fd/3 >/tmp/read; "
        "chmod 600 /proc/self/fd/3 && truncate -s 100 /proc/self/fd/3; stat -L -c '%s %h %a' /proc/self/fd/3 >/tmp/stat"
    )
    assert folder.run("cat /tmp/left /tmp/read /tmp/stat") == "one\ntwo\n100 0 600"
    assert os.listdir(folder.host) == []


def test_modes(folder):
    check_modes(folder.host, folder.run, folder.run)


def test_links(folder):
    folder.run("echo content > file && ln file hard && ln -s file soft && ln -s /nowhere/at/all dangling")
    assert folder.run("stat -c %h file; cat hard soft") == "2\ncontent\ncontent"
    assert folder.run("readlink soft; readlink dangling") == "file\n/nowhere/at/all"
    assert os.readlink(folder.host / "soft") == "file" and os.readlink(folder.host / "dangling") == "/nowhere/at/all"
    assert os.lstat(folder.host / "hard").st_ino == os.lstat(folder.host / "file").st_ino
    folder.refused("cat dangling", "No such file or directory")
    folder.run("rm file soft dangling")
    assert folder.run("ls; cat hard; stat -c %h hard") == "hard\ncontent\n1"


def test_a_directory_of_hundreds(folder):
    folder.run("mkdir many && cd many && seq -w 700 | sed s/^/a-name-of-some-length-/ | xargs touch")
    names = sorted(os.listdir(folder.host / "many"))
    assert len(names) == 700
    assert folder.run("ls many").splitlines() == names
    folder.run("cd many && rm -- *5")
    left = [name for name in names if not name.endswith("5")]
    assert folder.run("ls many").splitlines() == left == sorted(os.listdir(folder.host / "many"))
    folder.run("rm -r many")
    assert os.listdir(folder.host) == []


def test_times(folder):
    folder.run("touch file && ln -s file link && touch -d @1000000000 file && touch -h -d @1100000000 link")
    assert os.lstat(folder.host / "file").st_mtime_ns == 1000000000 * 10**9
    assert os.lstat(folder.host / "link").st_mtime_ns == 1100000000 * 10**9
    start = time.time()
    folder.run("touch file")
    # The kernel stamps files with a clock that may be a tick behind.
    assert start - 1 < os.lstat(folder.host / "file").st_mtime < time.time() + 1


def test_extended_attributes(folder):
    """With virtiofsd's option xattr."""
    folder.run("touch file && setfattr -n user.color -v blue file && setfattr -n user.binary -v 0x00ff0a file")
    assert os.getxattr(folder.host / "file", "user.binary") == b"\0\xff\n"
    assert folder.run("getfattr --only-values -n user.color file") == "blue"
    folder.run("setfattr -x user.binary file")
    assert os.listxattr(folder.host / "file") == ["user.color"]
    folder.refused("setfattr -n trusted.color -v red file", "Operation not permitted")


def test_there_is_one_owner(site, folder):
    """The guest's root is the user that virtiofsd runs as, and nobody else can be an owner."""
    folder.run("touch file; mkdir dir; ln -s file link; mkfifo pipe; chown 0:0 file")
    for name in ("file", "dir", "link", "pipe"):
        assert owner(folder.host / name) == (site.uid, site.uid), name
    assert folder.run("stat -c '%U:%G' file dir link pipe") == "\n".join(["root:root"] * 4)
    for command in ("chown alice file", "chgrp alice file", "chown -h alice link", f"chown {site.uid} file"):
        folder.refused(command, "Invalid argument")
    for command in ("echo x >new", "mkdir new", "ln -s x new"):
        folder.refused(as_user("alice", command), "Invalid argument")
    assert owner(folder.host / "file") == (site.uid, site.uid) and not os.path.lexists(folder.host / "new")


def test_permissions_are_checked_by_the_guest(folder):
    folder.run("echo secret > file; chmod 600 file; echo open > shared; chmod 666 shared")
    folder.refused(as_user("alice", "cat file"), "Permission denied")
    folder.run(as_user("alice", "cat shared; echo of alice >> shared"))
    assert (folder.host / "shared").read_text() == "open\nof alice\n"


def test_files_of_the_hosts_other_users_belong_to_nobody_whom_the_guest_knows(site, folder):
    """Its root has the helper's power over them all the same."""
    for name, number in (("roots", 0), ("others", 1234)):
        (folder.host / name).write_text("of the host's\n")
        (folder.host / name).chmod(0o600)
        os.chown(folder.host / name, number, number)
    assert folder.run("stat -c '%u %g %a' roots others") == "65534 65534 600\n65534 65534 600"
    folder.run("cat roots others; echo of the guest >> roots; chmod 640 others")
    assert (folder.host / "roots").read_text() == "of the host's\nof the guest\n"
    assert owner(folder.host / "roots") == (0, 0)
    assert (mode(folder.host / "others"), owner(folder.host / "others")) == (0o640, (1234, 1234))
    folder.run("chown 0:0 others")
    assert owner(folder.host / "others") == (site.uid, site.uid)


def test_device_nodes_are_refused(folder):
    folder.refused("mknod null c 1 3", "Operation not permitted")
    folder.refused("mknod disk b 254 259", "Operation not permitted")
    folder.run("mkfifo -m 640 pipe")
    assert stat.S_ISFIFO(os.lstat(folder.host / "pipe").st_mode)
    assert os.listdir(folder.host) == ["pipe"]
    assert folder.run("echo through > pipe & cat pipe; wait") == "through"


def test_a_request_that_waits_for_a_worker_that_is_killed_is_done_by_the_next(site, folder):
    """The guest has seen nothing but that it took a while."""
    folder.run("touch file; chmod 600 file")
    (worker,) = site.helper.children()
    os.kill(worker, signal.SIGSTOP)
    try:
        folder.run("(chmod 640 file; echo $? >/tmp/s; mv /tmp/s /tmp/status) >/tmp/said 2>&1 &")
        time.sleep(PAUSE)
        assert folder.attempt("cat /tmp/status").status != 0, "it was done by another than the worker"
    finally:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: folder.attempt("cat /tmp/status").status == 0, what="the mode")
    assert folder.run("cat /tmp/said /tmp/status; stat -c %a file") == "0\n640"
    assert mode(folder.host / "file") == 0o640
    assert site.helper.children() not in ([], [worker])


def test_the_worker_is_killed_in_the_middle_of_work(site, guest, capsys):
    """Work goes on; I/O errors may be seen, and nothing else. What is open does not notice."""
    guest.run(
        "mkdir busy; (exec 3>busy/open; n=0; while [ ! -e /tmp/stop ]; do n=$((n + 1)); echo $n >&3 || : >/tmp/bad; done; "
        "echo $n >/tmp/n; mv /tmp/n /tmp/written) >/dev/null 2>&1 &"
    )
    worker = Worker(guest, "work")
    for _ in range(KILLS):
        before = worker.rounds()
        time.sleep(PAUSE)
        kill(site.helper)
        wait_for(lambda: worker.rounds() > before, what="work that goes on", timeout=120)  # noqa: B023
    worker.stop()
    again = worker.check(site.export)
    guest.run(": >/tmp/stop; until [ -e /tmp/written ]; do sleep 0.1; done; [ ! -e /tmp/bad ]")
    written = int(guest.run("cat /tmp/written"))
    assert written > 0
    assert (site.export / "busy/open").read_text() == "".join(f"{n}\n" for n in range(1, written + 1))
    with capsys.disabled():
        print(f"\n{KILLS} kills, {worker.rounds()} rounds of work, {again} steps done again after EIO, {written} lines written")


def test_a_helper_that_is_gone_and_comes_back(site, folder):
    """Operations fail meanwhile, and none waits. Contents of what is open are not the helper's to give."""
    (folder.host / "file").write_text("content\n")
    folder.run(
        "(exec 3<file; until [ -e /tmp/gone.go ]; do sleep 0.1; done; cat <&3 >/tmp/gone.c; mv /tmp/gone.c /tmp/gone.read) "
        ">/tmp/gone.said 2>&1 & until [ -e /proc/$!/fd/3 ]; do sleep 0.1; done"
    )
    assert site.helper.stop() == 0
    try:
        for command in ("chmod 600 file", "cat file", "mkdir dir", "mv file other", "rm file"):
            folder.refused(command, "nput/output error")
        folder.run("touch /tmp/gone.go; until [ -e /tmp/gone.read ]; do sleep 0.1; done")
        assert folder.run("cat /tmp/gone.read /tmp/gone.said") == "content"
    finally:
        site.helper = site.start_helper()
    folder.run("chmod 600 file && mkdir dir && mv file dir")
    assert (folder.host / "dir/file").read_text() == "content\n" and mode(folder.host / "dir/file") == 0o600


def test_virtiofsd_ends_with_its_guest_and_the_helper_goes_on(site, guest):
    """There is no guest from here on: this goes last."""
    guest.run("echo last > last")
    guest.poweroff()
    assert site.daemons[0].wait() == 0, site.daemons[0].log()
    assert (site.export / "last").read_text() == "last\n"
    assert site.helper.poll() is None
    with site.helper.connect():
        pass
