# SPDX-License-Identifier: MIT
"""More clients than reactors: those that share one with a client whose request hangs are moved to another."""

import contextlib
import errno
import os
import time

import pytest
from support import proc
from support.expect import fails
from support.helper import wait_for
from support.mounts import frozen
from support.wire import Op


@pytest.fixture
def clients(helper):
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(helper.connect()) for _ in range(8)]
        for client in made:
            client.lstat("/")
        yield made


def reactors(worker):
    names = (proc_comm(worker, task) for task in os.listdir(f"/proc/{worker}/task"))
    return [name for name in names if name.startswith("vph-reactor-")]


def proc_comm(pid, task):
    with open(f"/proc/{pid}/task/{task}/comm") as file:
        return file.read().strip()


@pytest.mark.parametrize("helper_arguments", [("--threads", "2")])
def test_only_the_client_that_hangs_waits(disk, helper, clients):
    (worker,) = helper.children()
    assert len(reactors(worker)) == 2
    stuck, *others = clients
    with frozen(disk):
        stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
        proc.wait_for_hanging(worker)
        for client in others * 20:
            assert client.lstat("//disk").nlink == 3
        with helper.connect() as late:
            assert late.lstat("//disk").nlink == 3
    stuck.recv_status()
    for client in clients * 20:
        assert client.lstat("//disk/new").nlink == 2


@pytest.mark.parametrize("helper_arguments", [("--threads", "3")])
def test_requests_that_were_on_their_way_are_answered_once(disk, helper, clients):
    """Sent after the one that hangs, before anybody is moved: to each its own answers, in order."""
    (worker,) = helper.children()
    stuck, *others = clients
    with frozen(disk):
        stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
        for number, client in enumerate(others):
            for _ in range(20):
                client.send(Op.MKDIR, uid=0, gid=0, path=f"//{number}", mode=0o755)
        for number, client in enumerate(others):
            client.recv_status()
            for _ in range(19):
                with fails(errno.EEXIST):
                    client.recv_status()
            assert (helper.export / str(number)).is_dir()
        proc.wait_for_hanging(worker)
    stuck.recv_status()


@pytest.mark.parametrize("helper_arguments", [("--threads", "2")])
def test_who_comes_to_a_reactor_that_hangs_is_moved(disk, helper):
    """The reactor hung before it was shared: nobody asked for a look at it then."""
    (worker,) = helper.children()
    with helper.connect() as stuck, helper.connect() as other:
        stuck.lstat("/")
        other.lstat("/")
        time.sleep(0.5)  # for ticks to end
        with frozen(disk):
            stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
            proc.wait_for_hanging(worker)
            with helper.connect() as third, helper.connect() as fourth:
                for client in (third, fourth, other) * 20:
                    assert client.lstat("//disk").nlink == 3
        stuck.recv_status()


@pytest.mark.parametrize("helper_arguments", [("--threads", "2")])
def test_two_that_hang_leave_the_others_waiting_until_one_goes_on(disk, helper, clients):
    """With every reactor stuck there is nowhere to go; nothing is lost all the same."""
    first, second, *others = clients
    with frozen(disk):
        first.send(Op.MKDIR, uid=0, gid=0, path="//disk/first", mode=0o755)
        second.send(Op.MKDIR, uid=0, gid=0, path="//disk/second", mode=0o755)
        time.sleep(0.3)  # for ticks to find what they may
        for client in others:
            client.send(Op.LSTAT, path="//disk")
    first.recv_status()
    second.recv_status()
    for client in others:
        client.recv_data()


def test_silent_clients_cost_no_time(helper, clients):
    """After their last request, ticks end: neither process runs again."""
    pids = [helper.pid, *helper.children()]

    def time_spent():
        spent = 0
        for pid in pids:
            for task in proc.threads(pid).values():
                with open(f"/proc/{pid}/task/{task}/status") as status:
                    spent += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
        return spent

    def is_quiet():
        before = time_spent()
        time.sleep(1.0)
        return time_spent() == before

    wait_for(is_quiet, timeout=15, what="a second without a wake-up")
