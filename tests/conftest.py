# SPDX-License-Identifier: MIT
"""Fixtures for all Python tests, and two rules: without root they skip, and in CI a skip is a failure."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support.helper import OURS, UPSTREAM, Helper  # noqa: E402

IN_CI = os.environ.get("CI") == "true"


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
def helper(export):
    """Our helper serving `export`; it must end with status 0 when the test is over, and say nothing of a sanitizer."""
    running = Helper(export, binary=OURS)
    yield running
    status = running.stop()
    assert status == 0, running.log()
    assert "Sanitizer" not in running.log()


@pytest.fixture
def client(helper):
    """A client of `helper`."""
    with helper.connect() as connected:
        yield connected


@pytest.fixture
def upstream(export):
    """QEMU's own helper serving `export`, to one client."""
    if not os.access(UPSTREAM, os.X_OK):
        pytest.skip("QEMU's own helper is not installed (Debian package qemu-system-common)")
    running = Helper(export, binary=UPSTREAM)
    yield running
    running.stop()
