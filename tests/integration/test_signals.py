# SPDX-License-Identifier: MIT
"""What the launcher has done to signals: what it blocked is not blocked, what nohup(1) ignores is ignored."""

import os
import signal

import pytest
from support.helper import Helper
from support.launch import launcher


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_helper_whose_launcher_had_blocked_them(export, tmp_path, number):
    with Helper(export, binary=launcher(tmp_path, prefix="env --block-signal")) as helper:
        os.kill(helper.pid, number)
        assert helper.wait() == 0, helper.log()
        assert not os.path.exists(helper.socket)


def test_hangup_is_ignored_under_nohup(export, tmp_path):
    with Helper(export, binary=launcher(tmp_path, prefix="env --ignore-signal=HUP")) as helper:
        with helper.connect() as client:
            os.kill(helper.pid, signal.SIGHUP)
            for _ in range(100):
                client.lstat("/")
            with helper.connect() as late:
                assert late.lstat("/").nlink >= 2
