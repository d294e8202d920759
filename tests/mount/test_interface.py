# SPDX-License-Identifier: MIT
"""Why the mount is made on libfuse's low-level interface: the same through bindfs, made on the other.

That one knows files by their path. What it does with an open file that loses its name is for whoever mounts to choose:
it gives it another name until it is closed ("bindfs" below), or forgets it ("hard_remove"). Each test does the same
through all of them, in directories of their own, and asks for what came of it. If bindfs once does as well, a reason is
gone, and include/mount/filesystem.h should not give it any more.
"""

import contextlib
import os

import pytest

from support.namewatch import NameWatch

ANSWER = """
def answer(function, *arguments):
    try:
        return function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
def names(path="."):
    return [".fuse_hidden" if name.startswith(".fuse_hidden") else name for name in sorted(os.listdir(path))]
"""


@pytest.fixture
def mounts(start_site, start_bindfs):
    """Makes mounts of one directory that believe attributes for so many seconds."""

    def start(seconds=0):
        site = start_site((), (f"--cache={seconds or 'none'}",))
        site.export.chmod(0o777)
        timeouts = f"attr_timeout={seconds},entry_timeout={seconds}"
        places = {
            "ours": site,
            "bindfs": start_bindfs(site, "bindfs", timeouts),
            "hard_remove": start_bindfs(site, "hard_remove", timeouts + ",hard_remove"),
        }
        for name in places:
            (site.export / name).mkdir()
            os.chown(site.export / name, site.user, site.user)
        return places

    return start


def answers(places, source):
    """What the piece of Python prints in each of the mounts."""
    return {name: place.python(ANSWER + f"os.chdir('{name}')\n" + source).split() for name, place in places.items()}


def test_open_file_that_was_removed(mounts):
    """fstat(2), fchmod(2) and the like need the open file, and its directory is not to show it."""
    seen = answers(mounts(), """
create("f", b"content")
fd = os.open("f", os.O_RDWR)
os.unlink("f")
print(answer(lambda: os.fstat(fd).st_nlink), answer(os.fchmod, fd, 0o600), answer(os.ftruncate, fd, 3), *names())
""")  # fmt: skip
    assert seen == {
        "ours": ["0", "None", "None"],
        "bindfs": ["0", "None", "None", ".fuse_hidden"],
        "hard_remove": ["ENOENT", "ENOENT", "ENOENT"],
    }


def test_directory_from_which_an_open_file_was_removed(mounts):
    seen = answers(mounts(), """
os.mkdir("d")
create("d/f")
fd = os.open("d/f", os.O_RDWR)
os.unlink("d/f")
print(answer(os.rmdir, "d"), answer(lambda: os.fstat(fd).st_nlink), *names())
""")  # fmt: skip
    assert seen == {
        "ours": ["None", "0"],
        "bindfs": ["ENOTEMPTY", "0", "d"],
        "hard_remove": ["None", "ENOENT"],
    }


def test_rename_over_an_open_file(mounts):
    """The name is there all the time, and what was open can be read."""
    places = mounts()
    with contextlib.ExitStack() as stack:
        watches = {}
        for name, place in places.items():
            for file in ("f", "new"):
                (place.export / name / file).write_text(file)
                os.chown(place.export / name / file, place.user, place.user)
            watches[name] = stack.enter_context(contextlib.closing(NameWatch(place.export / name / "f")))
        seen = answers(places, """
fd = os.open("f", os.O_RDWR)
os.rename("new", "f")
print(answer(lambda: os.pread(fd, 3, 0).decode()), answer(lambda: os.fstat(fd).st_nlink), *names())
""")  # fmt: skip
        changes = {name: watch.wait_for(3, 0.2) for name, watch in watches.items()}
    assert seen == {
        "ours": ["f", "0", "f"],
        "bindfs": ["f", "0", ".fuse_hidden", "f"],
        "hard_remove": ["ENOENT", "ENOENT", "f"],
    }
    assert changes == {"ours": ("back",), "bindfs": ("gone", "back"), "hard_remove": ("back",)}


def test_two_links_to_a_file_are_one_file_to_the_kernel(mounts):
    """By their numbers they are everywhere. But the kernel locks and maps what it takes for one."""
    seen = answers(mounts(), """
create("a", bytes(4096))
os.link("a", "b")
print(os.stat("a").st_ino == os.stat("b").st_ino)
one, other = os.open("a", os.O_RDWR), os.open("b", os.O_RDWR)
fcntl.flock(one, fcntl.LOCK_EX)
print(answer(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB))
with mmap.mmap(one, 4096) as written, mmap.mmap(other, 4096) as read:
    before = read[0]
    written[0] = 1
    print(before, read[0])
""")  # fmt: skip
    two_files = ["True", "None", "0", "0"]
    assert seen == {"ours": ["True", "EAGAIN", "0", "1"], "bindfs": two_files, "hard_remove": two_files}


def test_two_links_to_a_file_have_one_set_of_attributes(mounts):
    """What is changed by one name is changed by the other, also where the kernel believes what it knows."""
    seen = answers(mounts(60), """
create("a", b"", 0o644)
os.link("a", "b")
os.stat("a"), os.stat("b")
os.chmod("a", 0o600)
with open("a", "wb") as file:
    file.write(b"longer")
print(oct(os.stat("b").st_mode), os.stat("b").st_size)
""")  # fmt: skip
    two_files = ["0o100644", "0"]
    assert seen == {"ours": ["0o100600", "6"], "bindfs": two_files, "hard_remove": two_files}
