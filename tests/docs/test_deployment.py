# SPDX-License-Identifier: MIT
"""docs/deployment.md: its way without systemd, run as it stands there. With systemd: tests/package/test_package.py."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

import pytest
from support import control
from support.helper import OURS, ROOT, wait_for
from support.wire import Client

TEXT = (ROOT / "docs/deployment.md").read_text()
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)`")


def blocks(section):
    """The shell of a section."""
    return re.findall(r"```sh\n(.*?)```", TEXT.split(f"### {section}\n")[1].split("\n#")[0], re.DOTALL)


@pytest.fixture
def shell(tmp_path):
    """Runs a block, with this test's directories in the place of /run and /srv."""
    for name in ("run", "srv/home", "srv/media"):
        (tmp_path / name).mkdir(parents=True)
    path = f"{pathlib.Path(OURS).parent}:{os.environ['PATH']}"
    names = {"/run/": f"{tmp_path}/run/", "/srv/": f"{tmp_path}/srv/", "-u qemu -g qemu": "-u nobody -g nogroup"}

    def run(block):
        for name, ours in names.items():
            assert name in block or name != "/run/"
            block = block.replace(name, ours)
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(
            ["bash", "-ec", block], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    yield run
    for file in (tmp_path / "run/virtfs").glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGTERM)
        wait_for(lambda gone=file: not gone.exists(), what="the daemon's end")


def test_several_exports_without_systemd(shell, tmp_path):
    start, end = blocks("Without systemd")
    shell(start)
    run = tmp_path / "run/virtfs"
    for name in ("home", "media"):
        with Client.connect(run / f"{name}.sock") as client:
            assert client.lstat("/").ino == (tmp_path / "srv" / name).stat().st_ino
            assert control.status(run / f"{name}.control")["clients"]
    shell(end)
    wait_for(lambda: not (run / "media.pid").exists(), what="the end of one")
    assert sorted(path.name for path in run.iterdir()) == ["home.control", "home.pid", "home.sock"]
    with Client.connect(run / "home.sock") as client:
        client.lstat("/")


def test_tests_that_are_named_are_there():
    named = TEST_NAME.findall(TEXT)
    assert named
    for path in named:
        assert (ROOT / path).exists()
