# SPDX-License-Identifier: MIT
"""The table of every difference between the two helpers' replies. One that is not here fails the compat run.

A row says for which requests the replies may differ, what upstream answers, what we answer, and which defect of
upstream or section of the protocol's description says so. Where a row applies, our answer must be the row's; where none
does, it must be upstream's. A row that no request meets any more fails the run as well.

Answers are the beginnings of `exchange.Reply.text`: "1 -ENOENT", "fd -ELOOP", "0 0"; "0" is any success with a header
and "fd (" any descriptor; a bar separates several. Ours may also be a function of upstream's reply, where only a few
bytes differ.
"""

import os
import stat
from typing import Callable, NamedTuple, Union

from support.wire import FD_REPLIES, HEADER, STATFS, Op, Statfs

from .exchange import Reply, Step, descriptor_reply, reply_to_statfs

SPECIAL = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)
CREATING = frozenset({Op.CREATE, Op.MKNOD, Op.MKDIR, Op.SYMLINK})
MASKED_FLAGS = os.O_PATH | os.O_DIRECT | os.O_ASYNC
TMPFILE = os.O_TMPFILE & ~os.O_DIRECTORY
O_LARGEFILE = 0o100000  # set by the kernel on every file that a 64-bit process opens


class Context(NamedTuple):
    """A request, the object that its name was before it in upstream's tree (not followed), and upstream's reply."""

    step: Step
    before: os.stat_result
    upstream: Reply

    @property
    def op(self):
        return self.step.op

    def field(self, name):
        return self.step.fields.get(name, 0)

    def text(self, name):
        return os.fsencode(self.step.fields.get(name, b""))

    def was(self, is_type):
        """Whether there was an object of that type: stat.S_ISLNK and its like."""
        return self.before is not None and is_type(self.before.st_mode)

    def is_special(self):
        return self.before is not None and stat.S_IFMT(self.before.st_mode) in SPECIAL


class Difference(NamedTuple):
    """A row of the table: for which requests, what upstream answers, what we answer, and why."""

    name: str
    when: Callable[[Context], bool]
    upstream: str
    ours: Union[str, Callable[[Reply], Reply]]
    why: str

    def applies(self, context):
        return self.when(context) and begins_with(context.upstream, *self.upstream.split("|"))

    def explains(self, context, ours):
        """Whether our reply is the one that this row demands."""
        if callable(self.ours):
            return self.ours(context.upstream) == ours
        return begins_with(ours, *self.ours.split("|"))


def begins_with(reply, *answers):
    """Whether a reply is one of these answers: whole words, or a beginning that ends in a bracket; "" is any."""
    return any(f"{reply.text} ".startswith(answer if answer[-1:] in ("", "(") else f"{answer} ") for answer in answers)


# Conditions


def has_nul(context):
    return any(b"\0" in context.text(name) for name in ("path", "old", "new", "target", "name"))


def is_relative(context):
    """Some path is neither empty nor absolute; QEMU sends none. Upstream's directory is the root, so it works there."""
    return any(context.text(name)[:1] not in (b"", b"/") for name in ("path", "old", "new"))


def follows(op):
    """For `op`: its last component is a link, and neither the request nor the kernel kept upstream from following."""

    def applies(context):
        if context.op != op or not context.was(stat.S_ISLNK):
            return False
        if op == Op.TRUNCATE and context.field("length") < 0:
            return False
        flags = context.field("flags")
        return not flags & (os.O_NOFOLLOW | os.O_DIRECTORY) and not (op == Op.CREATE and flags & os.O_EXCL)

    return applies


def follows_to_directory(context):
    flags = context.field("flags")
    return context.op == Op.OPEN and context.was(stat.S_ISLNK) and bool(flags & os.O_DIRECTORY)


def truncates_target(context):
    if context.op != Op.READLINK or not context.was(stat.S_ISLNK):
        return False
    return 2 <= context.field("size") <= context.before.st_size


def has_masked_flags(context):
    return context.op == Op.OPEN and bool(context.field("flags") & MASKED_FLAGS)


def creates_through_open(context):
    return context.op == Op.OPEN and context.field("flags") & os.O_CREAT and context.before is None


def excludes_through_open(context):
    both = os.O_CREAT | os.O_EXCL
    return context.op == Op.OPEN and context.field("flags") & both == both and context.was(stat.S_ISREG)


def creates_without_flag(context):
    flags = context.step.fields.get("flags", os.O_CREAT)
    return context.op == Op.CREATE and not flags & os.O_CREAT and context.before is None


def lacks_id(context):
    return context.op in CREATING and -1 in (context.field("uid"), context.field("gid"))


def stores_more_than_value(context):
    return context.op == Op.LSETXATTR and not 0 <= context.field("size") <= len(context.text("value"))


def came_from_long_value(context):
    return stores_more_than_value(context) and context.field("size") == 65536 and not context.text("value")


def wraps_length(context):
    """65536 bytes of value or names: their length is 0 modulo 65536."""
    full = context.text("name") == b"user.65536" or context.text("path") == b"//names"
    return context.op in (Op.LGETXATTR, Op.LLISTXATTR) and context.field("size") == 65536 and full


def leftover(*paths):
    """Removes what only one of the two has made."""
    return lambda context: context.op == Op.REMOVE and context.text("path") in paths


def opens_relative(context):
    return context.op in FD_REPLIES and is_relative(context)


# Replies that differ in a few bytes or flags


def clean_generation(upstream):
    """The lower half alone."""
    return upstream._replace(masked=upstream.masked[:-4] + bytes(4), text=upstream.text[:-8] + "0" * 8)


def both_halves(upstream):
    """The two words of the file system's id without a sign; the second where QEMU looks for it and where it belongs."""
    facts = Statfs._make(STATFS.unpack(upstream.masked[HEADER.size :]))
    first, second = facts.fsid0 & 0xFFFFFFFF, facts.fsid1 & 0xFFFFFFFF
    return reply_to_statfs(facts._replace(fsid0=first, fsid1=second << 32 | second))


def without_masked_flags(upstream):
    """The same descriptor, opened with none of the flags that are not for the guest."""
    ((target, flags),) = upstream.descriptor
    return descriptor_reply(((target, oct(int(flags, 8) & ~MASKED_FLAGS | O_LARGEFILE)),))


ANY = ""  # what the call says of something else: of the link's target, of the path before the NUL
NO_FILE = "1 -ENOENT|1 -ENOTDIR|1 -ELOOP|1 -ENAMETOOLONG"

DIFFERENCES = (
    # Paths and names
    Difference("NUL inside a string", has_nul, ANY, "1 -EINVAL", "defect 9, protocol 2; upstream ends it there"),
    Difference("relative path to open", opens_relative, ANY, "fd -EINVAL", "defect 9; upstream resolves it"),
    Difference("relative path", is_relative, ANY, "1 -EINVAL", "defect 9; upstream resolves it"),
    # A link in the last place
    Difference("OPEN of a link", follows(Op.OPEN), ANY, "fd -ELOOP", "defect 8"),
    Difference(
        "OPEN of a link as a directory",
        follows_to_directory,
        ANY,
        "fd -ELOOP",
        "defect 8, protocol 7; open(2) says ENOTDIR of O_DIRECTORY with O_NOFOLLOW",
    ),
    Difference("CREATE on a link", follows(Op.CREATE), ANY, "fd -ELOOP", "defect 8"),
    Difference("CHMOD of a link", follows(Op.CHMOD), ANY, "1 -ELOOP", "defect 8"),
    Difference("TRUNCATE of a link", follows(Op.TRUNCATE), ANY, "1 -ELOOP", "defect 8"),
    Difference("STATFS of a link", follows(Op.STATFS), ANY, "1 -ELOOP", "defect 8"),
    Difference("GETVERSION of a link", follows(Op.GETVERSION), ANY, "1 -ELOOP", "defect 8"),
    # OPEN and CREATE
    Difference(
        "CREATE on a special file in a sticky directory",
        lambda c: c.op == Op.CREATE and c.is_special(),
        "fd -EACCES",
        "fd -ENXIO",
        "protocol 6; upstream runs into the kernel's protection of sticky directories, may_create_in_sticky",
    ),
    Difference("OPEN with O_PATH, O_DIRECT, O_ASYNC", has_masked_flags, "fd (", without_masked_flags, "defect 10"),
    Difference(
        "OPEN with O_TMPFILE",
        lambda c: c.op == Op.OPEN and c.field("flags") & TMPFILE,
        "fd (",
        "fd -EISDIR",
        "defect 10; without the flag it opens a directory for writing",
    ),
    Difference("OPEN with O_CREAT", creates_through_open, "fd (", "fd -ENOENT", "defect 10"),
    Difference("OPEN with O_CREAT and O_EXCL", excludes_through_open, "fd -EEXIST", "fd (", "defect 10"),
    Difference("CREATE without O_CREAT", creates_without_flag, "fd -ENOENT", "fd (", "protocol 7; it is implied"),
    Difference(
        "CREATE without an id", lambda c: lacks_id(c) and c.op == Op.CREATE, "fd (", "fd -EINVAL", "protocol 6"
    ),
    Difference("creating without an id", lacks_id, "0 0", "1 -EINVAL", "protocol 6; upstream uses its own"),
    Difference(
        "REMOVE of what only upstream made",
        leftover(b"//made by open", b"//relative", b"//minus"),
        "0 0",
        "1 -ENOENT",
        "what rows above left",
    ),
    Difference("REMOVE of what only we made", leftover(b"//not made"), "1 -ENOENT", "0 0", "what a row above left"),
    # GETVERSION and STATFS
    Difference(
        "GETVERSION of a device",
        lambda c: c.op == Op.GETVERSION and c.was(stat.S_ISCHR),
        "1 -ENOTTY",
        "1 -ENXIO",
        "defect 5, protocol 6; upstream opens it",
    ),
    Difference(
        "GETVERSION of a special file, without generations",
        lambda c: c.op == Op.GETVERSION and c.is_special(),
        "0",
        "1 -ENXIO",
        "protocol 6; upstream does not look where a file system has no generations",
    ),
    Difference(
        "GETVERSION of nothing, without generations",
        lambda c: c.op == Op.GETVERSION and c.before is None and bool(c.step.fields),
        "0",
        NO_FILE,
        "upstream does not look where a file system has no generations",
    ),
    Difference(
        "GETVERSION cut short, without generations",
        lambda c: c.op == Op.GETVERSION and not c.step.fields,
        "0",
        "1 -ENOBUFS",
        "protocol 6; upstream does not look where a file system has no generations",
    ),
    Difference(
        "GETVERSION, upper half",
        lambda c: c.op == Op.GETVERSION,
        "0",
        clean_generation,
        "defect 6; upstream sends what was on its stack",
    ),
    Difference(
        "STATFS, id of the file system",
        lambda c: c.op == Op.STATFS,
        "0",
        both_halves,
        "protocol 5; upstream extends the sign of both words",
    ),
    # Sizes
    Difference(
        "READLINK with too small a buffer", truncates_target, "0", "1 -ENAMETOOLONG", "defect 18; upstream cuts"
    ),
    Difference("LSETXATTR, 65536 for nothing", came_from_long_value, "0 0|1 -ENOSPC", "1 -E2BIG", "protocol 6"),
    Difference("LSETXATTR, more than the value", stores_more_than_value, "0 0|1 -E2BIG", "1 -EINVAL", "defect 4"),
    Difference("attribute of 65536 bytes", wraps_length, "0 0000", "1 -ENOBUFS", "defect 7"),
    # Two errors at once
    Difference(
        "LGETXATTR without a path, and a bad name",
        lambda c: c.op == Op.LGETXATTR and bool(c.step.fields) and not c.text("path"),
        "1 -ERANGE",
        "1 -ENOENT",
        "either is true; upstream looks at the name first",
    ),
    Difference(
        "LSETXATTR with a name too long, and bad flags",
        lambda c: c.op == Op.LSETXATTR and len(c.text("name")) > 255,
        "1 -EINVAL",
        "1 -ERANGE",
        "either is true; upstream looks at the flags first",
    ),
)
ONLY_ON = {
    "attribute of 65536 bytes": "tmpfs",
    "LSETXATTR, 65536 for nothing": "tmpfs",
    "GETVERSION cut short, without generations": "tmpfs",
    "GETVERSION of nothing, without generations": "tmpfs",
    "GETVERSION of a special file, without generations": "tmpfs",
    "GETVERSION of a device": "ext4",
    "GETVERSION, upper half": "ext4",
}


def difference_for(context):
    """The first row that applies, or None."""
    return next((row for row in DIFFERENCES if row.applies(context)), None)


def expected(filesystem):
    """The names of the rows that a whole run must meet."""
    return {row.name for row in DIFFERENCES if ONLY_ON.get(row.name, filesystem) == filesystem}
