# SPDX-License-Identifier: MIT
"""Fixtures for all Python tests, and two rules: without root they skip, and in CI a skip is a failure."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support.helper import OURS, SANITIZER_WORDS, Helper  # noqa: E402
from support.mounts import ext4  # noqa: E402

IN_CI = os.environ.get("CI") == "true"


def pytest_configure():
    """Whoever ends the run early, a time limit mostly, ends it in order: nothing mounted or running is left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _requires_root():
    if os.geteuid() != 0:
        pytest.skip("needs root: the helper changes its root directory and the owners of files")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A skip that nobody sees is a test that nobody runs: CI has all it needs, so there it fails."""
    outcome = yield
    _fail_skip_in_ci(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _fail_skip_in_ci(outcome.get_result())


def _fail_skip_in_ci(report):
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {reason}"


@pytest.fixture
def export(tmp_path):
    """An empty directory to export."""
    path = tmp_path / "export"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def disk(export, tmp_path):
    """An ext4 below the export, mounted before the helper starts: it can be frozen, and has generation numbers."""
    (export / "disk").mkdir()
    with ext4(export / "disk", tmp_path / "image") as path:
        yield path


@pytest.fixture
def run_directory(tmp_path):
    """For the socket: root's, mode 0755."""
    path = tmp_path / "run"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def helper_arguments():
    """What `helper` is started with besides; for test files to override."""
    return ()


@pytest.fixture
def helper(export, helper_arguments):
    """Our helper serving `export`; it must end with status 0 when the test is over, and say nothing of a sanitizer."""
    running = Helper(export, args=helper_arguments, binary=OURS)
    yield running
    status = running.stop()
    assert status == 0, running.log()
    assert not any(word in running.log() for word in SANITIZER_WORDS), running.log()


@pytest.fixture
def client(helper):
    """A client of `helper`."""
    with helper.connect() as connected:
        yield connected
