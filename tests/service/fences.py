#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a program behind the filters of system calls that contrib/systemd's service asks of systemd.

usage: fences.py PROGRAM [ARGUMENT...]

As systemd does it, but for the order of things: SystemCallFilter=, RestrictNamespaces=, RestrictAddressFamilies= and
MemoryDenyWriteExecute=, read from the unit. What is in a set of system calls is systemd's to say.
"""

import ctypes
import errno
import mmap
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.units import SERVICE, parse, words  # noqa: E402

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
NAMESPACES = {
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
EQUAL, MASKED_EQUAL = 4, 7


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of libseccomp."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def expand(name):
    """The system calls in a set, and in the sets that it is made of."""
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return set().union(*(expand(line) for line in lines if line and not line.startswith("#")))


def allowed_calls(service):
    calls = expand("@default")
    for line in service["SystemCallFilter"]:
        named = set().union(*(expand(word) for word in line.lstrip("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def conditions(service):
    """For each call that is allowed with some arguments only, what these may be: one of several."""
    forbidden = sum(flag for name, flag in NAMESPACES.items() if name not in words(service["RestrictNamespaces"]))
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    families = [getattr(socket, name) for name in words(service["RestrictAddressFamilies"])]
    return {
        "unshare": [Comparison(0, MASKED_EQUAL, forbidden, 0)],
        "clone": [Comparison(0, MASKED_EQUAL, forbidden, 0)],
        "setns": [Comparison(1, MASKED_EQUAL, forbidden, 0)],
        "socket": [Comparison(0, EQUAL, family, 0) for family in families],
        "mmap": [Comparison(2, MASKED_EQUAL, both, value) for value in (0, mmap.PROT_WRITE, mmap.PROT_EXEC)],
        "mprotect": [Comparison(2, MASKED_EQUAL, mmap.PROT_EXEC, 0)],
        "clone3": [],
        "pkey_mprotect": [],
    }


def load(calls, restricted):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(DENY))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        rules = [(1, comparison) for comparison in restricted[name]] if name in restricted else [(0, Comparison())]
        for count, comparison in rules:
            assert library.seccomp_rule_add_array(context, ALLOW, number, count, ctypes.byref(comparison)) == 0, name
    assert library.seccomp_load(context) == 0


def main():
    service = parse(SERVICE)["Service"]
    load(allowed_calls(service), conditions(service))
    os.execv(sys.argv[1], sys.argv[1:])


main()
