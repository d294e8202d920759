# SPDX-License-Identifier: MIT
"""What programs expect of names and directories, and who owns what is made, one expectation a test."""

import os
import stat
import subprocess

import pytest


def test_written_in_the_mount_is_there_for_others_and_back(site):
    site.run("sh", "-c", "echo from the mount > one && mkdir dir && echo more >> one")
    assert (site.export / "one").read_text() == "from the mount\nmore\n"
    (site.export / "dir/two").write_text("from the host")
    assert site.run("cat", "dir/two") == "from the host"
    (site.export / "dir/two").write_text("again")
    assert site.run("cat", "dir/two") == "again"
    (site.export / "dir/two").rename(site.export / "three")
    assert site.run("ls", ".", "dir") == ".:\ndir\none\nthree\n\ndir:\n"


def test_what_is_made_belongs_to_who_makes_it(site):
    site.run("sh", "-c", "echo x > file; mkdir dir; ln -s file link; mkfifo pipe")
    for name in ("file", "dir", "link", "pipe"):
        seen = os.lstat(site.export / name)
        assert (seen.st_uid, seen.st_gid) == (site.user, site.user), name


@pytest.mark.parametrize("arguments", [(), ("--no-direct",)], ids=["direct", "asked"])
def test_what_is_made_without_the_helper_is_as_it_makes_it(start_site, arguments):
    """The mask is that of who asks, the group that of a directory that gives its own; the helper's policy counts."""
    site = start_site(("--no-setid",), arguments)
    site.export.chmod(0o777)
    (site.export / "team").mkdir()
    os.chown(site.export / "team", 0, 4321)
    (site.export / "team").chmod(0o2777)
    site.python("""
os.umask(0o027)
os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o777))
os.close(os.open("team/f", os.O_CREAT | os.O_WRONLY, 0o666))
fails(errno.EPERM, os.open, "setid", os.O_CREAT | os.O_WRONLY, 0o4755)
""")
    seen = {name: os.lstat(site.export / name) for name in ("f", "team/f")}
    assert [stat.S_IMODE(one.st_mode) for one in seen.values()] == [0o750, 0o640]
    assert [one.st_gid for one in seen.values()] == [site.user, 4321]
    assert [one.st_uid for one in seen.values()] == [site.user] * 2


def test_owner_and_set_id_bits_are_changed_without_privilege(site):
    """The helper does it: what a guest's root does through QEMU's local driver, as a user of the host's."""
    site.python("create('f'); os.chown('f', 1234, 5678); os.chmod('f', 0o4755); os.lchown('f', -1, 7)")
    seen = os.lstat(site.export / "f")
    assert (seen.st_uid, seen.st_gid) == (1234, 7)
    site.python("os.chmod('f', 0o6751); assert stat.S_IMODE(os.stat('f').st_mode) == 0o6751")
    assert stat.S_IMODE(os.lstat(site.export / "f").st_mode) == 0o6751


def test_files_that_only_root_may_enter(site):
    secret = site.export / "secret/deep"
    secret.mkdir(parents=True)
    (secret / "file").write_text("content")
    secret.parent.chmod(0o700)
    assert site.run("find", ".") == ".\n./secret\n./secret/deep\n./secret/deep/file\n"
    assert site.run("cat", "secret/deep/file") == "content"
    site.python("create('secret/deep/new', b'x'); assert os.stat('secret/deep/new').st_size == 1")


def test_rename_over_an_open_file_leaves_no_gap(site):
    """The name is there at each moment, also while what it named is open."""
    site.python("""
import threading
create("f", b"0")
stop = False
def replace():
    for number in range(300):
        create("new", b"1")
        os.rename("new", "f")
thread = threading.Thread(target=replace)
thread.start()
held = []
while thread.is_alive():
    held.append(os.open("f", os.O_RDONLY))
    assert os.read(held[-1], 2) in (b"0", b"1")
    if len(held) > 50:
        os.close(held.pop(0))
thread.join()
""")


def test_renamed_file_and_directory_stay_open(site):
    site.python("""
os.mkdir("a")
fd = os.open("a/f", os.O_RDWR | os.O_CREAT)
os.rename("a", "b")
os.rename("b/f", "b/g")
os.write(fd, b"x")
os.fchmod(fd, 0o640)
seen = os.stat("b/g")
assert (seen.st_size, stat.S_IMODE(seen.st_mode), seen.st_ino) == (1, 0o640, os.fstat(fd).st_ino)
os.chdir("b")
os.rename("../b", "../c")
create("h")
assert os.path.exists("../c/h")
""")


def test_exclusive_creation_and_truncation(site):
    site.python("""
create("f", b"content")
fails(errno.EEXIST, os.open, "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
os.close(os.open("f", os.O_WRONLY | os.O_TRUNC))
assert os.stat("f").st_size == 0
create("f", b"content")
os.close(os.open("f", os.O_RDONLY | os.O_TRUNC))
assert os.stat("f").st_size == 0
os.symlink("f", "l")
fails(errno.EEXIST, os.open, "l", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
fails(errno.ELOOP, os.open, "l", os.O_NOFOLLOW)
""")


def test_two_links_are_one_file(site):
    site.python("""
create("a", b"one")
os.link("a", "b")
assert os.stat("a").st_ino == os.stat("b").st_ino and os.stat("b").st_nlink == 2
first, second = os.open("a", os.O_RDWR), os.open("b", os.O_RDWR)
with mmap.mmap(first, 3) as memory:
    os.pwrite(second, b"two", 0)
    assert memory[:] == b"two"
os.unlink("a")
assert content("b") == b"two" and os.stat("b").st_nlink == 1
os.chmod("b", 0o600)
""")


def test_listing_survives_changes(site):
    """What stays is listed once, whatever else comes and goes meanwhile."""
    site.python("""
os.mkdir("d")
for number in range(3000):
    create(f"d/stays{number}")
    create(f"d/goes{number}")
seen = []
with os.scandir("d") as entries:
    for count, entry in enumerate(entries):
        seen.append(entry.name)
        if count % 10 == 0:
            try:
                os.unlink(f"d/goes{count // 10}")
            except FileNotFoundError:
                pass
            create(f"d/comes{count}")
stayed = [name for name in seen if name.startswith("stays")]
assert sorted(stayed) == sorted(f"stays{number}" for number in range(3000))
assert len(seen) == len(set(seen))
fd = os.open("d", os.O_RDONLY)
before = set(os.listdir(fd))
create("d/last")
os.lseek(fd, 0, os.SEEK_SET)
assert set(os.listdir(fd)) - before == {"last"}
""")


def test_types_and_errors_of_removal(site):
    site.python("""
os.mkdir("d"); create("d/f"); create("f")
fails(errno.ENOTEMPTY, os.rmdir, "d")
fails(errno.ENOTDIR, os.rmdir, "f")
fails(errno.EISDIR, os.unlink, "d")
fails(errno.ENOENT, os.unlink, "missing")
os.unlink("d/f"); os.rmdir("d")
""")


RENAME_FLAGS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def rename_with(flag, old, new):
    return 0 if libc.renameat2(-100, old, -100, new, flag) == 0 else ctypes.get_errno()
NOREPLACE, EXCHANGE = 1, 2
"""


def test_renameat2_with_flags(site):
    """NOREPLACE is had where the user may rename by himself."""
    site.python(RENAME_FLAGS + """
create("a", b"a"); create("b", b"b")
assert rename_with(EXCHANGE, b"a", b"b") == errno.EINVAL
assert rename_with(NOREPLACE, b"a", b"b") == errno.EEXIST
assert content("a") == b"a" and content("b") == b"b"
assert rename_with(NOREPLACE, b"a", b"c") == 0
assert content("c") == b"a" and not os.path.exists("a")
""")
    site.run("mv", "-n", "c", "d")
    assert (site.export / "d").read_bytes() == b"a"


def test_renameat2_with_flags_where_only_the_helper_may(site):
    site.export.chmod(0o755)
    site.python(RENAME_FLAGS + """
create("a", b"a")
assert rename_with(NOREPLACE, b"a", b"c") == errno.EINVAL
""")
    site.run("mv", "-n", "a", "d")
    assert (site.export / "d").read_bytes() == b"a"


def test_removal_where_only_the_helper_may(site):
    """The export's root, which is root's."""
    site.export.chmod(0o755)
    site.python("""
os.mkdir("d"); create("f")
fails(errno.ENOTDIR, os.rmdir, "f")
fails(errno.EISDIR, os.unlink, "d")
os.unlink("f"); os.rmdir("d")
""")
    assert os.listdir(site.export) == []


def test_names_and_paths_that_are_too_long(site):
    site.python("""
fails(errno.ENAMETOOLONG, create, "n" * 256)
fails(errno.ENAMETOOLONG, os.stat, "n" * 1500)
create("n" * 255)
depth = 0
try:
    while True:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        depth += 1
except OSError as error:
    assert error.errno == errno.ENAMETOOLONG, error
assert depth >= 19, depth
create("x" * 20)
os.unlink("x" * 20)
""")
    site.run("rm", "-r", "d" * 200)


def test_directory_that_others_replace(site):
    """What is below the name is what is there now, not what was."""
    (site.export / "d").mkdir()
    (site.export / "d/old").touch()
    assert site.run("ls", "d") == "old\n"
    (site.export / "d").rename(site.export / "moved")
    (site.export / "d").mkdir()
    (site.export / "d/new").touch()
    assert site.run("sh", "-c", "ls d; ls moved; stat -c %n d/new moved/old") == "new\nold\nd/new\nmoved/old\n"
    site.run("stat", "d/old", status=1)


def test_links_out_of_the_export_are_not_followed_by_us(site, tmp_path):
    """A directory that becomes a link shows nothing of the host's through what we hold of it."""
    (site.export / "d").mkdir()
    (site.export / "d/passwd").write_text("ours")
    site.python("""
os.chdir("d")
assert os.stat("passwd").st_size == 4
""")
    process_code = """
os.chdir("d")
print("in", flush=True)
sys.stdin.readline()
assert os.stat("passwd").st_size == 4
"""
    process = subprocess.Popen(
        site.command("/usr/bin/python3", "-c", "import os, sys\n" + process_code),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "in\n"
    (site.export / "d").rename(site.export / "elsewhere")
    (site.export / "d").symlink_to("/etc")
    process.communicate("go\n", timeout=30)
    assert process.returncode == 0
