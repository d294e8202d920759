# SPDX-License-Identifier: MIT
"""OPEN and CREATE: what is opened, what is refused, and what the passed descriptor may do."""

import errno
import fcntl
import os
import shlex
import signal
import socket
import stat
import threading

import pytest
from support import proc
from support.expect import descriptor, fails, not_opened
from support.helper import Helper, wait_for
from support.launch import launcher
from support.wire import Op

ACCESS_MODES = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)
# F_GETFL shows O_LARGEFILE on 64-bit hosts, and the O_NOFOLLOW that the helper adds: neither does anything once open.
SHOWN_BY_F_GETFL = 0o100000 | os.O_NOFOLLOW

SPECIAL_FILES = {
    "fifo": lambda path: os.mkfifo(path),
    "character device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "block device": lambda path: os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 0)),
    "device without driver": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(240, 77)),
    "socket": lambda path: socket.socket(socket.AF_UNIX).bind(os.fspath(path)),
}


@pytest.fixture
def file(export):
    path = export / "file"
    path.write_bytes(b"content")
    return path


@pytest.fixture(params=SPECIAL_FILES.values(), ids=SPECIAL_FILES.keys())
def special(request, export):
    """A file that must not be opened, named in the directory that is exported."""
    path = export / "special"
    here = os.getcwd()
    os.chdir(export)  # a socket's name is limited to 107 bytes
    try:
        request.param("special")
    finally:
        os.chdir(here)
    return path


def status_flags(fd):
    return fcntl.fcntl(fd, fcntl.F_GETFL) & ~SHOWN_BY_F_GETFL


def test_open_passes_a_descriptor_that_reads_the_file(client, file):
    with descriptor(client.open("//file")) as fd:
        assert os.read(fd, 100) == b"content"
        assert os.path.samestat(os.fstat(fd), file.stat())


def test_open_for_writing_changes_the_file(client, file):
    with descriptor(client.open("//file", os.O_WRONLY)) as fd:
        os.write(fd, b"C")
    assert file.read_bytes() == b"Content"


@pytest.mark.parametrize("mode", ACCESS_MODES)
def test_descriptor_has_the_access_mode_asked_for_and_no_other_flag(client, file, mode):
    with descriptor(client.open("//file", mode)) as fd:
        assert status_flags(fd) == mode


@pytest.mark.parametrize("flag", ["O_APPEND", "O_NONBLOCK", "O_DSYNC", "O_SYNC", "O_NOATIME", "O_NOFOLLOW"])
def test_descriptor_keeps_the_flag_asked_for(client, file, flag):
    flags = os.O_RDWR | getattr(os, flag)
    with descriptor(client.open("//file", flags)) as fd:
        assert status_flags(fd) == flags & ~SHOWN_BY_F_GETFL


def test_append_descriptor_writes_at_the_end(client, file):
    with descriptor(client.open("//file", os.O_WRONLY | os.O_APPEND)) as fd:
        os.write(fd, b"!")
    assert file.read_bytes() == b"content!"


def test_open_with_truncate_empties_the_file(client, file):
    os.close(client.open("//file", os.O_WRONLY | os.O_TRUNC))
    assert file.stat().st_size == 0


def test_each_open_has_its_own_offset(client, file):
    with descriptor(client.open("//file")) as first, descriptor(client.open("//file")) as second:
        assert os.read(first, 3) == b"con"
        assert os.read(second, 3) == b"con"


def test_directory_descriptor_lists_the_directory(client, export, file):
    (export / "sub").mkdir()
    with descriptor(client.open("/", os.O_DIRECTORY)) as fd:
        assert sorted(os.listdir(fd)) == ["file", "sub"]
        assert status_flags(fd) == os.O_DIRECTORY


def test_directory_opens_without_the_directory_flag_too(client, export):
    (export / "sub").mkdir()
    with descriptor(client.open("//sub")) as fd:
        assert os.listdir(fd) == []


def test_open_failures(client, export, file):
    (export / "sub").mkdir()
    with fails(errno.ENOENT):
        client.open("//missing")
    with fails(errno.ENOTDIR):
        client.open("//file/below")
    with fails(errno.ENOTDIR):
        client.open("//file", os.O_DIRECTORY)
    with fails(errno.EISDIR):
        client.open("//sub", os.O_RDWR)


def test_open_ignores_the_file_mode_as_the_guest_has_checked_it(client, file):
    file.chmod(0)
    os.close(client.open("//file", os.O_RDWR))


@pytest.mark.parametrize("target", ["file", "missing", "sub", "/etc/passwd", "link"])
def test_open_does_not_follow_a_final_link(client, export, file, target):
    (export / "sub").mkdir()
    (export / "link").symlink_to(target)
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_DIRECTORY, os.O_NOFOLLOW):
        with fails(errno.ELOOP, errno.ENOTDIR) if flags == os.O_DIRECTORY else fails(errno.ELOOP):
            client.open("//link", flags)


def test_no_path_leads_out_of_the_export(client, export, tmp_path):
    (tmp_path / "secret").write_text("outside")
    (export / "up").symlink_to("..")
    (export / "host").symlink_to(tmp_path)
    for path in ("//../secret", "/../../secret", "//up/secret", "//host/secret", "//up/../secret"):
        with fails(errno.ENOENT, errno.ELOOP):
            client.open(path)


@pytest.mark.parametrize("flags", ACCESS_MODES)
def test_open_of_a_special_file_is_refused_without_touching_it(client, special, flags):
    with not_opened(special), fails(errno.ENXIO):
        client.open("//special", flags)


def test_open_of_a_fifo_does_not_release_its_writer(client, export):
    fifo = export / "fifo"
    os.mkfifo(fifo)
    opened = threading.Event()

    def writer():
        os.close(os.open(fifo, os.O_WRONLY))
        opened.set()

    thread = threading.Thread(target=writer, daemon=True)
    thread.start()
    try:
        state = f"/proc/self/task/{thread.native_id}/stat"
        wait_for(lambda: open(state, encoding="ascii").read().rpartition(")")[2].split()[0] == "S")
        with fails(errno.ENXIO):
            client.open("//fifo")
        assert not opened.wait(0.2)
    finally:
        os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
        thread.join(10)


@pytest.fixture
def no_proc(tmp_path):
    """A helper that finds no /proc when it starts; for Helper's `binary`."""
    script = 'umount -l /proc && exec "$0" "$@"'
    return launcher(tmp_path, prefix=f"unshare --mount --propagation private sh -c {shlex.quote(script)}")


def test_special_files_are_refused_without_proc_too(no_proc, export, file, special):
    """Then an object that has been looked at cannot be opened by its descriptor, but by its name only."""
    with Helper(export, binary=no_proc) as helper, helper.connect() as client:
        assert "/proc/self/fd cannot be taken along" in helper.log()
        with not_opened(special), fails(errno.ENXIO):
            client.open("//special")
        with descriptor(client.open("//file", os.O_RDWR)) as fd:
            assert status_flags(fd) == os.O_RDWR
        client.truncate("//file", 3)
        client.chmod("//file", 0o640)
        assert file.read_bytes() == b"con"


@pytest.mark.parametrize(
    ("op", "fields"), [(Op.OPEN, {"flags": os.O_RDWR}), (Op.GETVERSION, {})], ids=["OPEN", "GETVERSION"]
)
def test_leased_file_is_waited_for(helper, client, file, op, fields):
    """As it would be without the helper; an answer of EAGAIN is one that no program expects."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with open(file, "r+", encoding="ascii") as leased:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            client.send(op, path="//file", **fields)
            proc.wait_for_hanging(*helper.children())
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            if op == Op.OPEN:
                os.close(client.recv_fd())
            else:
                assert len(client.recv_data()) == 8
    finally:
        signal.signal(signal.SIGIO, before)


@pytest.mark.parametrize("extra", [0, os.O_EXCL, os.O_TRUNC])
def test_open_never_creates(client, export, extra):
    with fails(errno.ENOENT):
        client.open("//new", os.O_CREAT | os.O_RDWR | extra)
    assert list(export.iterdir()) == []


def test_open_does_not_make_a_temporary_file(client, export):
    """O_TMPFILE contains O_DIRECTORY, so what is left of it asks to write to a directory."""
    with fails(errno.EISDIR):
        client.open("/", os.O_TMPFILE | os.O_RDWR)


def test_open_does_not_pass_a_path_descriptor(client, file):
    with descriptor(client.open("//file", os.O_PATH)) as fd:
        assert os.read(fd, 7) == b"content"
        assert not status_flags(fd) & os.O_PATH


def test_path_flag_does_not_reach_a_link_or_a_special_file(client, export):
    (export / "link").symlink_to("missing")
    os.mkfifo(export / "fifo")
    with fails(errno.ELOOP):
        client.open("//link", os.O_PATH | os.O_NOFOLLOW)
    with fails(errno.ENXIO):
        client.open("//fifo", os.O_PATH)


def test_unknown_open_flags_are_masked_away(client, file):
    unknown = os.O_ASYNC | os.O_DIRECT | os.O_CLOEXEC | os.O_NOCTTY | 0x7F000000
    with descriptor(client.open("//file", os.O_RDWR | unknown)) as fd:
        assert status_flags(fd) == os.O_RDWR


def test_create_makes_the_file_and_passes_its_descriptor(client, export):
    with descriptor(client.create("//new", mode=0o640, uid=1000, gid=1001)) as fd:
        os.write(fd, b"data")
        assert status_flags(fd) == os.O_RDWR
    made = (export / "new").stat()
    assert (export / "new").read_bytes() == b"data"
    assert (made.st_mode, made.st_uid, made.st_gid) == (stat.S_IFREG | 0o640, 1000, 1001)


@pytest.mark.parametrize("mode", [0, 0o400, 0o644, 0o666, 0o777, 0o1777, stat.S_IFREG | 0o604])
def test_create_gives_the_exact_mode(client, export, mode):
    os.close(client.create("//new", mode=mode, uid=1000, gid=1000))
    assert stat.S_IMODE((export / "new").stat().st_mode) == stat.S_IMODE(mode)


def test_create_keeps_append_and_nonblock_as_asked(client):
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    with descriptor(client.create("//a", flags)) as fd:
        assert status_flags(fd) == os.O_WRONLY | os.O_APPEND
    with descriptor(client.create("//b", flags | os.O_NONBLOCK)) as fd:
        assert status_flags(fd) == os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK


def test_create_of_an_existing_file_opens_it_as_it_is(client, file):
    os.chown(file, 7, 8)
    file.chmod(0o600)
    with descriptor(client.create("//file", mode=0o777, uid=1000, gid=1000)) as fd:
        assert os.read(fd, 7) == b"content"
    assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (7, 8, 0o600)


def test_create_with_truncate_empties_an_existing_file(client, file):
    os.close(client.create("//file", os.O_CREAT | os.O_TRUNC | os.O_WRONLY))
    assert file.stat().st_size == 0


def test_exclusive_create(client, export, file):
    (export / "link").symlink_to("missing")
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
    with fails(errno.EEXIST):
        client.create("//file", flags)
    with fails(errno.EEXIST):
        client.create("//link", flags)
    os.close(client.create("//new", flags))
    assert file.read_bytes() == b"content"


def test_create_failures(client, export, file):
    (export / "sub").mkdir()
    with fails(errno.ENOENT):
        client.create("//missing/new")
    with fails(errno.ENOTDIR):
        client.create("//file/new")
    with fails(errno.EISDIR):
        client.create("//sub")
    assert sorted(os.listdir(export)) == ["file", "sub"]


@pytest.mark.parametrize("target", ["file", "missing", "/etc/hostname"])
def test_create_does_not_follow_a_final_link(client, export, file, target):
    (export / "link").symlink_to(target)
    with fails(errno.ELOOP):
        client.create("//link", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    assert sorted(os.listdir(export)) == ["file", "link"]
    assert file.read_bytes() == b"content"


@pytest.mark.parametrize("access", ACCESS_MODES)
@pytest.mark.parametrize("uid", [0, 1000])
def test_create_over_a_special_file_is_refused_without_touching_it(client, special, access, uid):
    with not_opened(special), fails(errno.ENXIO):
        client.create("//special", os.O_CREAT | access, uid=uid, gid=uid)


def test_create_needs_no_permission_in_the_directory_as_the_guest_has_checked_it(client, export):
    (export / "sub").mkdir(mode=0o700)
    os.close(client.create("//sub/new", uid=1000, gid=1000))
    assert (export / "sub/new").stat().st_uid == 1000


def test_create_does_not_pass_a_path_descriptor(client):
    with descriptor(client.create("//new", os.O_CREAT | os.O_RDWR | os.O_PATH)) as fd:
        assert os.write(fd, b"x") == 1
