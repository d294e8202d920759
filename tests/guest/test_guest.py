# SPDX-License-Identifier: MIT
"""Two guests use one export through one helper at the same time, and see the same tree as each other and the host.

QEMU runs as another user than root, with the socket in a directory of root's: the deployment that is recommended.
"""

import hashlib
import os
import pathlib
import stat
import time

import pytest

ALICE, BOB = 1000, 1001  # users that the guests know


class Pair:
    """The two guests, and what was true of the socket before they started."""

    def __init__(self, site):
        self.site = site
        self.socket_before = os.lstat(site.socket)
        self.first = site.start_guest()
        self.second = site.start_guest()


@pytest.fixture(scope="module")
def pair(start_site):
    pair = Pair(start_site("nobody", "nogroup"))
    pair.first.wait_until_ready()
    pair.second.wait_until_ready()
    return pair


class Folder:
    """A folder of the export for one test: `host` is its path here; first() and second() run a command in it there."""

    def __init__(self, pair, name):
        self._pair, self._name = pair, name
        self.host = pair.site.export / name
        self.host.mkdir()
        self.host.chmod(0o777)

    def first(self, command):
        return self._pair.first.run(f"cd {self._name} && {{ {command}\n}}")

    def second(self, command):
        return self._pair.second.run(f"cd {self._name} && {{ {command}\n}}")

    def second_attempt(self, command):
        return self._pair.second.attempt(f"cd {self._name} && {{ {command}\n}}")


@pytest.fixture
def folder(pair, request):
    return Folder(pair, request.node.name)


def owner(path):
    """uid and gid of what a path names, not of what it points to."""
    status = os.lstat(path)
    return status.st_uid, status.st_gid


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def as_user(name, command):
    return f"su {name} -c '{command}'"


def test_qemu_is_not_root_and_the_socket_keeps_its_name(pair):
    """The name is never removed where QEMU may not: a second QEMU finds it as the first did."""
    assert "Uid:\t65534\t65534\t65534\t65534\n" in pathlib.Path(f"/proc/{pair.first.pid}/status").read_text()
    directory = os.lstat(pair.site.socket.parent)
    assert (directory.st_uid, stat.S_IMODE(directory.st_mode)) == (0, 0o755)
    now = os.lstat(pair.site.socket)
    assert (now.st_dev, now.st_ino) == (pair.socket_before.st_dev, pair.socket_before.st_ino)
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (65534, 65534, 0o660)


def test_files_written_in_one_guest_are_read_in_the_other(folder):
    folder.first("echo from the first > one")
    folder.second("echo from the second > two")
    assert folder.second("cat one") == "from the first"
    assert folder.first("cat two") == "from the second"
    folder.second("echo more >> one")
    assert folder.first("cat one") == "from the first\nmore"
    assert (folder.host / "one").read_text() == "from the first\nmore\n"
    (folder.host / "three").write_text("from the host\n")
    assert folder.first("cat three") == folder.second("cat three") == "from the host"


def test_a_large_file_arrives_whole_and_can_be_cut_and_grown(folder):
    folder.first("seq 300000 > numbers")
    content = (folder.host / "numbers").read_bytes()
    assert len(content) == 1988895
    assert folder.second("md5sum < numbers").split()[0] == hashlib.md5(content).hexdigest()
    folder.second("truncate -s 1000 numbers")
    assert folder.first("stat -c %s numbers") == "1000"
    folder.first("truncate -s 5000 numbers")
    assert (folder.host / "numbers").read_bytes() == content[:1000] + bytes(4000)


def test_directories(folder):
    folder.first("mkdir -p a/b/c && touch a/b/c/leaf")
    assert folder.second("find a") == "a\na/b\na/b/c\na/b/c/leaf"
    assert folder.second_attempt("rmdir a/b").status != 0
    folder.second("rm a/b/c/leaf && rmdir a/b/c")
    assert sorted(os.listdir(folder.host / "a/b")) == []
    assert folder.first("ls a") == "b"
    folder.first("mkdir many && cd many && seq 200 | xargs touch")
    assert folder.second("ls many | wc -l") == "200"
    folder.second("rm -r many")
    assert not (folder.host / "many").exists()


def test_hard_and_symbolic_links(folder):
    folder.first("echo content > file && ln file hard && ln -s file soft && ln -s /nowhere/at/all dangling")
    assert folder.second("stat -c %h file") == "2"
    assert folder.second("cat hard soft") == "content\ncontent"
    assert folder.second("readlink soft; readlink dangling") == "file\n/nowhere/at/all"
    assert os.lstat(folder.host / "hard").st_ino == os.lstat(folder.host / "file").st_ino
    assert os.readlink(folder.host / "dangling") == "/nowhere/at/all"
    folder.second("rm file soft dangling")
    assert folder.first("ls") == "hard"
    assert folder.first("cat hard; stat -c %h hard") == "content\n1"


def test_fifos(folder):
    folder.first("mkfifo -m 640 pipe")
    assert stat.S_ISFIFO(os.lstat(folder.host / "pipe").st_mode)
    assert mode(folder.host / "pipe") == 0o640
    assert folder.second("stat -c %F pipe") == "fifo"
    # A FIFO joins processes of one guest; it takes nothing across.
    assert folder.second("echo through > pipe & cat pipe; wait") == "through"
    folder.second("rm pipe")
    assert folder.first("ls") == ""


def test_device_nodes(folder):
    folder.first("mknod -m 666 null c 1 3 && mknod disk b 254 259")
    null, disk = os.lstat(folder.host / "null"), os.lstat(folder.host / "disk")
    assert stat.S_ISCHR(null.st_mode) and null.st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK(disk.st_mode) and disk.st_rdev == os.makedev(254, 259)
    assert folder.second("stat -c '%F %t %T' null disk") == "character special file 1 3\nblock special file fe 103"
    folder.second("echo lost > null && [ -z \"$(cat null)\" ]")
    assert os.lstat(folder.host / "null").st_size == 0


CREATIONS = {"file": "echo mine > file", "dir": "mkdir dir", "link": "ln -s file link", "pipe": "mkfifo pipe"}


def test_who_creates_something_owns_it(folder, creations=tuple(CREATIONS)):
    folder.first(as_user("alice", "; ".join(CREATIONS[name] for name in creations)))
    folder.second(as_user("bob", "echo mine > bobs"))
    for name in creations:
        assert owner(folder.host / name) == (ALICE, ALICE), name
    assert owner(folder.host / "bobs") == (BOB, BOB)
    assert folder.second(f"stat -c %U {' '.join(creations)}") == "\n".join(["alice"] * len(creations))
    folder.first("touch roots")
    assert owner(folder.host / "roots") == (0, 0)


def test_ownership_is_changed_by_root_alone(folder):
    folder.first("touch file && ln -s file link && chown 1234:5678 file && chown -h alice:bob link")
    assert owner(folder.host / "file") == (1234, 5678)
    assert owner(folder.host / "link") == (ALICE, BOB)
    assert folder.second("stat -c '%u %g' file link") == "1234 5678\n1000 1001"
    folder.second("chgrp alice file")
    assert owner(folder.host / "file") == (1234, ALICE)
    assert folder.second_attempt(as_user("alice", "chown alice file")).status != 0
    assert owner(folder.host / "file") == (1234, ALICE)


def test_permissions_keep_users_apart_across_guests(folder):
    folder.first(as_user("alice", "umask 077; echo secret > file; mkdir dir"))
    assert (mode(folder.host / "file"), mode(folder.host / "dir")) == (0o600, 0o700)
    refused = folder.second_attempt(as_user("bob", "cat file; ls dir; echo x >> file"))
    assert refused.status != 0 and refused.output.count("Permission denied") == 3
    assert folder.second(as_user("alice", "cat file")) == "secret"
    assert folder.second("cat file") == "secret"
    folder.second(as_user("alice", "chmod 644 file"))
    assert folder.first(as_user("bob", "cat file")) == "secret"


def check_modes(host, change, look):
    """Gives files and directories in `host` modes with all bits, by `change`; the host and `look` have to see them."""
    modes = {"plain": 0o640, "setuid": 0o4755, "setgid": 0o2755, "both": 0o6711, "none": 0}
    for name, bits in modes.items():
        change(f"touch {name} && chmod {bits:o} {name}")
    change("mkdir sticky && chmod 1777 sticky && mkdir -m 2750 group")
    modes |= {"sticky": 0o1777, "group": 0o2750}
    assert {name: mode(host / name) for name in modes} == modes
    seen = look("stat -c '%n %a' *")
    assert dict(line.split() for line in seen.splitlines()) == {name: f"{bits:o}" for name, bits in modes.items()}


def test_modes_with_set_id_and_sticky_bits(folder):
    check_modes(folder.host, folder.first, folder.second)
    # The set-user-id bit goes when the owner changes, as on any Linux file system.
    folder.second("chown alice setuid")
    assert mode(folder.host / "setuid") == 0o755


def test_times_given_and_times_of_now(folder):
    """QEMU leaves "now" to the helper. A guest asks for it with each truncation, too, not only with touch."""
    folder.first("echo content > file && ln -s file link && touch -d @1000000000 file && touch -h -d @1100000000 link")
    assert folder.second("stat -c '%X %Y' file") == "1000000000 1000000000"
    assert os.lstat(folder.host / "file").st_mtime_ns == 1000000000 * 10**9
    assert os.lstat(folder.host / "link").st_mtime_ns == 1100000000 * 10**9
    for command in ("touch file", "truncate -s 3 file", "echo again > file"):
        folder.first("touch -d @1000000000 file")
        start = time.time()
        folder.second(command)
        # The kernel stamps files with a clock that may be a tick behind.
        assert start - 1 < os.lstat(folder.host / "file").st_mtime < time.time() + 1, command


def test_extended_attributes(folder, refusal="Operation not permitted"):
    folder.first("touch file && setfattr -n user.color -v blue file && setfattr -n user.binary -v 0x00ff0a file")
    assert folder.second("getfattr --only-values -n user.color file") == "blue"
    assert folder.second("getfattr -e hex -n user.binary file | tail -n 2") == "user.binary=0x00ff0a\n"
    assert sorted(os.listxattr(folder.host / "file")) == ["user.binary", "user.color"]
    assert os.getxattr(folder.host / "file", "user.binary") == b"\0\xff\n"
    folder.second("setfattr -n user.color -v green file && setfattr -x user.binary file")
    assert os.getxattr(folder.host / "file", "user.color") == b"green"
    assert "user.color" == folder.first("getfattr file | sed -n /^user/p")
    missing = folder.second_attempt("getfattr -n user.binary file")
    assert missing.status != 0 and "No such attribute" in missing.output
    # The helper has no capability for these, so that no guest can give a host file rights on the host.
    forbidden = folder.second_attempt("setfattr -n trusted.color -v red file")
    assert forbidden.status != 0 and refusal in forbidden.output


def test_rename(folder):
    folder.first("echo old > a && echo new > b && mkdir dir full && touch full/x")
    folder.first("mv a renamed")
    assert folder.second("cat renamed; ls") == "old\nb\ndir\nfull\nrenamed"
    folder.second("mv renamed dir/moved")
    assert (folder.host / "dir/moved").read_text() == "old\n"
    folder.first("mv b dir/moved")
    assert folder.second("cat dir/moved; ls") == "new\ndir\nfull"
    folder.second("mv dir elsewhere")
    assert folder.first("cat elsewhere/moved") == "new"
    assert folder.first("mv elsewhere full && ls -R full") == "full:\nelsewhere\nx\n\nfull/elsewhere:\nmoved"
    assert (folder.host / "full/elsewhere/moved").read_text() == "new\n"


def test_setgid_directory_takes_files_of_root_and_then_of_others(folder):
    """QEMU's own helper dies here: its create as 0:1000 loses the capabilities that the create as 1000:1000 needs."""
    folder.first("mkdir team && chown root:alice team && chmod 2777 team")
    folder.first("echo root > team/root")
    folder.first("cd team && " + as_user("alice", "echo alice > alice"))
    folder.second("echo root > team/root2 && mkdir team/sub")
    folder.second("cd team && " + as_user("bob", "echo bob > bob"))
    owners = {name: owner(folder.host / "team" / name) for name in os.listdir(folder.host / "team")}
    assert owners == {
        "root": (0, ALICE),
        "root2": (0, ALICE),
        "sub": (0, ALICE),
        "alice": (ALICE, ALICE),
        "bob": (BOB, ALICE),
    }
    assert mode(folder.host / "team/sub") == 0o2755
    assert folder.first("cd team; cat alice bob root root2") == "alice\nbob\nroot\nroot"
    folder.second("chown bob:bob team/root2")
    assert owner(folder.host / "team/root2") == (BOB, BOB)


def test_both_guests_work_in_one_directory_at_once(folder):
    loop = "seq 100 | while read -r n; do echo {0} > {0}.$n && mv {0}.$n {0}-$n; done; touch {0}.done"
    folder.first(f"({loop.format('first')}) </dev/null >/dev/null 2>&1 &")
    folder.second(loop.format("second"))
    folder.first("while [ ! -e first.done ]; do sleep 0.1; done")
    expected = {f"{guest}-{n}" for guest in ("first", "second") for n in range(1, 101)} | {"first.done", "second.done"}
    assert set(os.listdir(folder.host)) == expected
    assert folder.second("cat first-* | sort -u") == "first"


def test_one_guest_is_killed_and_restarted_while_the_other_works(pair, folder):
    """The other one's steps before, during and after the restart all count. From here on, guests end: this goes last."""
    folder.first("echo before > file")
    folder.first("(while :; do echo x >> busy; done) </dev/null >/dev/null 2>&1 &")
    folder.second("while [ ! -s busy ]; do sleep 0.1; done")
    folder.second("(n=0; while [ ! -e stop ]; do n=$((n + 1)); echo $n > n.new; mv n.new n; done) >/dev/null 2>&1 &")
    pair.first.kill()
    assert folder.second("cat file && echo during > file && cat file") == "before\nduring"

    pair.first = pair.site.start_guest()
    counted = int(folder.second("cat n"))
    pair.first.wait_until_ready()
    assert int(folder.second("cat n")) > counted, "the guest that was left alone made no progress"
    folder.second("touch stop")
    assert folder.first("cat file && echo after > file") == "during"
    assert folder.second("cat file") == "after"
    assert (folder.host / "file").read_text() == "after\n"


def test_guests_that_turn_themselves_off_leave_the_helper_serving(pair):
    pair.first.poweroff()
    assert pair.second.run("echo alone > alone && cat alone") == "alone"
    pair.second.poweroff()
    assert pair.site.helper.poll() is None
    with pair.site.helper.connect():
        pass
