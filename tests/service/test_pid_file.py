# SPDX-License-Identifier: MIT
"""--pid-file: there when clients can connect, one helper's at a time, gone at the end."""

import os
import pathlib
import signal

import pytest
from support.helper import Helper, wait_for
from support.launch import Daemon, run
from support.wire import Client


@pytest.fixture
def pid_file(run_directory):
    return run_directory / "pid"


def start(export, pid_file, name="s"):
    return Daemon("--path", export, "--socket", pid_file.with_name(name), "--pid-file", pid_file)


def fail(export, pid_file, *named):
    """A start with this file fails, says why, and leaves nothing new behind."""
    before = sorted(pid_file.parent.iterdir())
    for mode in ((), ("--nodaemon",)):
        done = run(*mode, "--path", export, "--socket", pid_file.with_name("second"), "--pid-file", pid_file)
        assert (done.returncode, done.stdout) == (1, "")
        for text in (str(pid_file), *named):
            assert text in done.stderr
    assert sorted(pid_file.parent.iterdir()) == before


def test_daemon_writes_its_pid_before_its_caller_goes_on(export, pid_file):
    with start(export, pid_file) as daemon:
        assert pid_file.read_text() == f"{daemon.pid}\n"
        made = pid_file.lstat()
        assert (made.st_mode, made.st_uid, made.st_gid) == (0o100644, 0, 0)
        assert daemon.stop() == 0
    assert os.listdir(pid_file.parent) == []


def test_in_the_foreground_too(export, pid_file):
    with Helper(export, args=("--pid-file", pid_file)) as helper:
        wait_for(pid_file.exists, what="the pid file")
        assert pid_file.read_text() == f"{helper.pid}\n"
    assert not pid_file.exists()


def test_relative_name_means_the_callers_directory(export, pid_file):
    args = ("--path", export, "--socket", "s", "--pid-file", "pid")
    with Daemon(*args, cwd=pid_file.parent) as daemon:
        assert pid_file.read_text() == f"{daemon.pid}\n"
        assert daemon.stop() == 0
    assert not pid_file.exists()


def test_left_over_file_is_replaced(export, pid_file):
    with start(export, pid_file) as daemon:
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()
        assert pid_file.exists()
    with start(export, pid_file) as daemon:
        assert pid_file.read_text() == f"{daemon.pid}\n"


def test_number_in_a_left_over_file_means_nothing(export, pid_file):
    """Somebody else may have it by now."""
    pid_file.write_text(f"{os.getpid()}\n")
    with start(export, pid_file) as daemon:
        assert pid_file.read_text() == f"{daemon.pid}\n"


def test_file_of_a_helper_that_runs_stays_its(export, pid_file):
    with start(export, pid_file) as daemon:
        fail(export, pid_file, "another helper")
        assert pid_file.read_text() == f"{daemon.pid}\n"
        with Client.connect(pid_file.with_name("s")) as client:
            assert client.lstat("/").nlink >= 2


def test_file_stays_its_while_its_worker_is_replaced(export, pid_file):
    with start(export, pid_file) as daemon:
        worker = daemon.worker()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: pathlib.Path(f"/proc/{worker}").exists() is False, what="the worker's end")
        with Client.connect(pid_file.with_name("s")) as client:
            assert client.lstat("/").nlink >= 2
        fail(export, pid_file, "another helper")


def test_file_that_another_one_has_replaced_is_left_alone(export, pid_file):
    with start(export, pid_file) as daemon:
        pid_file.unlink()
        pid_file.write_text("another's\n")
        assert daemon.stop() == 0
    assert pid_file.read_text() == "another's\n"


def test_link_is_not_followed(export, pid_file):
    precious = pid_file.with_name("precious")
    precious.write_text("precious")
    pid_file.symlink_to(precious)
    fail(export, pid_file, "no file")
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_left_alone(export, pid_file, make):
    make(pid_file)
    fail(export, pid_file, "no file")


@pytest.mark.parametrize("name", ["", "run/", "run/..", "no/such/directory", "n" * 256])
def test_name_that_cannot_be(export, tmp_path, name):
    (tmp_path / "run").mkdir()
    done = run("--path", export, "--socket", "s", "--pid-file", name, cwd=tmp_path)
    assert done.returncode == 1
    assert "pid file" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["export", "run"]


def test_start_that_fails_writes_none(pid_file):
    done = run("--path", "/nowhere", "--socket", pid_file.with_name("s"), "--pid-file", pid_file)
    assert done.returncode == 1
    assert os.listdir(pid_file.parent) == []
