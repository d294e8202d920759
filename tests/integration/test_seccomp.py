# SPDX-License-Identifier: MIT
"""--seccomp: which threads are filtered. What the filter does is tests/unit/test_seccomp.c's."""

import pytest
from support import proc

FILTERED, FREE = "2", "0"


def modes(helper):
    (worker,) = helper.children()
    return {proc.status(worker, task)["Seccomp"] for task in proc.threads(worker).values()}


@pytest.mark.parametrize(
    ("helper_arguments", "mode"),
    [
        ((), FILTERED),
        (("--seccomp=kill",), FILTERED),
        (("--seccomp=log",), FILTERED),
        (("--seccomp=off",), FREE),
        (("--sandbox=chroot",), FILTERED),
    ],
)
def test_every_thread_of_the_worker_is_filtered(helper, client, mode):
    client.lstat("/")
    with helper.connect() as other:
        other.lstat("/")
        assert modes(helper) == {mode}


def test_monitor_is_not(helper):
    """Its successor after an upgrade would inherit the filter."""
    assert proc.status(helper.pid)["Seccomp"] == FREE
