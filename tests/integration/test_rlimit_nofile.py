# SPDX-License-Identifier: MIT
"""How many descriptors each process may have: as many as the hard limit says, or as --rlimit-nofile does."""

import os
import pathlib
import resource

import pytest
from support import proc
from support.helper import Helper
from support.launch import launcher, run

FAILED = 1
CAP_SYS_RESOURCE = 1 << 24


def limits(helper):
    """Soft and hard limit of both processes; they must be the same."""
    (worker,) = helper.children()
    both = {resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in (helper.pid, worker)}
    assert len(both) == 1
    return both.pop()


def assert_serves(helper):
    with helper.connect() as client:
        assert client.lstat("/").nlink == 2


def assert_fails_in_one_line(done, *reasons):
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr.count("\n") == 1, done.stderr
    for reason in reasons:
        assert reason in done.stderr


def test_soft_limit_is_raised_to_the_hard_one(export, tmp_path):
    with Helper(export, binary=launcher(tmp_path, "ulimit -Sn 300; ulimit -Hn 1500")) as helper:
        assert limits(helper) == (1500, 1500)
        assert_serves(helper)


def test_limit_is_what_the_option_says(export):
    with Helper(export, args=("--rlimit-nofile", "1234")) as helper:
        assert limits(helper) == (1234, 1234)
        assert_serves(helper)
        assert "open files" not in helper.log()


@pytest.fixture(params=[(), ("--nodaemon",)], ids=["daemon", "foreground"])
def command(request, export, run_directory):
    """A complete command line; after the test no name of a socket may be left."""
    yield (*request.param, "--path", export, "--socket", run_directory / "s")
    assert list(run_directory.iterdir()) == []


def test_above_the_hard_limit_with_all_that_root_has_here(command, export, tmp_path):
    """Which may be less than root's usual power, in a container: then the next test's answer is the right one."""
    low = launcher(tmp_path, "ulimit -n 700")
    if int(proc.status(os.getpid())["CapEff"], 16) & CAP_SYS_RESOURCE:
        with Helper(export, binary=low, args=("--rlimit-nofile", "1500")) as helper:
            assert limits(helper) == (1500, 1500)
            assert_serves(helper)
    else:
        assert_fails_in_one_line(run(*command, "--rlimit-nofile", "1500", binary=low), "1500", "not permitted", "700")


def test_without_the_capability_the_hard_limit_is_a_limit(command, tmp_path):
    low = launcher(tmp_path, "ulimit -n 700", prefix="setpriv --bounding-set=-sys_resource")
    done = run(*command, "--rlimit-nofile", "701", binary=low)
    assert_fails_in_one_line(done, "--rlimit-nofile", "701", "not permitted", "700")


def test_more_than_the_kernel_has_for_any_process(command):
    most = int(pathlib.Path("/proc/sys/fs/nr_open").read_text(encoding="ascii"))
    done = run(*command, "--rlimit-nofile", str(most + 1))
    assert_fails_in_one_line(done, "--rlimit-nofile", str(most + 1), "not permitted")


def test_too_few_for_anybody(command):
    assert_fails_in_one_line(run(*command, "--rlimit-nofile", "20"), "a limit of 20 open files is too low")


def test_fewer_clients_where_there_is_no_room_for_all(export):
    with Helper(export, args=("--rlimit-nofile", "64", "--max-clients", "100")) as helper:
        assert_serves(helper)
        assert "allows 20 clients and 2 threads, not 100 and 64" in helper.log()
