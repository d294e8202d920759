# SPDX-License-Identifier: MIT
"""The host's view of a subtree against its model."""

import os
import types

from support.wire import Stat
from workload.model import DIR, LNK, REG
from workload.operations import Mismatch, check_attributes, expect


def compare(path, node):
    """Raises Mismatch where `path` on the host, or anything below it, is not as the model has it. Counts objects."""
    try:
        compare_one(path, node)
    except (Mismatch, OSError) as error:
        raise Mismatch(f"on the host, {path!r}: {error}") from error
    return 1 + sum(compare(os.path.join(path, name), child) for name, child in node.children.items())


def compare_one(path, node):
    check_attributes(attributes(os.lstat(path)), node)
    node.atime = None  # we read it now, and it may have another name
    names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")]
    values = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    expect("the attributes", values, node.xattrs)
    if node.kind == DIR:
        expect("the names", sorted(os.listdir(path)), sorted(node.children))
    elif node.kind == LNK:
        expect("the target", os.fsencode(os.readlink(path)), node.target)
    elif node.kind == REG:
        with open(path, "rb") as file:
            expect("the content", file.read(), bytes(node.content))


def attributes(seen):
    """What check_attributes looks at."""
    values = dict.fromkeys(Stat._fields, 0)
    values |= {name: getattr(seen, "st_" + name) for name in ("mode", "uid", "gid", "size", "nlink", "ino")}
    for name in ("atime", "mtime"):
        values[name], values[name + "_nsec"] = divmod(getattr(seen, f"st_{name}_ns"), 10**9)
    return types.SimpleNamespace(**values)
