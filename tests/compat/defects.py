# SPDX-License-Identifier: MIT
"""How a defect of the old helper is tested: one function, which must pass on ours and fail on upstream.

The failure on upstream is asserted, with its exception and message, so that each test is known to be able to fail, and
to fail for its own reason. The number in a test's name is the defect's in the list of what upstream gets wrong; some
have several tests.
"""

import os
import re

import pytest
from support.helper import UPSTREAM


from .implementations import OUR_HELPER, UPSTREAM_HELPER

IMPLEMENTATIONS = (OUR_HELPER, UPSTREAM_HELPER)


class Defect:
    """A check and the way in which upstream fails it."""

    def __init__(self, name, failure, message, check):
        self.name, self.failure, self.message, self.check = name, failure, message, check


def defect(checks, name, failure, message=""):
    """Registers a check under `name` in `checks`; on upstream it raises `failure`, with `message` (a regex) in it."""

    def register(check):
        checks.append(Defect(name, failure, message, check))
        return check

    return register


def parametrize(checks):
    """Each check with each implementation, as test_defect[05-fifo-blocks-ours]."""
    cases = [
        pytest.param(a_defect, implementation, id=f"{a_defect.name}-{implementation.name}")
        for a_defect in checks
        for implementation in IMPLEMENTATIONS
    ]
    return pytest.mark.parametrize(("a_defect", "implementation"), cases)


def judge(a_defect, implementation, tmp_path):
    """Runs a check: ours must pass, upstream must fail as it is known to."""
    if not implementation.is_upstream:
        a_defect.check(implementation, tmp_path)
        return
    if not os.access(UPSTREAM, os.X_OK):
        pytest.skip("QEMU's own helper is not installed (Debian package qemu-system-common)")
    try:
        a_defect.check(implementation, tmp_path)
    except a_defect.failure as failure:
        assert re.search(a_defect.message, str(failure)), f"upstream fails in another way: {failure!r}"
    else:
        pytest.fail("upstream passes: this check cannot fail, or the defect is gone")
