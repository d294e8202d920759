# SPDX-License-Identifier: MIT
"""Being somebody else for a while."""

import contextlib
import os


@contextlib.contextmanager
def acting_as(uid, groups=()):
    """The test's effective ids: those that the kernel checks, and passes on when it connects. No privilege is left."""
    before = os.getgroups()
    os.setgroups(list(groups))
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)
