# SPDX-License-Identifier: MIT
"""What programs expect of an open file, its contents and its attributes, one expectation a test."""

import os
import stat
import subprocess

import pytest


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
