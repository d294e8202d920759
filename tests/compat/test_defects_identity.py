# SPDX-License-Identifier: MIT
"""Defects of upstream in whom it is while it works: capabilities, user and group ids, supplementary groups."""

import os
import signal
import stat
import subprocess

from support.helper import wait_for
from support.wire import EndOfFile

from .defects import defect, judge, parametrize
from .implementations import family, jailed, tasks, thread_status

CHECKS = []
SEVEN = sum(1 << bit for bit in (0, 1, 3, 4, 6, 7, 27))  # CHOWN DAC_OVERRIDE FOWNER FSETID SETGID SETUID MKNOD
NO_CAPABILITY = f"{0:016x}"
FOREIGN_GROUP = 54321


def make_export(tmp_path):
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    return export


@defect(CHECKS, "01-create-as-root-of-another-group", EndOfFile)
def check_killer(implementation, tmp_path):
    """Defect 1: a create as 0:1000 leaves DAC_OVERRIDE alone effective, and the next as another user aborts."""
    export = make_export(tmp_path)
    with implementation.serve(export) as (_, client):
        os.close(client.create("//a", uid=0, gid=1000))
        os.close(client.create("//b", uid=1000, gid=1000))
        client.chown("//a", 5, 6)
        client.mknod("//null", 0o20666 | stat.S_IFCHR, os.makedev(1, 3))
    owners = {name: (os.stat(export / name).st_uid, os.stat(export / name).st_gid) for name in ("a", "b")}
    assert owners == {"a": (5, 6), "b": (1000, 1000)}


@defect(CHECKS, "02-thread-with-all-capabilities", AssertionError, "CapEff is 000001f")
def check_capabilities(implementation, tmp_path):
    """Defect 2: another thread of the process in the jail keeps all of root's capabilities."""
    with implementation.serve(make_export(tmp_path)) as (helper, client):
        client.lstat("/")
        workers = jailed(helper)
        assert workers, "no process has the export as its root"
        threads = [thread_status(pid, task) for pid in workers for task in tasks(pid)]
        wrong = [line for status in threads for line in wrong_privileges(status)]
        assert not wrong, "\n".join(wrong)
        if not implementation.is_upstream:
            check_names(helper, workers)


def wrong_privileges(status):
    """What a thread in the jail has more, or less, than it should."""
    seven = f"{SEVEN:016x}"
    expected = {
        **{"CapEff": seven, "CapPrm": seven, "CapInh": NO_CAPABILITY, "CapBnd": NO_CAPABILITY, "CapAmb": NO_CAPABILITY},
        **{"NoNewPrivs": "1", "Groups": ""},
    }
    wrong = [key for key, value in expected.items() if status[key] != value]
    return [f"thread {status['Pid']} ({status['Name']}): {key} is {status[key]}, not {expected[key]}" for key in wrong]


def check_names(helper, workers):
    """The one outside the jail is the monitor; in the worker, the threads that serve are the reactors, beside a canary."""
    outside = [pid for pid in family(helper.pid) if pid not in workers]
    assert [thread_status(pid, pid)["Name"] for pid in outside] == ["vph-monitor"]
    assert [thread_status(pid, pid)["Name"] for pid in workers] == ["vph-worker"]
    names = {thread_status(workers[0], task)["Name"] for task in tasks(workers[0])} - {"vph-worker", "vph-canary"}
    assert names and all(name.startswith("vph-reactor-") for name in names)


@defect(CHECKS, "23-supplementary-groups-stay", AssertionError, "set-gid bit")
def check_groups(implementation, tmp_path):
    """Defect 23: a group of whoever started it lets a file keep a set-gid bit that its creator may not give."""
    export = make_export(tmp_path)
    directory = export / "shared"
    directory.mkdir()
    os.chown(directory, 0, FOREIGN_GROUP)
    directory.chmod(0o2777)
    with implementation.serve(export, groups=[FOREIGN_GROUP]) as (_, client):
        os.close(client.create("//shared/file", mode=0o2775, uid=1000, gid=1000))
    made = os.stat(directory / "file")
    assert made.st_gid == FOREIGN_GROUP
    assert not made.st_mode & stat.S_ISGID, "the file kept its set-gid bit"


@defect(CHECKS, "26-creates-synchronise-threads", AssertionError, "futex|tgkill")
def check_system_calls(implementation, tmp_path):
    """Defect 26: each create makes glibc synchronise all threads: some 16 futex calls and 4 signals."""
    log = tmp_path / "strace"
    with implementation.serve(make_export(tmp_path)) as (helper, client):
        client.lstat("/")
        with traced(helper, log):
            for number in range(10):
                os.close(client.create(f"//{number}", uid=1000, gid=1000))
    lines = log.read_text().splitlines()
    assert any("setresuid" in line for line in lines), "strace saw no create"
    calls = [line for line in lines if "futex(" in line or "kill(" in line]
    assert not calls, f"{len(calls)} calls for 10 creates, like {calls[0]}"


class traced:
    """While the context lasts, strace notes these calls of every thread of the helper."""

    CALLS = "trace=futex,tgkill,tkill,setresuid"

    def __init__(self, helper, log):
        self._threads = [(pid, task) for pid in family(helper.pid) for task in tasks(pid)]
        pids = [argument for pid in family(helper.pid) for argument in ("-p", str(pid))]
        command = ["strace", "-f", "-qq", "-e", self.CALLS, "-e", "signal=none", "-o", str(log), *pids]
        self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def __enter__(self):
        def attached():
            assert self._strace.poll() is None, "strace could not attach"
            return all(thread_status(*thread)["TracerPid"] != "0" for thread in self._threads)

        try:
            wait_for(attached, what="strace")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self._strace.send_signal(signal.SIGINT)  # it lets go of the threads and writes its notes
        self._strace.wait(10)


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
