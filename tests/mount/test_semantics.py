# SPDX-License-Identifier: MIT
"""What programs expect of a local file system, one expectation a test."""

import os
import stat

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


def test_open_file_lives_after_its_name(site):
    site.python("""
fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
os.write(fd, b"0123456789")
os.unlink("f")
seen = os.fstat(fd)
assert (seen.st_nlink, seen.st_size, stat.S_IMODE(seen.st_mode)) == (0, 10, 0o640), seen
os.fchmod(fd, 0o600)
os.ftruncate(fd, 3)
os.utime(fd, ns=(5, 123456789))
seen = os.fstat(fd)
assert (seen.st_size, stat.S_IMODE(seen.st_mode), seen.st_mtime_ns) == (3, 0o600, 123456789), seen
os.pwrite(fd, b"ab", 3)
assert os.pread(fd, 10, 0) == b"012ab"
again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
assert os.read(again, 10) == b"012ab"
# Only our own user's rights are left, and nobody may give a file away.
fails(errno.EPERM, os.fchown, fd, 1, 1)
fails(errno.ENOENT, os.stat, "f")
create("f", b"another")
assert os.fstat(fd).st_size == 5 and os.stat("f").st_size == 7
os.fchmod(fd, 0o611)
assert stat.S_IMODE(os.stat("f").st_mode) == 0o644
os.unlink("f")
os.close(fd)
os.close(again)
assert os.listdir(".") == []
""")
    assert os.listdir(site.export) == []


def test_open_file_lives_after_its_directory(site):
    site.python("""
os.mkdir("d")
fd = os.open("d/f", os.O_RDWR | os.O_CREAT)
os.unlink("d/f")
os.rmdir("d")
assert os.fstat(fd).st_nlink == 0
os.write(fd, b"x")
assert os.fstat(fd).st_size == 1
""")


def test_open_file_that_others_remove_or_replace(site):
    reader = """
fd = os.open("f", os.O_RDWR)
print("open", flush=True)
sys.stdin.readline()
assert os.fstat(fd).st_size == 3
os.fchmod(fd, 0o604)
os.close(fd)
"""
    import subprocess

    from support.helper import wait_for  # noqa: F401

    for replace in (False, True):
        path = site.export / "f"
        path.write_bytes(b"old")
        os.chown(path, site.user, site.user)
        process = subprocess.Popen(
            site.command("/usr/bin/python3", "-c", "import os, sys\n" + reader),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "open\n"
        if replace:
            (site.export / "new").write_bytes(b"longer")
            (site.export / "new").chmod(0o600)
            (site.export / "new").rename(path)
        else:
            path.unlink()
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0
        assert not replace or stat.S_IMODE(path.stat().st_mode) == 0o600


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


def test_appending_goes_to_the_end_of_what_others_wrote(site):
    (site.export / "f").write_bytes(b"a")
    (site.export / "f").chmod(0o666)
    site.python(f"""
fd = os.open("f", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"b")
os.write(fd, b"c")
os.lseek(fd, 0, os.SEEK_SET)
os.write(fd, b"d")
fcntl.fcntl(fd, fcntl.F_SETFL, 0)
os.pwrite(fd, b"A", 0)
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
os.write(fd, b"e")
""")
    assert (site.export / "f").read_bytes() == b"Abcde"


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


def test_holes_and_allocation(site):
    site.python("""
fd = os.open("f", os.O_RDWR | os.O_CREAT)
os.pwrite(fd, b"x", 1 << 20)
os.posix_fallocate(fd, 1 << 20, 1 << 16)
assert os.fstat(fd).st_size == (1 << 20) + (1 << 16)
data = os.lseek(fd, 0, os.SEEK_DATA)
assert 0 < data <= 1 << 20, data
assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
assert os.pread(fd, 10, 0) == bytes(10)
copy = os.open("g", os.O_RDWR | os.O_CREAT)
assert os.copy_file_range(fd, copy, 100, 1 << 20, 0) == 100
assert os.pread(copy, 1, 0) == b"x"
os.fsync(copy)
os.fdatasync(copy)
directory = os.open(".", os.O_RDONLY)
os.fsync(directory)
""")


def test_memory_maps(site):
    site.python("""
create("f", bytes(10000))
fd = os.open("f", os.O_RDWR)
with mmap.mmap(fd, 10000) as memory:
    memory[5000:5004] = b"seen"
    memory.flush()
    assert os.pread(fd, 4, 5000) == b"seen"
    os.pwrite(fd, b"back", 9000)
    assert memory[9000:9004] == b"back"
    os.unlink("f")
    memory[0:4] = b"gone"
    memory.flush()
assert os.pread(fd, 4, 0) == b"gone"
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


def test_locks_work_between_processes_of_the_mount(site):
    site.python("""
create("f")
fd = os.open("f", os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
fcntl.lockf(fd, fcntl.LOCK_EX)
if os.fork() == 0:
    other = os.open("f", os.O_RDWR)
    fails(errno.EAGAIN, fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fails(errno.EAGAIN, fcntl.lockf, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
""")


def test_times_have_nanoseconds(site):
    site.python("""
create("f")
os.symlink("f", "l")
for name in ("f", "l"):
    os.utime(name, ns=(123456789123456789, 987654321987654321), follow_symlinks=False)
    seen = os.lstat(name)
    assert (seen.st_atime_ns, seen.st_mtime_ns) == (123456789123456789, 987654321987654321), name
""")
    site.run("touch", "-m", "-d", "@5.5", "f")
    seen = os.lstat(site.export / "f")
    assert (seen.st_atime_ns, seen.st_mtime_ns) == (123456789123456789, 5500000000), "atime was to stay"


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


def test_extended_attributes(site):
    (site.export / "f").write_bytes(b"")
    (site.export / "f").chmod(0o666)
    try:
        os.setxattr(site.export / "f", "user.host", b"value")
    except OSError as error:
        pytest.skip(f"the export takes no attributes: {error}")
    site.python("""
assert os.listxattr("f") == ["user.host"]
assert os.getxattr("f", "user.host") == b"value"
os.setxattr("f", "user.binary", b"\\0\\xff", os.XATTR_CREATE)
fails(errno.EEXIST, os.setxattr, "f", "user.binary", b"", os.XATTR_CREATE)
fails(errno.ENODATA, os.getxattr, "f", "user.missing")
fails(errno.EPERM, os.setxattr, "f", "trusted.x", b"")
fd = os.open("f", os.O_RDWR)
fails(errno.ENODATA, os.getxattr, fd, "user.missing")
assert os.getxattr(fd, "user.binary") == b"\\0\\xff"
os.removexattr(fd, "user.binary")
assert os.listxattr(fd) == ["user.host"]
""")


def test_size_of_the_file_system(site):
    ours, theirs = site.python("print(os.statvfs('.').f_blocks, os.statvfs('.').f_frsize)").split(), os.statvfs(site.export)
    assert list(map(int, ours)) == [theirs.f_blocks, theirs.f_frsize]


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
    import subprocess

    process = subprocess.Popen(
        site.command("/usr/bin/python3", "-c", "import os, sys\n" + process_code),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "in\n"
    (site.export / "d").rename(site.export / "elsewhere")
    (site.export / "d").symlink_to("/etc")
    process.communicate("go\n", timeout=30)
    assert process.returncode == 0
