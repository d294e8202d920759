# SPDX-License-Identifier: MIT
"""What an export's policy keeps guests from: changes, device nodes, set-id files; and times that QEMU made up."""

import ctypes
import errno
import os
import stat
import threading
import time

import pytest
from support import examples
from support.expect import descriptor, fails
from support.helper import Helper, wait_for
from support.wire import Op, RemoteError

UTIME_NOW, UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE
YEAR = 31557600  # seconds
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def started_with(*arguments):
    """Starts the `helper` of a test with these."""
    return pytest.mark.parametrize("helper_arguments", [arguments], ids=[" ".join(arguments)])


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


# --- --readonly


CHANGING = [op for op in Op if op not in (Op.OPEN, Op.LSTAT, Op.READLINK, Op.STATFS, Op.LGETXATTR, Op.LLISTXATTR)]
CHANGING.remove(Op.GETVERSION)
READING = [op for op in Op if op not in CHANGING]


@pytest.fixture
def filled(export):
    """The tree on which every example succeeds, if it may."""
    examples.prepare(export)
    return export


@started_with("--readonly")
@pytest.mark.parametrize("op", CHANGING, ids=lambda op: op.name)
def test_readonly_refuses_each_change(filled, client, op):
    before = examples.snapshot(filled)
    with fails(errno.EROFS):
        client.call(op, **examples.EXAMPLES[op])
    assert examples.snapshot(filled) == before


@started_with("--readonly")
@pytest.mark.parametrize("op", READING, ids=lambda op: op.name)
def test_readonly_answers_what_reads(filled, client, op):
    request = {**examples.EXAMPLES[op], **({"flags": os.O_RDONLY} if op is Op.OPEN else {})}
    answer = client.call(op, **request)
    if op is Op.OPEN:
        with descriptor(answer) as file:
            assert os.read(file, 100) == b"content"


@started_with("--readonly")
@pytest.mark.parametrize(
    "flags",
    [os.O_WRONLY, os.O_RDWR, os.O_ACCMODE, os.O_TRUNC, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND],
    ids=hex,
)
def test_readonly_opens_nothing_for_writing(filled, client, flags):
    before = examples.snapshot(filled)
    for path in ("//file", "/", "//missing"):
        with fails(errno.EROFS):
            client.open(path, flags)
    assert examples.snapshot(filled) == before


@started_with("--readonly")
@pytest.mark.parametrize("flags", [0, os.O_DIRECTORY, os.O_APPEND, os.O_NONBLOCK | os.O_SYNC | os.O_EXCL], ids=hex)
def test_readonly_opens_for_reading(filled, client, flags):
    with descriptor(client.open("/" if flags & os.O_DIRECTORY else "//file", flags)):
        pass


@started_with("--readonly")
@pytest.mark.parametrize("flags", [os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_RDWR], ids=hex)
def test_readonly_creates_nothing_not_even_what_is_there(filled, client, flags):
    for path in ("//file", "//new"):
        with fails(errno.EROFS):
            client.create(path, flags, uid=1000, gid=1000)
    assert not (filled / "new").exists()


# --- --no-devices


DEVICES = [
    (stat.S_IFCHR, os.makedev(1, 3)),
    (stat.S_IFBLK, os.makedev(7, 0)),
    (stat.S_IFCHR, 0),  # overlayfs takes it for a name that was removed
    (stat.S_IFBLK, 0),
]


@started_with("--no-devices")
@pytest.mark.parametrize("kind, number", DEVICES)
@pytest.mark.parametrize("uid", [0, 1000])
def test_no_device_nodes_are_made(export, client, kind, number, uid):
    with fails(errno.EPERM):
        client.mknod("//node", kind | 0o600, number, uid, uid)
    assert list(export.iterdir()) == []


@started_with("--no-devices")
@pytest.mark.parametrize("kind", [0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK])
def test_nodes_that_are_no_devices_are_made(export, client, kind):
    client.mknod("//node", kind | 0o640, os.makedev(1, 3), 1000, 1001)
    made = (export / "node").lstat()
    assert (stat.S_IFMT(made.st_mode), made.st_uid) == (kind or stat.S_IFREG, 1000)
    assert made.st_rdev == 0


@pytest.mark.parametrize("kind, number", DEVICES)
def test_device_nodes_are_made_by_default(export, client, kind, number):
    client.mknod("//node", kind | 0o600, number)
    assert (export / "node").lstat().st_rdev == number


# --- --no-setid


SET_ID = [0o4755, 0o2755, 0o6777, 0o2644, 0o4000]
without_setid = started_with("--no-setid")


@without_setid
@pytest.mark.parametrize("mode", SET_ID, ids=oct)
def test_no_file_is_made_with_a_set_id_bit(export, client, mode):
    for uid in (0, 1000):
        with fails(errno.EPERM):
            client.create("//new", mode=mode, uid=uid, gid=uid)
        for kind in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR):
            with fails(errno.EPERM):
                client.mknod("//new", kind | mode, 0, uid, uid)
    assert list(export.iterdir()) == []


@without_setid
@pytest.mark.parametrize("mode", SET_ID, ids=oct)
@pytest.mark.parametrize("kind", [stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR])
def test_no_file_is_given_a_set_id_bit(export, client, mode, kind):
    os.mknod(export / "node", kind | 0o640, 0)
    for asked in (mode, mode | kind):  # a guest sends the type's bits at times
        with fails(errno.EPERM):
            client.chmod("//node", asked)
    assert mode_of(export / "node") == 0o640


@without_setid
@pytest.mark.parametrize("mode", [*SET_ID, 0o1777, 0o700], ids=oct)
def test_directories_have_any_mode(export, client, mode):
    client.mkdir("//made", mode)
    (export / "old").mkdir()
    client.chmod("//old", mode | stat.S_IFDIR)
    assert mode_of(export / "old") == mode
    assert mode_of(export / "made") & ~0o4000 == mode & ~0o6000  # the kernel makes none with a set-id bit of its own


@without_setid
def test_a_set_group_directory_is_inherited_by_directories_alone(export, client):
    (export / "shared").mkdir()
    os.chown(export / "shared", 1000, 2000)
    client.chmod("//shared", 0o2775)
    client.mkdir("//shared/below", 0o755, 1000, 1000)
    os.close(client.create("//shared/file", mode=0o755, uid=1000, gid=1000))
    assert mode_of(export / "shared/below") == 0o2755
    assert mode_of(export / "shared/file") == 0o755
    assert (export / "shared/file").stat().st_gid == 2000


@without_setid
def test_other_modes_of_files_are_set(export, client):
    os.close(client.create("//new", mode=0o1755))
    assert mode_of(export / "new") == 0o1755
    client.chmod("//new", 0o1640)
    assert mode_of(export / "new") == 0o1640


@without_setid
def test_a_set_id_bit_of_the_hosts_can_be_taken_away(export, client):
    (export / "file").touch()
    (export / "file").chmod(0o6755)
    with fails(errno.EPERM):
        client.chmod("//file", 0o6711)
    assert mode_of(export / "file") == 0o6755
    client.chmod("//file", 0o711)
    assert mode_of(export / "file") == 0o711


@without_setid
def test_set_id_failures_are_those_of_any_chmod(export, client):
    (export / "file").touch()
    (export / "directory").mkdir()
    (export / "link").symlink_to("directory")
    (export / "to-file").symlink_to("file")
    (export / "dangling").symlink_to("missing")
    for path, code in (
        ("//missing", errno.ENOENT),
        ("//file/x", errno.ENOTDIR),
        ("//link", errno.ELOOP),
        ("//to-file", errno.ELOOP),
        ("//dangling", errno.ELOOP),
    ):
        with fails(code):
            client.chmod(path, 0o2755)
    assert mode_of(export / "directory") & 0o6000 == 0


class Swapper:
    """Exchanges two names without end, as another guest may."""

    def __init__(self, first, second):
        self._names = os.fsencode(first), os.fsencode(second)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        first, second = self._names
        while not self._done.is_set():
            assert self._libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) == 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


@without_setid
def test_no_race_gives_a_file_a_set_id_bit(export, client):
    """Between the look at the type and the change of the mode, a file takes the directory's name."""
    (export / "file").touch(mode=0o755)
    (export / "directory").mkdir(mode=0o755)
    answers = set()
    with Swapper(export / "file", export / "directory"):
        for _ in range(3000):
            try:
                client.chmod("//directory", 0o6755)
                answers.add(0)
            except RemoteError as error:
                answers.add(error.errno)
    assert answers == {0, errno.EPERM}, "the names were not swapped often enough"
    modes = {stat.S_IFMT(path.lstat().st_mode): mode_of(path) for path in export.iterdir()}
    assert modes == {stat.S_IFREG: 0o755, stat.S_IFDIR: 0o6755}


def test_set_id_bits_are_given_by_default(export, client):
    os.close(client.create("//created", mode=0o6755))
    client.mknod("//made", stat.S_IFREG | 0o6755)
    (export / "old").touch()
    client.chmod("//old", 0o6755)
    assert {mode_of(path) for path in export.iterdir()} == {0o6755}


# --- --utime-quirk


@pytest.fixture
def dated(export):
    """A file with times that no test sets."""
    path = export / "file"
    path.touch()
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def times_of(path):
    seen = path.lstat()
    return seen.st_atime_ns, seen.st_mtime_ns


FAR = [0, 1, -1, 0x7FFF_FFFF_FFFF, 10 * YEAR]
quirky = started_with("--utime-quirk")


@quirky
@pytest.mark.parametrize("nanoseconds", [0, 1, 999_999_999])
@pytest.mark.parametrize("atime", FAR)
def test_quirk_leaves_atime_alone_when_it_is_made_up(dated, client, atime, nanoseconds):
    client.utime("//file", atime, nanoseconds, 1_700_000_000, nanoseconds)
    assert times_of(dated) == (1_600_000_000 * 10**9, 1_700_000_000 * 10**9 + nanoseconds)


@quirky
def test_quirk_sets_an_atime_that_is_possible(dated, client):
    now = int(time.time())
    for atime in (now, now - 9 * YEAR, now + 9 * YEAR):
        client.utime("//file", atime, 5, 1_700_000_000, 5)
        assert times_of(dated) == (atime * 10**9 + 5, 1_700_000_000 * 10**9 + 5)


@quirky
def test_quirk_believes_different_nanoseconds(dated, client):
    client.utime("//file", 10 * YEAR, 1, 20 * YEAR, 2)
    assert times_of(dated) == (10 * YEAR * 10**9 + 1, 20 * YEAR * 10**9 + 2)


@quirky
def test_quirk_has_no_say_in_now_and_omit(dated, client):
    client.utime("//file", 0, UTIME_OMIT, 0, UTIME_OMIT)
    assert times_of(dated) == (1_600_000_000 * 10**9, 1_600_000_000 * 10**9)
    client.utime("//file", 0, UTIME_NOW, 0, UTIME_NOW)
    assert min(times_of(dated)) > 1_700_000_000 * 10**9


@quirky
@pytest.mark.parametrize("nanoseconds", [-1, 10**9, 2**40])
def test_quirk_accepts_no_nanoseconds_that_are_none(dated, client, nanoseconds):
    with fails(errno.EINVAL):
        client.utime("//file", 0, nanoseconds, 0, nanoseconds)
    assert times_of(dated) == (1_600_000_000 * 10**9, 1_600_000_000 * 10**9)


def test_any_atime_is_set_by_default(dated, client):
    client.utime("//file", 77, 5, 1_700_000_000, 5)
    assert times_of(dated) == (77 * 10**9 + 5, 1_700_000_000 * 10**9 + 5)


# --- what the log says


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), ""),
        (("--readonly",), ", read-only"),
        (("--no-setid", "--no-devices", "--xattr-policy=none"), ", no devices, no set-id files, no attributes"),
        (("--utime-quirk", "--xattr-policy=all"), ", all attributes, UTIME quirk"),
    ],
)
def test_log_says_at_the_start_what_is_on(export, arguments, said):
    with Helper(export, args=arguments) as helper:
        line = wait_for(lambda: [line for line in helper.log().splitlines() if "serving" in line], what="the line")
        assert line[0].endswith(f", serving {export} on socket {helper.socket}{said}")


@started_with("--readonly", "--no-devices", "--no-setid")
def test_a_worker_that_takes_another_ones_place_goes_by_the_same_policy(export, helper):
    with helper.connect() as client:
        (worker,) = helper.children()
        os.kill(worker, 9)
        with fails(errno.EROFS):
            client.mkdir("//new")
    assert list(export.iterdir()) == []
