# SPDX-License-Identifier: MIT
"""Random operations on two directories, one of the mount and a local one, whose results have to be the same.

Run as a program, by the user who has mounted: model.py DIRECTORY DIRECTORY SEED SECONDS. It prints how many operations it
made, or what differed.
"""

import errno
import os
import random
import stat
import sys
import time

NAMES = ["a", "b", "c", "d"]
SIZES = [0, 1, 100, 4095, 4096, 5000, 70000]
OPEN_MOST = 6
NAMES_MOST = 200  # directories are moved into others, so that trees get ever deeper, and only comparing them takes long


class Side:
    """One of the directories, with the files that are open in it."""

    def __init__(self, root):
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.files = []

    def attempt(self, operation, *arguments):
        """What an operation returns, or the name of its error."""
        try:
            return getattr(self, operation)(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]

    def open(self, path, flags, mode):
        self.files.append(os.open(path, flags, mode, dir_fd=self.root))

    def close(self, number):
        os.close(self.files.pop(number))

    def read(self, number, offset, size):
        return os.pread(self.files[number], size, offset)

    def write(self, number, offset, content):
        return os.pwrite(self.files[number], content, offset)

    def cut(self, number, size):
        os.ftruncate(self.files[number], size)

    def cut_path(self, path, size):
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=self.root)
        try:
            os.truncate(fd, size)
        finally:
            os.close(fd)

    def seen(self, number):
        return about(os.fstat(self.files[number]))

    def change_open(self, number, mode):
        os.fchmod(self.files[number], mode)

    def time_open(self, number, when):
        os.utime(self.files[number], ns=(when, when))
        return os.fstat(self.files[number]).st_mtime_ns

    def allocate(self, number, offset, size):
        os.posix_fallocate(self.files[number], offset, size)

    def copy(self, source, target, offset, size):
        return os.copy_file_range(self.files[source], self.files[target], size, offset, offset)

    def make(self, path, mode):
        os.mkdir(path, mode, dir_fd=self.root)

    def link(self, path, other):
        os.link(path, other, src_dir_fd=self.root, dst_dir_fd=self.root, follow_symlinks=False)

    def symlink(self, path, target):
        os.symlink(target, path, dir_fd=self.root)

    def pipe(self, path, mode):
        os.mkfifo(path, mode, dir_fd=self.root)

    def rename(self, path, other):
        os.rename(path, other, src_dir_fd=self.root, dst_dir_fd=self.root)

    def remove(self, path):
        os.unlink(path, dir_fd=self.root)

    def remove_directory(self, path):
        os.rmdir(path, dir_fd=self.root)

    def change(self, path, mode):
        if stat.S_ISLNK(os.stat(path, dir_fd=self.root, follow_symlinks=False).st_mode):
            return
        os.chmod(path, mode, dir_fd=self.root)

    def time(self, path, when):
        os.utime(path, ns=(when, when + 1), dir_fd=self.root, follow_symlinks=False)

    def look(self, path):
        return about(os.stat(path, dir_fd=self.root, follow_symlinks=False))

    def content(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.root)
        try:
            return os.read(fd, 1 << 20) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)

    def list(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.root)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def tree(self, path="."):
        """All that is there, with attributes and contents."""
        found = {}
        for name in self.list(path):
            below = f"{path}/{name}"
            seen = os.stat(below, dir_fd=self.root, follow_symlinks=False)
            found[below] = about(seen)
            if stat.S_ISDIR(seen.st_mode):
                found |= self.tree(below)
            elif stat.S_ISREG(seen.st_mode):
                found[below] += (self.content(below),)
            elif stat.S_ISLNK(seen.st_mode):
                found[below] += (os.readlink(below, dir_fd=self.root),)
        return found


def about(seen):
    """What must be the same on both sides. Sizes of directories and links of theirs are the file system's own."""
    directory = stat.S_ISDIR(seen.st_mode)
    return (seen.st_mode, seen.st_uid, 0 if directory else seen.st_nlink, 0 if directory else seen.st_size)


class Chance:
    """Draws operations. `open` is how many files are open."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def path(self):
        return "/".join(self.random.choice(NAMES) for _ in range(self.random.choice((1, 1, 2, 2, 3))))

    def mode(self):
        return self.random.choice((0o600, 0o644, 0o700, 0o755, 0o640))

    def bytes(self):
        return bytes([self.random.randrange(1, 256)]) * self.random.choice(SIZES)

    def offset(self):
        return self.random.choice((0, 0, 1, 4096, 65536, 100000)) + self.random.randrange(2)

    def draw(self, open_files):
        r = self.random
        paths = [
            ("make", self.path(), 0o700 | self.mode()), ("make", self.path(), 0o755), ("link", self.path(), self.path()),
            ("symlink", self.path(), self.path()), ("pipe", self.path(), self.mode()), ("rename", self.path(), self.path()),
            ("rename", self.path(), self.path()), ("remove", self.path()), ("remove_directory", self.path()),
            ("change", self.path(), 0o700 | self.mode()), ("time", self.path(), r.randrange(1 << 60)),
            ("look", self.path()), ("content", self.path()), ("list", self.path()),
            ("cut_path", self.path(), r.choice(SIZES)),
        ]  # fmt: skip
        if open_files < OPEN_MOST:
            flags = r.choice((os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL))
            flags |= r.choice((0, 0, os.O_TRUNC, os.O_APPEND)) | os.O_NOFOLLOW | os.O_NONBLOCK
            paths += [("open", self.path(), flags, self.mode())] * 4
        if not open_files:
            return r.choice(paths)
        number, other = r.randrange(open_files), r.randrange(open_files)
        files = [
            ("close", number), ("read", number, self.offset(), 70000), ("write", number, self.offset(), self.bytes()),
            ("write", number, self.offset(), self.bytes()), ("cut", number, r.choice(SIZES)), ("seen", number),
            ("change_open", number, self.mode()), ("time_open", number, r.randrange(1 << 60)),
            ("allocate", number, self.offset(), 5000), ("seen", number),
        ]  # fmt: skip
        if number != other:
            files.append(("copy", number, other, self.offset(), 3000))
        return r.choice(files if r.random() < 0.5 else paths)


def is_pipe(side, operation):
    """Opening a FIFO is the helper's and the kernel's matter, and tested elsewhere."""
    if operation[0] not in ("open", "content", "cut_path"):
        return False
    try:
        return stat.S_ISFIFO(os.stat(operation[1], dir_fd=side.root, follow_symlinks=False).st_mode)
    except OSError:
        return False


def compare_operation(sides, operation, title):
    results = [side.attempt(*operation) for side in sides]
    shown = str(operation)[:200], *(str(result)[:200] for result in results)
    assert results[0] == results[1], f"{title}, %s: %s in the mount, %s locally" % shown


def compare_trees(sides, title):
    """Returns what is there."""
    trees = [side.tree() for side in sides]
    assert trees[0].keys() == trees[1].keys(), f"{title}: other names"
    for name, seen in trees[1].items():
        assert trees[0][name] == seen, f"{title}: {name} differs"
    return trees[1]


def remove_all(sides, tree, title):
    """What is open stays open."""
    for name, seen in sorted(tree.items(), reverse=True):
        compare_operation(sides, ("remove_directory" if stat.S_ISDIR(seen[0]) else "remove", name), title)
    assert compare_trees(sides, title) == {}, title


def run(ours, model, seed, seconds):
    os.umask(0)
    sides = Side(ours), Side(model)
    chance = Chance(seed)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        operation = chance.draw(len(sides[1].files))
        if is_pipe(sides[1], operation):
            continue
        count += 1
        compare_operation(sides, operation, f"operation {count} of seed {seed}")
        if count % 200 == 0:
            tree = compare_trees(sides, f"after operation {count} of seed {seed}")
            if len(tree) > NAMES_MOST:
                remove_all(sides, tree, f"removing all after operation {count} of seed {seed}")
    print(f"{count} operations")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
