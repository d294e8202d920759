# SPDX-License-Identifier: MIT
"""Many clients: one too many is cut at once, running out of descriptors stops nobody else, and load is spread."""

import collections
import select
import socket
import time

import pytest
from support import proc
from support.hanging import HangingFileSystem
from support.helper import Helper, wait_for
from support.launch import launcher
from support.wire import Client, EndOfFile, Op, encode, message

CUT = (ConnectionResetError, BrokenPipeError)


def assert_serves(*clients):
    for client in clients:
        assert client.lstat("/").nlink >= 2


def connect(helper):
    """Waits for room in the helper's queue, which a client with a timeout does not: connect(2), EAGAIN."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(helper.socket)
    return Client(sock)


def is_served(helper):
    """A new client's view; the client, or None."""
    client = connect(helper)
    try:
        client.lstat("/")
    except (*CUT, EndOfFile):
        client.close()
        return None
    return client


def close_all(clients):
    for client in clients:
        client.close()


# --max-clients


@pytest.fixture
def full(export):
    """A helper that has as many clients as it may, which are in .clients."""
    with Helper(export, args=("--max-clients", "2")) as running:
        running.clients = [running.connect(), running.connect()]
        assert_serves(*running.clients)
        yield running
        close_all(running.clients)


def test_one_client_too_many_is_reset_when_it_speaks(full):
    for _ in range(5):
        with full.connect() as late:
            try:
                late.send(Op.LSTAT, path="/")
            except BrokenPipeError:
                continue
            late.expect_reset()
    assert_serves(*full.clients)
    assert "--max-clients" in full.log()


def test_one_client_too_many_is_cut_when_it_is_silent(full):
    with full.connect() as late:
        with pytest.raises((EndOfFile, ConnectionResetError)):
            late.recv_exact(1)
    assert_serves(*full.clients)


def test_very_many_too_many(full):
    """More than are waited for until they speak. None hangs, none is served, and the log is not filled."""
    crowd = [connect(full) for _ in range(100)]
    for late in crowd:
        with late, pytest.raises((EndOfFile, *CUT)):
            late.lstat("/")
    assert_serves(*full.clients)
    assert full.log().count("--max-clients") < 10
    descriptors = len(proc.descriptors(full.pid))
    assert descriptors < 50, f"{descriptors} descriptors are left open"


def test_room_is_made_by_one_who_leaves(full):
    for _ in range(5):
        full.clients.pop().close()
        full.clients.append(wait_for(lambda: is_served(full), what="a place"))
    assert_serves(*full.clients)
    assert is_served(full) is None


def test_room_is_made_by_one_who_is_cut(full):
    full.clients[0].send_raw(message(99, b""))
    full.clients[0].expect_reset()
    full.clients[0].close()
    full.clients[0] = wait_for(lambda: is_served(full), what="a place")
    assert_serves(*full.clients)


def test_256_clients_by_default(export):
    with Helper(export) as helper:
        clients = [connect(helper) for _ in range(256)]
        assert_serves(*clients)
        assert is_served(helper) is None
        assert_serves(*clients)
        close_all(clients)


def test_burst_of_more_clients_than_the_helper_can_pass_on_at_once(export):
    with Helper(export, args=("--max-clients", "400")) as helper:
        clients = [connect(helper) for _ in range(400)]
        assert_serves(*clients)
        close_all(clients)


# Descriptors


def test_running_out_of_descriptors_in_the_monitor(export):
    """Who cannot be accepted waits; the monitor does not spin, the others go on, and there is room again afterwards."""
    with Helper(export) as helper:
        clients = [helper.connect() for _ in range(3)]
        assert_serves(*clients)
        open_ones = proc.descriptors(helper.pid)
        proc.limit_descriptors(helper.pid, max(open_ones) + 1)
        fitting = max(open_ones) + 1 - len(open_ones)
        clients += [helper.connect() for _ in range(fitting)]
        assert_serves(*clients)

        late = helper.connect()
        late.send(Op.LSTAT, path="/")
        wait_for(lambda: "Too many open files" in helper.log(), what="the reason in the log")
        before, start = proc.cpu_seconds(helper.pid), time.monotonic()
        while time.monotonic() < start + 2:
            assert_serves(*clients)
        assert proc.cpu_seconds(helper.pid) - before < 0.2
        assert not select.select([late.sock], [], [], 0)[0], "it was accepted after all"

        clients.pop().close()
        assert len(late.recv_data()) == 116
        assert_serves(late, *clients)
        close_all([late, *clients])


def test_running_out_of_descriptors_in_both_processes(export, tmp_path):
    """The limit of a whole service. Clients are served or cut; whoever is served stays so."""
    with Helper(export, binary=launcher(tmp_path, "ulimit -n 64")) as helper:
        worker = helper.children()
        clients = []
        for _ in range(80):
            try:
                client = Client.connect(helper.socket, timeout=1)
            except BlockingIOError:
                break  # the queue is full of those that wait to be accepted
            try:
                client.lstat("/")
            except (EndOfFile, *CUT, TimeoutError):
                client.close()
                break
            clients.append(client)
        assert len(clients) >= 10
        assert_serves(*clients)
        close_all(clients[:5])
        assert_serves(*clients[5:])
        clients += [wait_for(lambda: is_served(helper), what="a place")]
        assert_serves(*clients[5:])
        assert helper.children() == worker, "the worker did not live through it"
        close_all(clients)


def test_request_that_finds_no_descriptor_fails_alone(client, helper, export):
    (export / "file").write_text("content")
    (worker,) = helper.children()
    client.lstat("/")
    proc.limit_descriptors(worker, 0)
    with pytest.raises(OSError, match="Too many open files"):
        client.open("//file")
    assert_serves(client)
    proc.limit_descriptors(worker, 1024)
    with open(client.open("//file"), encoding="utf-8") as file:
        assert file.read() == "content"


# Reactors


def reactor_of(worker, client):
    """The name of the thread that works when the client does."""
    before = {title: proc.run_time(worker, task) for title, task in proc.reactors(worker).items()}
    for _ in range(50):
        client.lstat("/")
    after = {title: proc.run_time(worker, task) for title, task in proc.reactors(worker).items()}
    return max(after, key=lambda title: after[title] - before[title])


def test_each_client_has_a_reactor_of_its_own(helper):
    (worker,) = helper.children()
    clients = [helper.connect() for _ in range(4)]
    assert_serves(*clients)
    assert proc.threads(worker).keys() == {
        "vph-worker", "vph-canary", *(f"vph-reactor-{number}" for number in (1, 2, 3, 4))
    }  # fmt: skip
    close_all(clients)


def test_reactors_are_used_again(helper):
    (worker,) = helper.children()
    for _ in range(50):
        with helper.connect() as first, helper.connect() as second:
            assert_serves(first, second)
    assert len(proc.reactors(worker)) <= 8, "closing is noticed later than connecting, but not that late"


def test_request_that_hangs_stops_nobody_else(export):
    with HangingFileSystem(export) as file_system, Helper(export) as helper:
        clients = [helper.connect() for _ in range(4)]
        for client in clients[:3]:
            client.send(Op.OPEN, path="//anything", flags=0)
        proc.wait_for_hanging(*helper.children(), 3)
        assert_serves(clients[3])
        with helper.connect() as late:
            assert_serves(late)
        file_system.release()
        close_all(clients)


def test_clients_are_spread_evenly_over_a_limited_number_of_reactors(export):
    with Helper(export, args=("--threads", "2")) as helper:
        (worker,) = helper.children()
        clients = [helper.connect() for _ in range(4)]
        assert_serves(*clients)
        serving = collections.Counter(reactor_of(worker, client) for client in clients)
        assert serving == {"vph-reactor-1": 2, "vph-reactor-2": 2}
        close_all(clients)


def test_new_client_goes_where_fewest_are(export):
    with Helper(export, args=("--threads", "2")) as helper:
        (worker,) = helper.children()
        clients = [helper.connect() for _ in range(4)]
        assert_serves(*clients)
        deserted = reactor_of(worker, clients[0])
        staying = [client for client in clients if reactor_of(worker, client) != deserted]
        close_all(set(clients) - set(staying))
        wait_for(lambda: helper.log().count("gone after") == 2, what="the end of two clients")
        late = [helper.connect() for _ in range(2)]
        assert [reactor_of(worker, client) for client in late] == [deserted] * 2
        close_all([*staying, *late])


def test_processes_and_threads_have_names(helper, client):
    client.lstat("/")
    (worker,) = helper.children()
    assert (proc.name(helper.pid), proc.name(worker)) == ("vph-monitor", "vph-worker")
    assert proc.threads(helper.pid).keys() == {"vph-monitor"}
    assert proc.threads(worker).keys() == {"vph-worker", "vph-canary", "vph-reactor-1"}


def test_waiting_costs_nothing(helper, client):
    """Neither an idle client, nor half a message, nor one that does not read its replies keeps a core busy."""
    half = helper.connect()
    half.send_raw(message(Op.LSTAT, encode(Op.LSTAT, path="//name"))[:9])
    deaf = helper.connect()
    deaf.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            deaf.send_raw(message(Op.LSTAT, encode(Op.LSTAT, path="/")) * 100)
    client.lstat("/")
    (worker,) = helper.children()
    time.sleep(0.2)  # until what can be answered has been
    before = proc.cpu_seconds(helper.pid) + proc.cpu_seconds(worker)
    time.sleep(1)
    assert proc.cpu_seconds(helper.pid) + proc.cpu_seconds(worker) - before < 0.1
    close_all([half, deaf])
