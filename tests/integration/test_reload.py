# SPDX-License-Identifier: MIT
"""A reload: the installed program and a changed configuration are taken up, and guests notice nothing."""

import errno
import os
import pathlib
import shutil
import signal
import socket
import stat
import threading
import time

import pytest
from support import control, proc
from support.expect import descriptor, fails
from support.hanging import HangingFileSystem
from support.helper import OURS, Helper, wait_for
from support.launch import Daemon, launcher, run
from support.wire import Client, EndOfFile, Op, request


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "helper.conf"
    path.write_text("")
    return path


@pytest.fixture
def socket_path(run_directory):
    return run_directory / "control"


@pytest.fixture
def helper(export, config, socket_path):
    with Helper(export, args=("--config", config, "--control", socket_path)) as started:
        yield started


def reload(path):
    """What virtfs-proxyctl says; that it went well."""
    done = control.run("reload", path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def refused(path):
    """What virtfs-proxyctl says; that it did not."""
    done = control.run("reload", path)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    return done.stderr


def worker_of(helper):
    (pid,) = wait_for(lambda: [one for one in helper.children() if proc.state(one) != "Z"], what="a worker")
    return pid


def the_only_worker(helper, but):
    """That of them which is left when the old one, `but`, is gone."""
    wait_for(lambda: len(helper.children()) == 1 and but not in helper.children(), what="one new worker")
    return helper.children()[0]


def test_clients_go_on_with_another_worker_of_the_same_monitor(helper, socket_path):
    old = worker_of(helper)
    with helper.connect() as client, helper.connect() as other:
        before = client.lstat("/").ino
        opened = client.open("/", os.O_DIRECTORY)
        assert "2 clients" in reload(socket_path)
        assert client.lstat("/").ino == other.lstat("/").ino == before
        with descriptor(opened) as fd:
            assert os.fstat(fd).st_ino == before
        with helper.connect() as late:
            assert late.lstat("/").ino == before
    assert the_only_worker(helper, but=old) != old
    assert helper.poll() is None, "the monitor is the same process"
    assert "killed" not in helper.log() and "died" not in helper.log()


def test_hangup_does_the_same(helper):
    old = worker_of(helper)
    with helper.connect() as client:
        client.lstat("/")
        os.kill(helper.pid, signal.SIGHUP)
        wait_for(lambda: "reload: done" in helper.log(), what="the end of the reload")
        client.lstat("/")
    assert the_only_worker(helper, but=old)


def test_there_may_be_no_control_socket(export):
    """What is not there has no descriptor: the standard input was taken for one, and the second reload failed."""
    with Helper(export) as helper, helper.connect() as client:
        for count in range(1, 4):
            os.kill(helper.pid, signal.SIGHUP)
            wait_for(lambda: helper.log().count("reload: ") == count, what="the end of the reload")
            assert helper.log().count("reload: done") == count, helper.log()
            assert client.lstat("/").nlink >= 2
        assert proc.descriptors(helper.pid)[0] == "/dev/null"


def test_what_was_counted_is_kept(helper, socket_path):
    with helper.connect() as gone:
        gone.lstat("/")
    with helper.connect() as client:
        for _ in range(3):
            client.lstat("/")
        before = wait_for(lambda: len(control.status(socket_path)["clients"]) == 1 and control.status(socket_path))
        reload(socket_path)
        client.lstat("/")
        after = control.status(socket_path)
        assert after["clients"][0]["requests"] == before["clients"][0]["requests"] + 1 == 4
        assert after["clients"][0]["number"] == before["clients"][0]["number"] == 2
        assert after["uptime_seconds"] >= before["uptime_seconds"]
        assert after["operations"]["lstat"]["requests"] == 5, "with those of who is gone"
        assert after["worker_restarts"] == 0


def test_a_changed_configuration_is_taken_up(helper, config, socket_path, export):
    with helper.connect() as client:
        client.mkdir("//before")
        config.write_text("readonly\nlog-level debug\n")
        reload(socket_path)
        with fails(errno.EROFS):
            client.mkdir("//after")
        config.write_text("no-setid\n")
        reload(socket_path)
        client.mkdir("//after")
        with fails(errno.EPERM):
            client.create("//program", mode=0o4755)
    assert sorted(os.listdir(export)) == ["after", "before"]


def test_there_may_be_more_clients_or_fewer(helper, config, socket_path):
    def limit(count):
        config.write_text(f"max-clients {count}\n")
        reload(socket_path)

    limit(1)
    with helper.connect() as first:
        first.lstat("/")
        with helper.connect() as second, pytest.raises((ConnectionResetError, BrokenPipeError)):
            second.lstat("/")
        limit(300)
        clients = []
        for _ in range(290):
            clients.append(helper.connect())
            clients[-1].lstat("/")
        limit(2)
        for client in clients:
            with client:
                client.lstat("/")
        first.lstat("/")


def test_another_export_is_another_root_for_those_who_are_there(helper, config, socket_path, export, tmp_path):
    (export / "old").write_text("")
    (tmp_path / "other").mkdir()
    with Helper(export, args=("--control", tmp_path / "c")) as moved, moved.connect() as client:
        shutil.move(export, tmp_path / "away")
        shutil.move(tmp_path / "other", export)
        client.lstat("//old")
        reload(tmp_path / "c")
        with fails(errno.ENOENT):
            client.lstat("//old")


# What does not start


BROKEN = {
    "option": ("nonsense\n", "nonsense"),
    "export": ("path /nowhere/at/all\n", "/nowhere/at/all"),
    "limit": ("rlimit-nofile 20\n", "too low"),
    "socket": ("socket /run/another\n", "restart"),
    "control": ("control /run/another\n", "restart"),
    "pid file": ("pid-file /run/another\n", "restart"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_configuration_that_does_not_start_changes_nothing(export, config, run_directory, what):
    """The file alone has the path and the names, so that it can change them."""
    text, complaint = BROKEN[what]
    good = f"path {export}\nsocket {run_directory}/s\ncontrol {run_directory}/control\npid-file {run_directory}/pid\n"
    config.write_text(good)
    with Daemon("--config", config) as daemon:
        worker = daemon.worker()
        with Client.connect(run_directory / "s") as client:
            client.lstat("/")
            config.write_text(good + text)
            said = refused(run_directory / "control")
            assert "nothing has changed" in said and complaint in said, said
            client.mkdir(f"//{what}")
            assert daemon.worker() == worker
            config.write_text(good + "readonly\n")
            reload(run_directory / "control")
            with fails(errno.EROFS):
                client.mkdir("//more")
        assert daemon.stop() == 0


@pytest.fixture
def installed(tmp_path):
    """A copy of the helper, to be replaced."""
    path = tmp_path / "bin/virtfs-proxy-helper"
    path.parent.mkdir()
    shutil.copy(OURS, path)
    return path


def replace(path, content):
    """As a package manager does it: the name goes over to another file."""
    new = path.with_name("new")
    new.write_bytes(content)
    new.chmod(0o755)
    new.rename(path)


NO_PROGRAMS = {
    "text": b"no program\n",
    "ends with 0": b"#!/bin/sh\nexit 0\n",
    "ends with 1": b"#!/bin/sh\necho broken >&2\nexit 1\n",
    "killed": b"#!/bin/sh\nkill -9 $$\n",
}


@pytest.mark.parametrize("kind", NO_PROGRAMS)
def test_a_program_that_does_not_start_changes_nothing(export, socket_path, installed, kind):
    with Helper(export, args=("--control", socket_path), binary=str(installed)) as helper, helper.connect() as client:
        client.lstat("/")
        replace(installed, NO_PROGRAMS[kind])
        said = refused(socket_path)
        assert "nothing has changed" in said
        assert ("broken" in said) == (kind == "ends with 1")
        assert client.lstat("/").nlink >= 2
        replace(installed, pathlib.Path(OURS).read_bytes())
        reload(socket_path)
        assert client.lstat("/").nlink >= 2


def test_an_installed_program_is_the_one_that_serves(export, socket_path, installed):
    with Helper(export, args=("--control", socket_path), binary=str(installed)) as helper, helper.connect() as client:
        client.lstat("/")
        replace(installed, pathlib.Path(OURS).read_bytes())
        assert os.readlink(f"/proc/{helper.pid}/exe").endswith("(deleted)")
        reload(socket_path)
        assert os.readlink(f"/proc/{helper.pid}/exe") == str(installed)
        assert client.lstat("/").nlink >= 2


# Stands before the helper, and changes what is handed over: its version lies behind a word of 12 bytes.
OTHER_VERSION = """#!/usr/bin/python3
import os, sys
parcel, config, report = map(int, os.environ["VIRTFS_PROXY_HANDOVER"].split(","))
assert os.pread(parcel, 16, 0) == b"vph-parcel\\0\\0\\1\\0\\0\\0"
os.pwrite(parcel, b"\\2", 12)
for fd in (parcel, report):
    os.set_inheritable(fd, True)
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


def test_another_version_of_what_is_handed_over_is_refused(export, socket_path, installed):
    with Helper(export, args=("--control", socket_path), binary=str(installed)) as helper, helper.connect() as client:
        client.lstat("/")
        replace(installed, OTHER_VERSION.format(program=OURS).encode())
        said = refused(socket_path)
        assert "version 1" in said and "version 2" in said
        assert client.lstat("/").nlink >= 2


# What is in hand


@pytest.fixture(params=["below", "the export"])
def hung(export, request):
    """Where a file system that hangs is to be, and what its file is to a client."""
    if request.param == "the export":
        return export, "//file"
    (export / "hung").mkdir()
    return export / "hung", "//hung/file"


def test_a_request_that_does_not_return_stays_with_the_old_worker(export, hung, socket_path):
    place, file = hung
    with HangingFileSystem(place) as file_system, Helper(export, args=("--control", socket_path)) as helper:
        with helper.connect() as stuck, helper.connect() as other:
            stuck.send(Op.LSTAT, path=file)
            old = worker_of(helper)
            proc.wait_for_hanging(old)
            assert "1 are in the middle" in reload(socket_path)
            assert set(helper.children()) > {old}
            file_system.release()
            with fails(errno.ENOENT):
                stuck.recv(Op.LSTAT)
            the_only_worker(helper, but=old)
            with fails(errno.ENOENT):
                stuck.lstat(file)
            assert other.lstat("/").nlink >= 2


def test_the_new_worker_has_a_thread_for_each_client_before_they_come(helper, socket_path):
    """All come at once then, and would wait while they are made."""
    old = worker_of(helper)
    clients = [helper.connect() for _ in range(8)]
    for client in clients:
        client.lstat("/")
    os.kill(old, signal.SIGSTOP)
    try:
        assert "8 are in the middle" in reload(socket_path)
        (new,) = set(helper.children()) - {old}
        assert len(proc.reactors(new)) == 8
    finally:
        os.kill(old, signal.SIGCONT)
    for client in clients:
        with client:
            client.lstat("/")
    assert the_only_worker(helper, but=old) == new


@pytest.mark.parametrize("size", [1, 7, 8, 12])
def test_half_a_message_stays_with_the_old_worker_until_it_is_whole(helper, socket_path, size):
    message = request(Op.OPEN, path="/", flags=os.O_DIRECTORY)
    old = worker_of(helper)
    with helper.connect() as client:
        client.lstat("/")
        client.send_raw(message[:size])
        time.sleep(0.05)
        assert "1 are in the middle" in reload(socket_path)
        client.send_raw(message[size:])
        os.close(client.recv_fd())
        the_only_worker(helper, but=old)
        assert client.lstat("/").nlink >= 2


def test_requests_that_are_sent_at_once_are_all_answered_in_their_order(helper, socket_path):
    with helper.connect() as client:
        for _ in range(20):
            for number in range(40):
                client.send_raw(request(Op.MKDIR, path=f"//{number}", mode=0o700, uid=0, gid=0))
            os.kill(helper.pid, signal.SIGHUP)
            assert [client.recv_status() for _ in range(40)] == 40 * [None]
            for number in range(40):
                client.remove(f"//{number}")
            wait_for(lambda: "reload: done" in helper.log())


def test_too_many_old_workers_are_told_of(export, hung, socket_path):
    place, file = hung
    with HangingFileSystem(place) as file_system, Helper(export, args=("--control", socket_path)) as helper:
        clients = []
        for _ in range(4):
            clients.append(helper.connect())
            clients[-1].send(Op.LSTAT, path=file)
            wait_for(lambda: len(control.status(socket_path)["clients"]) == len(clients))
            wait_for(lambda: all(one["in_flight"] for one in control.status(socket_path)["clients"]))
            reload(socket_path)
        clients.append(helper.connect())
        clients[-1].send(Op.LSTAT, path=file)
        wait_for(lambda: [one["in_flight"] for one in control.status(socket_path)["clients"]].count(None) == 0)
        reload(socket_path)
        assert "5 old workers" in refused(socket_path)
        file_system.release()
        for client in clients:
            with client, fails(errno.ENOENT):
                client.recv(Op.LSTAT)


def test_a_second_reload_at_the_same_time_is_refused(helper, socket_path):
    os.kill(helper.pid, signal.SIGSTOP)
    with control.connect(socket_path) as first, control.connect(socket_path) as second:
        for one in (first, second):
            one.sendall(b"reload\n")
        os.kill(helper.pid, signal.SIGCONT)
        answers = sorted(control.read_all(one) for one in (first, second))
    assert answers[0].startswith("done") and answers[1].startswith("error: there is a reload")


def test_a_stop_during_a_reload_is_a_stop(export, socket_path):
    for delay in (0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05):
        with Helper(export, args=("--control", socket_path)) as helper, helper.connect() as client:
            client.lstat("/")
            os.kill(helper.pid, signal.SIGHUP)
            time.sleep(delay)
            assert helper.stop() == 0, helper.log()
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                client.lstat("/")


def test_an_old_worker_that_dies_answers_with_an_error_through_the_new_one(export, hung, socket_path):
    place, file = hung
    with HangingFileSystem(place), Helper(export, args=("--control", socket_path)) as helper:
        with helper.connect() as stuck:
            stuck.send(Op.LSTAT, path=file)
            old = worker_of(helper)
            proc.wait_for_hanging(old)
            reload(socket_path)
            os.kill(old, signal.SIGKILL)
            with fails(errno.EIO):
                stuck.recv(Op.LSTAT)
            assert stuck.lstat("/").nlink >= 2
            the_only_worker(helper, but=old)


# What survives execve(2)


def test_nothing_is_left_open_and_nothing_is_inherited(helper, socket_path):
    with helper.connect() as client:
        client.lstat("/")
        reload(socket_path)

        def look():
            worker = worker_of(helper)
            return [sorted(kinds(pid)) for pid in (helper.pid, worker)], [confinement(pid) for pid in (helper.pid, worker)]

        the_only_worker(helper, but=0)
        first = look()
        for _ in range(5):
            old = worker_of(helper)
            reload(socket_path)
            the_only_worker(helper, but=old)
        assert look() == first


@pytest.mark.parametrize("what", [(), ("--control",), ("--pid-file",), ("--control", "--pid-file")], ids=lambda what: " ".join(what) or "neither")
def test_standard_descriptors_stay(export, run_directory, what):
    """Whatever there is to hand over, and what there is not."""
    arguments = [word for option in what for word in (option, run_directory / option.strip("-"))]
    with Helper(export, args=arguments) as helper:
        before = {fd: proc.descriptors(helper.pid)[fd] for fd in range(3)}
        for count in range(1, 4):
            os.kill(helper.pid, signal.SIGHUP)
            wait_for(lambda: helper.log().count("reload: done") == count, what="the reload")  # noqa: B023
        assert {fd: proc.descriptors(helper.pid).get(fd) for fd in range(3)} == before


def kinds(pid):
    return [target.split(":")[0].rstrip("0123456789") for target in proc.descriptors(pid).values()]


def confinement(pid):
    fields = ["Uid", "Gid", "Groups", "Umask", "NoNewPrivs", "Seccomp", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn"]
    return {field: proc.status(pid)[field] for field in fields}


def test_the_name_is_kept_after_a_reload(helper, socket_path):
    reload(socket_path)
    os.unlink(helper.socket)
    wait_for(lambda: os.path.exists(helper.socket), what="the name")
    with helper.connect() as client:
        assert client.lstat("/").nlink >= 2


def test_names_are_removed_at_the_end(export, run_directory):
    arguments = ("--control", run_directory / "c", "--pid-file", run_directory / "pid")
    with Helper(export, socket=run_directory / "s", args=arguments) as helper:
        reload(run_directory / "c")
        assert (run_directory / "pid").read_text() == f"{helper.pid}\n"
        assert stat.S_IMODE(os.stat(run_directory / "c").st_mode) == 0o600
        assert helper.stop() == 0
    assert os.listdir(run_directory) == []


def test_relative_names_mean_what_they_meant(export, run_directory, monkeypatch):
    (export / "here").write_text("")
    monkeypatch.chdir(export.parent)
    (export.parent / "r.conf").write_text(f"path {export.name}\n")
    with Daemon("--config", "r.conf", "--socket", "s", "--control", "c", "--pid-file", "p") as daemon:
        reload("c")
        with Client.connect("s") as client:
            client.lstat("//here")
        assert daemon.stop() == 0


def test_a_hangup_that_nohup_ignores_is_ignored_after_a_reload_too(export, socket_path, tmp_path):
    binary = launcher(tmp_path, prefix="env --ignore-signal=HUP")
    with Helper(export, binary=binary, args=("--control", socket_path)) as helper:
        reload(socket_path)
        os.kill(helper.pid, signal.SIGHUP)
        time.sleep(0.1)
        assert helper.log().count("reload: done") == 1


def test_a_connected_socket_of_the_launcher_survives(export, socket_path):
    ours, theirs = socket.socketpair()
    with Helper(export, fd=theirs.fileno(), args=("--control", socket_path)) as helper:
        theirs.close()
        client = Client(ours)
        client.lstat("/")
        reload(socket_path)
        client.lstat("/")
        client.close()
        assert helper.wait() == 0


def test_the_variable_between_two_monitors_is_nobodys_else(export):
    done = run("--nodaemon", "--path", export, "--socket", "s", env={**os.environ, "VIRTFS_PROXY_HANDOVER": "yes"})
    assert done.returncode == 1 and "VIRTFS_PROXY_HANDOVER" in done.stderr


# Under load


def test_no_request_fails_and_none_waits_long(export, socket_path):
    failures, longest, count = [], [0.0], [0]
    over = threading.Event()

    def work(client, number):
        try:
            while not over.is_set():
                began = time.monotonic()
                client.mkdir(f"//{number}")
                client.lstat(f"//{number}")
                os.close(client.open(f"//{number}", os.O_DIRECTORY))
                client.remove(f"//{number}")
                longest[0] = max(longest[0], time.monotonic() - began)
                count[0] += 4
        except (OSError, EndOfFile) as error:
            failures.append(error)

    with Helper(export, args=("--control", socket_path)) as helper:
        clients = [helper.connect() for _ in range(16)]
        threads = [threading.Thread(target=work, args=pair) for pair in zip(clients, range(16), strict=True)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            reload(socket_path)
        over.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()
    assert failures == [] and count[0] > 1000
    assert os.listdir(export) == []
    print(f"# {count[0]} requests, 10 reloads, no failure; the longest four took {longest[0] * 1000:.0f} ms")
