# SPDX-License-Identifier: MIT
"""Objects of all kinds take one name in turn while clients open, create, change and cut what has it.

Nothing outside the export, and nothing that a link names inside, is touched; no FIFO's peer is woken and no device
opened; nothing blocks; and what comes back is a regular file or a directory of the export. Each of that is seen to
fail with the old helper. VPH_STRESS=full makes it 30 seconds instead of 5.
"""

import contextlib
import errno
import os
import stat
import subprocess
import threading
import time

import pytest
from compat.defects import defect, judge, parametrize
from compat.implementations import OUR_HELPER
from support import proc
from support.expect import not_opened
from support.helper import Helper, wait_for
from support.wire import FD_REPLIES, STAT, Op, RemoteError, Stat, decode, request

from .swapper import moving_out, swapping

SECONDS = 30 if os.environ.get("VPH_STRESS") == "full" else 5
NAME = "//name"
BATCH = 8  # requests at once: the helper then runs them without pause
CREATOR = 1234
CHECKS = []

# What an answer may be: what one of the objects deserves, or a name that has been another for a moment.
PLAUSIBLE = {0, *(getattr(errno, name) for name in "ENOENT ELOOP ENXIO EISDIR ENOTDIR EINVAL EPERM EOPNOTSUPP".split())}


def opening(flags):
    return Op.OPEN, {"path": NAME, "flags": flags}


def creating(flags, uid):
    return Op.CREATE, {"path": NAME, "flags": os.O_CREAT | flags, "mode": 0o600, "uid": uid, "gid": uid}


REQUESTS = [
    (Op.CHMOD, {"path": NAME, "mode": 0o646}),
    (Op.TRUNCATE, {"path": NAME, "length": 3}),
    (Op.LSETXATTR, {"path": NAME, "name": "user.name", "value": b"value", "size": 5, "flags": 0}),
    (Op.GETVERSION, {"path": NAME}),
    *(opening(access | extra) for access in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR) for extra in (0, os.O_NONBLOCK)),
    opening(os.O_RDONLY | os.O_DIRECTORY),
    opening(os.O_RDWR | os.O_TRUNC),
    *(creating(access, CREATOR) for access in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)),
    creating(os.O_RDWR | os.O_TRUNC, CREATOR),
]


# What has the name


def make_link(target):
    return lambda path: path.symlink_to(target)


def make_device(path):
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


LINKS = {
    "absolute": make_link("/../outside/canary"),
    "relative": make_link("../outside/canary"),
    "inside": make_link("canary"),
    "dangling": make_link("made-through-a-link"),
}
FIFO_PEERS = {"fifo-writer": ">", "fifo-reader": "<"}
FIFOS = {name: os.mkfifo for name in FIFO_PEERS}
DEVICE = {"device": make_device}
FILES = {"directory": os.mkdir, "second": lambda path: path.write_text("content")}
EVERYTHING = {**LINKS, **FIFOS, **DEVICE, **FILES}


class Scene:
    """An export with `objects` that share a name with a regular file, and two canaries: outside, and inside."""

    def __init__(self, directory, objects):
        self.export = directory / "export"
        self.outside = directory / "outside"
        self.canaries = [self.outside / "canary", self.export / "canary"]
        self.export.mkdir(mode=0o755)
        self.outside.mkdir()
        for canary in self.canaries:
            canary.write_text("precious")
        self.others = list(objects)
        for name, make in objects.items():
            make(self.export / name)
        (self.export / "name").write_text("content")
        self.known = {os.lstat(self.export / name).st_ino for name in (*self.others, "name")}
        self._before = self._canary_states()

    def _canary_states(self):
        states = [os.lstat(canary) for canary in self.canaries]
        return [
            (canary.read_text(), oct(state.st_mode), state.st_mtime_ns, os.listxattr(canary))
            for canary, state in zip(self.canaries, states)
        ]

    def assert_canaries_unharmed(self):
        assert self._canary_states() == self._before, "a canary was harmed"
        assert os.listdir(self.outside) == ["canary"]
        assert not (self.export / "made-through-a-link").exists(), "a canary was harmed: something was made beside it"

    def guards(self, stack):
        """FIFOs and devices are watched for being opened, and each FIFO has a process that waits for that."""
        for name in {*FIFO_PEERS, "device"} & set(self.others):
            stack.enter_context(unopened(self.export / name))
        for name, redirection in FIFO_PEERS.items():
            if name in self.others:
                stack.enter_context(waiting_peer(self.export / name, redirection))


@contextlib.contextmanager
def unopened(path):
    try:
        with not_opened(path):
            yield
    except pytest.fail.Exception:
        raise AssertionError(f"{path.name} was opened") from None


@contextlib.contextmanager
def waiting_peer(fifo, redirection):
    """A process in open(2) of the FIFO must still be there at the end."""
    with subprocess.Popen(["sh", "-c", f'exec 3{redirection}"$0"', fifo]) as peer:
        try:
            wait_for(lambda: proc.waits_in(peer.pid, "wait_for_partner", "fifo_open"), what="a waiting peer")
            yield
            assert peer.poll() is None, "the FIFO's peer was woken"
        finally:
            peer.kill()


# Clients


class Racer(threading.Thread):
    """A client that sends requests until the time is over; .outcomes has a set of errnos for each request."""

    def __init__(self, scene, client, until, first):
        super().__init__(daemon=True)
        self.scene, self.client, self.until = scene, client, until
        self.requests = REQUESTS[first:] + REQUESTS[:first]
        self.outcomes = {op: set() for op, _ in REQUESTS}
        self.failure = None

    def run(self):
        try:
            while time.monotonic() < self.until:
                for op, fields in self.requests:
                    self.client.send_raw(request(op, **fields) * BATCH)
                    for _ in range(BATCH):
                        self.outcomes[op].add(self.outcome(op))
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def outcome(self, op):
        try:
            reply = self.client.recv(op)
        except RemoteError as error:
            return error.errno
        if op in FD_REPLIES:
            self.check(reply)
        return 0

    def check(self, fd):
        try:
            made = os.fstat(fd)
        finally:
            os.close(fd)
        assert stat.S_ISREG(made.st_mode) or stat.S_ISDIR(made.st_mode), f"a descriptor of {oct(made.st_mode)}"
        assert made.st_ino in self.scene.known or made.st_uid == CREATOR, "a descriptor of something else"


def race(implementation, scene, seconds):
    """Lets clients race; returns for each operation which errnos it was answered with."""
    with implementation.start(scene.export) as helper, contextlib.ExitStack() as stack:
        workers = helper.children()
        until = time.monotonic() + seconds
        racers = []
        for number in range(1 if implementation.is_upstream else 3):
            client = stack.enter_context(implementation.connect(helper))
            racers.append(Racer(scene, client, until, number * 5))
        scene.guards(stack)
        with swapping(scene.export, "name", scene.others):
            for racer in racers:
                racer.start()
            for racer in racers:
                racer.join(seconds + 2 * implementation.patience)
                assert not racer.is_alive(), "a client was not answered"
        scene.assert_canaries_unharmed()
        for racer in racers:
            if racer.failure:
                raise racer.failure
        assert helper.children() == workers, "the worker has died"
    return {op: set.union(*(racer.outcomes[op] for racer in racers)) for op, _ in REQUESTS}


def assert_plausible(outcomes):
    for op, codes in outcomes.items():
        names = {errno.errorcode.get(code, code) for code in codes - PLAUSIBLE}
        assert not names, f"{op.name} was answered with {names}"


# Each kind by itself, with both helpers


def check_kind(implementation, tmp_path, objects):
    assert_plausible(race(implementation, Scene(tmp_path, objects), SECONDS / 5))


@defect(CHECKS, "races-link", AssertionError, "a canary was harmed|a descriptor of something else")
def check_links(implementation, tmp_path):
    """A link that has the name is never followed."""
    check_kind(implementation, tmp_path, LINKS)


@defect(CHECKS, "races-fifo", (TimeoutError, AssertionError), "timed out|peer was woken")
def check_fifos(implementation, tmp_path):
    """A FIFO is never waited for, and its peer is not woken."""
    check_kind(implementation, tmp_path, FIFOS)


@defect(CHECKS, "races-device", AssertionError, "device was opened")
def check_device(implementation, tmp_path):
    """A device is never opened."""
    check_kind(implementation, tmp_path, DEVICE)


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)


# All at once


def test_objects_that_take_one_name_in_turn(tmp_path):
    outcomes = race(OUR_HELPER, Scene(tmp_path, EVERYTHING), SECONDS)
    assert_plausible(outcomes)
    # Each kind was met, so that there was a race.
    assert {0, errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR} <= outcomes[Op.OPEN]
    assert {0, errno.ELOOP, errno.ENXIO, errno.EISDIR} <= outcomes[Op.CREATE]
    assert {0, errno.ELOOP, errno.EINVAL, errno.EISDIR} <= outcomes[Op.TRUNCATE]
    assert 0 in outcomes[Op.CHMOD] and 0 in outcomes[Op.GETVERSION] and 0 in outcomes[Op.LSETXATTR]


# A way out by ".."


@pytest.fixture
def way_out(tmp_path):
    """An export with a directory, where that is moved to and fro, and something outside that nobody may see."""
    inside, outside = tmp_path / "export/a/deep", tmp_path / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "secret").write_text("")
    return tmp_path / "export", inside, outside / "deep", tmp_path / "secret"


def requests_that_see_the_secret(way_out, sandbox, enough, seconds):
    """How many do, of those that walk up from the directory; until there are enough, or the time is over."""
    export, inside, outside, secret = way_out
    path = f"//a/{inside.name}/" + "./" * 1500 + "../" * 20 + str(secret).lstrip("/")
    until = time.monotonic() + seconds
    seen = 0
    with Helper(export, args=(f"--sandbox={sandbox}",)) as helper, helper.connect() as client:
        with moving_out(inside, outside):
            while seen < enough and time.monotonic() < until:
                client.send_raw(request(Op.LSTAT, path=path) * BATCH)
                for _ in range(BATCH):
                    with contextlib.suppress(RemoteError):
                        seen += decode(Stat, STAT, client.recv_data()).ino == secret.stat().st_ino
    return seen


def test_directory_that_is_moved_out_of_the_export_leads_nobody_out(way_out):
    """The kernel lets nobody walk up out of a mount, wherever the directory is by then."""
    assert requests_that_see_the_secret(way_out, "namespace", 1, SECONDS / 2) == 0


def test_a_chroot_is_left_that_way(way_out):
    """It is the reason for the namespace, and shows that the test above can fail."""
    assert requests_that_see_the_secret(way_out, "chroot", 1, 60) > 0
