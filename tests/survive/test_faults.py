# SPDX-License-Identifier: MIT
"""The worker dies at each place on a request's way, and every client gets what it is owed: no less, no more.

A request that was not executed yet is executed by the next worker. One that was, and has no reply, gets EIO, and is not
executed again. One whose reply went has it. Only who was in the middle of sending a message is cut.
"""

import collections
import errno
import os
import time

import pytest
from support import faultpoints, proc
from support.helper import wait_for
from support.mounts import tmpfs
from support.wire import Op, RemoteError, decode_string, request

FULL = os.environ.get("VPH_LONG") == "full"
POINTS = faultpoints.points()
DEATHS_MOST = 4  # of a helper, before the pauses between workers become long

# From here on a request is being executed, is effective, is answered.
EXECUTING, EFFECTIVE, ANSWERED = (POINTS.index(name) for name in ("executing", "after_call", "after_send"))
NOW_AND_THEN = POINTS[POINTS.index("before_offset") :]
LOOKS = ["before_look", "looked"]
OFFSETS = ["before_offset", "after_offset"]

OPERATIONS = {
    Op.LSTAT: {"path": "//file"},
    Op.OPEN: {"path": "//file", "flags": os.O_RDWR},
    Op.CREATE: {"path": "//{}", "flags": os.O_CREAT | os.O_EXCL | os.O_RDWR, "mode": 0o600, "uid": 1000, "gid": 1001},
    Op.MKDIR: {"path": "//{}", "mode": 0o755, "uid": 1000, "gid": 1001},
    Op.READLINK: {"path": "//link", "size": 4096},
    Op.LGETXATTR: {"path": "//file", "name": "user.name", "size": 100},
}
CHANGES = (Op.CREATE, Op.MKDIR)  # which are also those that run as the guest's user

Run = collections.namedtuple("Run", "op form point")

# How many requests are sent in one piece, and the passing at which the worker dies.
FORMS = {"alone": (1, 1), "first": (2, 1), "second": (2, 2), "burst": (20, 1), "pieces": (1, 1)}


def is_passed(run):
    """Whether the requests of a run come by its point: then it must be a death."""
    if run.point == "as_guest":
        return run.op in CHANGES and run.form != "second"  # behind it comes an LSTAT
    return run.form == "burst" if run.point in OFFSETS else True


def plan(op, form):
    """Bursts are for what a single request does not come by; how often the socket is looked into is not for a test."""
    points = OFFSETS + NOW_AND_THEN[-2:] if form == "burst" else POINTS
    runs = [Run(op, form, point) for point in points if form != "second" or point not in LOOKS + NOW_AND_THEN]
    return [run for run in runs if is_passed(run)]


def plans():
    forms = [form for form in FORMS if form != "alone"]
    several = OPERATIONS if FULL else (Op.OPEN, Op.MKDIR)
    return [(op, "alone") for op in OPERATIONS] + [(op, form) for op in several for form in forms]


def owed(run):
    """What becomes of the request that its worker died of: "served", "EIO" or "cut"."""
    at = POINTS.index(run.point)
    if run.point in NOW_AND_THEN or at >= ANSWERED:
        return "served"
    if at >= EXECUTING:
        return "EIO"
    return "cut" if run.form == "pieces" else "served"


class Stage:
    """A helper, the client that is concerned, and two others that are not."""

    def __init__(self, export, fault):
        self.export = export
        self.fault = fault
        self.helper = fault.helper(export)
        self.clients = [self.helper.connect() for _ in range(3)]
        for client in self.clients:
            client.lstat("/")
        self.descriptors = self.count_descriptors()
        self.cuts = 0  # that the log has told of

    def count_descriptors(self):
        """Of the monitor, the worker and ourselves."""
        (worker,) = wait_for(self.helper.children, what="a worker")
        try:
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (self.helper.pid, worker, "self")]
        except FileNotFoundError:
            return None

    def wait_for_sleep(self):
        """Who has its reply may be ahead of the thread that sent it, which is not to die of what is ordered next."""
        (worker,) = wait_for(self.helper.children, what="a worker")

        def sleeps():
            return {proc.state(f"{worker}/task/{task}") for task in os.listdir(f"/proc/{worker}/task")} == {"S"}

        wait_for(sleeps, what="a worker that sleeps")

    def close(self):
        """Nothing was lost on the way, and nothing kept."""
        for client in self.clients * 2:
            client.lstat("/")
        wait_for(lambda: self.count_descriptors() == self.descriptors, what=f"{self.descriptors} descriptors")
        for client in self.clients:
            client.close()
        assert self.helper.stop() == 0, self.helper.log()

    def wait_for_another_cut(self):
        """The log may be later than the reset. There is no other reason that it gives."""
        wait_for(lambda: self.helper.log().count("its connection is cut") > self.cuts, what="a cut in the log")
        self.cuts = self.helper.log().count("its connection is cut")
        reason = "the worker died in the middle of its message or reply; its connection is cut"
        assert self.helper.log().count(reason) == self.cuts

    def replace(self):
        self.clients[0].close()
        self.clients[0] = self.helper.connect()


def look_at(stage, op, name, answer):
    """That it is the answer to this request."""
    file = stage.export / "file"
    if op in (Op.OPEN, Op.CREATE):
        try:
            opened = os.fstat(answer)
        finally:
            os.close(answer)
        assert opened.st_ino == (file if op == Op.OPEN else stage.export / name).stat().st_ino
    elif op == Op.LSTAT:
        assert len(answer) == 116
    elif op == Op.MKDIR:
        assert answer is None
    else:
        assert decode_string(answer) == {Op.READLINK: b"target", Op.LGETXATTR: b"value"}[op]


def receive(stage, client, op, name):
    """What comes for a request, as owed() calls it."""
    try:
        answer = client.recv(op)
    except RemoteError as error:
        assert error.errno == errno.EIO, error
        return "EIO"
    except ConnectionResetError:
        return "cut"
    look_at(stage, op, name, answer)
    return "served"


def send_in_pieces(client, message, stage, point):
    """The worker has the first in its memory when the second comes."""
    half = len(message) // 2
    client.send_raw(message[:half])
    time.sleep(0.02)
    stage.wait_for_sleep()
    stage.fault.order(point)
    client.send_raw(message[half:])


def send(stage, run, ops, name):
    client = stage.clients[0]
    fields = {Op.LSTAT: {"path": "//file"}, run.op: OPERATIONS[run.op]}
    messages = [
        request(op, **{key: value.format(name) if key == "path" else value for key, value in fields[op].items()})
        for op in ops
    ]
    if run.form == "pieces":
        send_in_pieces(client, messages[0], stage, run.point)
        return
    stage.wait_for_sleep()
    stage.fault.order(run.point, FORMS[run.form][1])
    client.send_raw(b"".join(messages))


def look_at_tree(stage, run, name, outcome):
    """It took effect if it was executed, and only once: it is not made again when it was removed."""
    made = stage.export / name
    if run.op not in CHANGES:
        return
    effective = outcome == "served" or (outcome == "EIO" and POINTS.index(run.point) >= EFFECTIVE)
    assert made.exists() == effective, (run, outcome)
    if effective:
        stage.clients[1].remove(f"//{name}")
    for client in stage.clients:  # each on a thread of its own: what would come has come then
        client.lstat("/")
    assert not made.exists(), run


def perform(stage, run, name):
    count, passing = FORMS[run.form]
    ops = [run.op] + [Op.LSTAT] * (count - 1)
    deaths = stage.fault.deaths()
    send(stage, run, ops, name)
    outcomes = [receive(stage, stage.clients[0], op, name) for op in ops]
    wait_for(lambda: stage.fault.deaths() == deaths + 1, what=f"a death at {run}")

    expected = ["served"] * count
    expected[passing - 1] = owed(run)
    assert outcomes == expected, run
    if outcomes == ["cut"]:
        stage.replace()
        stage.wait_for_another_cut()
    for client in stage.clients:
        assert client.lstat("//file").size == 7
    look_at_tree(stage, run, name, outcomes[0])
    return outcomes


@pytest.fixture
def fault(tmp_path):
    return faultpoints.Fault(tmp_path / "order")


@pytest.fixture
def tree(export):
    with tmpfs(export):
        (export / "file").write_text("content")
        (export / "link").symlink_to("target")
        os.setxattr(export / "file", "user.name", b"value")
        yield export


def run_on_one_helper(tree, fault, runs, counts):
    stage = Stage(tree, fault)
    try:
        for number, run in enumerate(runs):
            counts.update(perform(stage, run, f"new{number}"))
        stage.close()
    finally:
        stage.helper.kill()


@pytest.mark.parametrize(("op", "form"), plans(), ids=lambda value: getattr(value, "name", value))
def test_each_place(tree, fault, capsys, op, form):
    counts = collections.Counter()
    runs = plan(op, form)
    for first in range(0, len(runs), DEATHS_MOST):
        run_on_one_helper(tree, fault, runs[first : first + DEATHS_MOST], counts)
    with capsys.disabled():
        print(f"\n{op.name} {form}: {len(runs)} deaths at as many places, requests: {dict(counts)}")


def test_every_place_is_one_of_those():
    assert {run.point for op, form in plans() for run in plan(op, form)} == set(POINTS)
