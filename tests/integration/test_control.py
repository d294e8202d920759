# SPDX-License-Identifier: MIT
"""The control socket: what it tells, also while nothing else moves, whom it lets in, and what cannot disturb it."""

import contextlib
import json
import os
import signal
import socket
import stat

import pytest
from support import control, openmetrics
from support.hanging import HangingFileSystem
from support.helper import Helper, wait_for
from support.wire import Op, RemoteError


@pytest.fixture
def socket_path(run_directory):
    return run_directory / "control"


@pytest.fixture
def helper_arguments(socket_path):
    return ("--control", str(socket_path))


@pytest.fixture
def stuck(export, socket_path):
    """A helper with two threads, both in a look at a name that does not return, and those two clients."""
    (export / "hanging").mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(HangingFileSystem(export / "hanging"))
        helper = stack.enter_context(Helper(export, args=("--control", str(socket_path), "--threads", "2")))
        for number in range(2):
            client = stack.enter_context(helper.connect())
            client.send(Op.LSTAT, path=f"//hanging/name{number}\n\x1b[31m")
        control.wait_for_stuck(socket_path, 2)
        yield helper


def test_the_socket_is_roots_alone(helper, socket_path):
    found = socket_path.lstat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())


def test_the_socket_goes_with_the_helper(export, socket_path):
    with Helper(export, args=("--control", str(socket_path))) as helper:
        assert socket_path.exists()
        helper.stop()
        assert not socket_path.exists()


def test_a_socket_that_is_served_is_not_taken(helper, export, socket_path):
    with pytest.raises(RuntimeError, match="another process serves it"):
        Helper(export, args=("--control", str(socket_path)))
    assert control.status(socket_path)["monitor"]["pid"] == helper.pid


def test_counts_are_right(helper, client, socket_path):
    for _ in range(7):
        client.lstat("/")
    for _ in range(3):
        with pytest.raises(RemoteError):
            client.lstat("//missing")
    os.close(client.create("//new"))
    (seen,) = control.status(socket_path)["clients"]
    assert (seen["pid"], seen["uid"], seen["requests"], seen["errors"]) == (os.getpid(), os.getuid(), 11, 3)
    lstat = seen["operations"]["lstat"]
    assert (lstat["requests"], lstat["errors"]) == (10, 3)
    assert seen["operations"].keys() == {"lstat", "create"}
    assert 0 < lstat["p50_seconds"] <= lstat["p99_seconds"] < 60
    assert seen["in_flight"] is None and seen["age_seconds"] > 0


def test_the_helper_tells_what_it_is(helper, socket_path):
    seen = control.status(socket_path)
    (worker,) = helper.children()
    assert (seen["monitor"]["pid"], seen["worker"]["pid"]) == (helper.pid, worker)
    assert (seen["path"], seen["socket"]) == (str(helper.export), helper.socket)
    assert seen["sandbox"] in ("namespace", "chroot") and seen["policy"]["readonly"] is False
    for process in (seen["monitor"], seen["worker"]):
        assert process["descriptors"] == len(os.listdir(f"/proc/{process['pid']}/fd")) or process["descriptors"] > 5
        assert process["rss_bytes"] > process["pss_bytes"] > 100_000


def test_those_that_are_gone_are_in_the_totals(helper, socket_path):
    for _ in range(3):
        with helper.connect() as client:
            client.lstat("/")
    wait_for(lambda: not control.status(socket_path)["clients"], what="the end of three clients")
    assert control.status(socket_path)["operations"]["lstat"]["requests"] == 3


def test_a_new_worker_is_told_of_and_counts_on(helper, client, socket_path):
    client.lstat("/")
    (worker,) = helper.children()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: helper.children() not in ([], [worker]), what="another worker")
    client.lstat("/")
    seen = control.status(socket_path)
    assert seen["worker_restarts"] == 1 and [seen["worker"]["pid"]] == helper.children()
    assert seen["clients"][0]["requests"] == 2


def test_status_while_all_reactors_are_stuck(stuck, socket_path):
    seen = control.wait_for_stuck(socket_path, 2)
    flights = [client["in_flight"] for client in seen["clients"]]
    assert {flight["operation"] for flight in flights} == {"lstat"}
    assert {flight["path"] for flight in flights} == {f"//hanging/name{n}\\x0a\\x1b[31m" for n in range(2)}
    table = control.run("status", socket_path)
    assert table.returncode == 0 and table.stdout.count("lstat //hanging/name") == 2
    assert "\x1b" not in table.stdout
    assert "in_flight_seconds" in control.ask(socket_path, "metrics")


def test_usr1_writes_what_is_stuck_to_the_log(stuck):
    os.kill(stuck.pid, signal.SIGUSR1)
    wait_for(lambda: stuck.log().count('in lstat "//hanging/name') == 2, what="the status in the log")
    assert "status: up for" in stuck.log() and "\x1b" not in stuck.log()


@pytest.mark.parametrize("sandbox", ["auto", "chroot"])
def test_usr1_does_not_end_the_worker(export, sandbox):
    """Who sends it to all processes of that name means well; a PID namespace would protect the worker anyway."""
    with Helper(export, args=("--sandbox", sandbox)) as helper, helper.connect() as client:
        before = helper.children()
        os.killpg(helper.pid, signal.SIGUSR1)
        wait_for(lambda: "status: up for" in helper.log(), what="the status in the log")
        client.lstat("/")
        assert helper.children() == before


def test_metrics_are_openmetrics(helper, client, socket_path):
    before = openmetrics.parse(control.ask(socket_path, "metrics"))
    client.lstat("/")
    with pytest.raises(RemoteError):
        client.readlink("//missing")
    after = openmetrics.parse(control.ask(socket_path, "metrics"))
    assert before.keys() <= after.keys()
    lstat = (("operation", "lstat"),)
    assert after["virtfs_proxy_requests_total", lstat] == 1 + before["virtfs_proxy_requests_total", lstat]
    assert after["virtfs_proxy_request_errors_total", (("operation", "readlink"),)] == 1
    assert after["virtfs_proxy_request_duration_seconds_count", lstat] == 1
    assert 0 < after["virtfs_proxy_request_duration_seconds_sum", lstat] < 60
    assert after["virtfs_proxy_clients", ()] == 1
    for (name, labels), value in before.items():
        assert not name.endswith(("_total", "_count", "_sum")) or after[name, labels] >= value


def test_a_hostile_program_name_is_a_harmless_label(helper, socket_path):
    with open("/proc/self/comm", "r+b", buffering=0) as comm:
        before = comm.read()
        comm.seek(0)
        comm.write(b'a"\n\\\x1b}')
        try:
            with helper.connect() as client:
                client.lstat("/")
                metrics = openmetrics.parse(control.ask(socket_path, "metrics"))
                assert any('a\\\\\\"\\\\x0a' in dict(labels).get("program", "") for _, labels in metrics)
                assert control.status(socket_path)["clients"][0]["program"] == 'a\\"\\x0a\\\\\\x1b}'
                assert 'a\\"\\x0a\\\\\\x1b}' in helper.log()
        finally:
            comm.write(before.strip())


@pytest.mark.parametrize("line", ["", "nonsense", "status ", "STATUS", "x" * 100, "\0status"])
def test_what_is_no_command_is_answered_so(helper, socket_path, line):
    with control.connect(socket_path) as connected:
        connected.sendall(line.encode() + b"\n")
        assert connected.recv(65536).startswith(b"error: ")


def test_rude_clients_harm_nobody(helper, client, socket_path):
    """Those that say nothing, half a line, garbage without end, or do not read; more of them than are served at once."""
    with contextlib.ExitStack() as stack:
        for number in range(40):
            rude = stack.enter_context(socket.socket(socket.AF_UNIX))
            rude.setblocking(False)
            rude.connect(str(socket_path))
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                rude.send((b"", b"stat", os.urandom(200_000), b"metrics\n")[number % 4])
        client.lstat("/")
        with helper.connect() as late:
            late.lstat("/")
        assert control.status(socket_path)["clients"]
        assert len(os.listdir(f"/proc/{helper.pid}/fd")) < 40
    assert control.status(socket_path)["clients"]


def test_an_answer_that_nobody_reads_is_given_up(export, socket_path):
    """One that is larger than a socket's buffers: of many clients with many operations."""
    with contextlib.ExitStack() as stack:
        helper = stack.enter_context(Helper(export, args=("--control", str(socket_path), "--max-clients", "512")))
        for _ in range(300):
            client = stack.enter_context(helper.connect())
            for ask in (client.lstat, client.statfs, client.getversion, client.llistxattr):
                ask("/")
            for change in (client.chmod, client.chown):
                change("/", 0o755)
        wait_for(lambda: len(control.status(socket_path)["clients"]) == 300, what="300 clients")
        before = len(os.listdir(f"/proc/{helper.pid}/fd"))
        silent = [stack.enter_context(control.connect(socket_path)) for _ in range(8)]
        for one in silent:
            one.sendall(b"status\n")
        openmetrics.parse(control.ask(socket_path, "metrics"))
        wait_for(lambda: len(os.listdir(f"/proc/{helper.pid}/fd")) == before, what="the sessions' end")
        assert not control.read_all(silent[0]).endswith("}\n")


def test_many_at_once_are_all_answered(helper, socket_path):
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(control.connect(socket_path)) for _ in range(100)]
        for one in many:
            one.sendall(b"status\n")
        for one in many:
            json.loads(control.read_all(one))


def test_a_stop_does_not_wait_for_sessions(export, socket_path):
    with Helper(export, args=("--control", str(socket_path))) as helper, control.connect(socket_path):
        assert helper.stop() == 0


def test_proxyctl_finds_the_socket_in_the_environment(helper, socket_path):
    found = control.run("status", "--json", env={**os.environ, "VIRTFS_PROXY_CONTROL": str(socket_path)})
    assert json.loads(found.stdout)["monitor"]["pid"] == helper.pid
    assert control.run("--json", "status", socket_path).returncode == 0
    openmetrics.parse(control.run("metrics", socket_path).stdout)


def test_proxyctl_says_what_is_wrong(run_directory):
    nobody = {key: value for key, value in os.environ.items() if key != "VIRTFS_PROXY_CONTROL"}
    for command in ("status", "metrics", "top"):
        without = control.run(command, env=nobody)
        assert without.returncode == 2 and "VIRTFS_PROXY_CONTROL" in without.stderr
        missing = control.run(command, run_directory / "missing")
        assert missing.returncode == 3 and "No such file" in missing.stderr
        assert missing.stdout == ""
