# SPDX-License-Identifier: MIT
"""What the kernel runs out of fails the one request that needed it: its client and all others go on.

The kernel is not brought to it, strace says it in its place.
"""

import errno
import os
import stat

import pytest
from support.examples import EXAMPLES, prepare, snapshot
from support.expect import fails
from support.faults import injected
from support.helper import open_files, wait_for
from support.wire import FD_REPLIES, Op

# What opening a file, and sending its descriptor, may fail with although nothing is wrong with the request.
OPENING = ("ENFILE", "EMFILE", "ENOMEM")
SENDING = ("ETOOMANYREFS", "ENOMEM", "ENOBUFS", "EPERM")

# Those that open something to do their work.
OPENERS = (Op.OPEN, Op.CREATE, Op.STATFS, Op.GETVERSION)


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    prepare(path)
    return path


@pytest.fixture
def helper_arguments():
    """All clients on one thread: an error that reaches the wrong one shows, and "the first call" is one call.

    Without a filter: for a call that shall fail strace puts another in its place, which does not exist.
    """
    return ("--threads", "1", "--seccomp", "off")


@pytest.fixture
def worker(helper):
    """Its process id."""
    (pid,) = helper.children()
    return pid


@pytest.fixture
def other(helper, client):
    """A second client, beside `client`."""
    with helper.connect() as connected:
        for each in (client, connected):
            each.lstat("/")
        yield connected


@pytest.fixture
def unchanged_descriptors(helper, worker, other):
    """What both processes hold with two clients, they hold a moment after the last reply."""

    def held():
        return [sorted(open_files(pid)) for pid in (helper.pid, worker)]

    before = held()
    yield
    wait_for(lambda: held() == before, what="the same descriptors again")


def assert_goes_on(client):
    assert stat.S_ISREG(client.lstat("//file").mode)
    client.mkdir("//new", 0o755)
    client.remove("//new")


def assert_succeeds(client, op):
    result = client.call(op, **EXAMPLES[op])
    if op in FD_REPLIES:
        os.close(result)


@pytest.mark.parametrize("error", OPENING)
@pytest.mark.parametrize("op", OPENERS)
def test_file_that_cannot_be_opened(unchanged_descriptors, client, other, worker, export, op, error):
    before = snapshot(export)
    with injected(worker, f"openat:error={error}") as faults:
        for _ in range(3):
            with fails(getattr(errno, error)):
                client.call(op, **EXAMPLES[op])
            assert_goes_on(client)
            assert_goes_on(other)
        assert faults.count() == 3
    assert snapshot(export)[0].keys() == before[0].keys()
    assert_succeeds(client, op)
    assert_succeeds(other, op)


def test_created_file_exists_but_cannot_be_opened(unchanged_descriptors, client, other, worker, export):
    """The second look at a name that is there already."""
    request = {**EXAMPLES[Op.CREATE], "path": "//file"}
    with injected(worker, "openat:error=ENFILE:when=2"), fails(errno.ENFILE):
        client.call(Op.CREATE, **request)
    assert (export / "file").read_bytes() == b"content"
    assert_goes_on(client)
    os.close(other.call(Op.CREATE, **request))


@pytest.mark.parametrize("error", SENDING)
@pytest.mark.parametrize("op", sorted(FD_REPLIES))
def test_descriptor_that_cannot_be_sent(unchanged_descriptors, client, other, worker, op, error):
    with injected(worker, f"sendmmsg:error={error}:when=1") as faults:
        with fails(getattr(errno, error)):
            client.call(op, **EXAMPLES[op])
        assert_goes_on(client)
        assert_goes_on(other)
        assert_succeeds(other, op)
        assert_succeeds(client, op)
        assert faults.count() == 1


@pytest.mark.parametrize("error", ["ENOMEM", "ENOBUFS"])
@pytest.mark.parametrize("op", [Op.LSTAT, Op.CHMOD, Op.OPEN])
def test_reply_that_finds_no_memory_arrives_later(unchanged_descriptors, client, other, worker, op, error):
    """Three times in a row; for OPEN the first costs it its descriptor, and it is the failure that comes late."""
    with injected(worker, f"sendmmsg:error={error}:when=1..3") as faults:
        if op in FD_REPLIES:
            with fails(getattr(errno, error)):
                client.call(op, **EXAMPLES[op])
        else:
            client.call(op, **EXAMPLES[op])
        assert_goes_on(client)
        assert_goes_on(other)
        assert faults.count() == 3


def test_one_descriptor_in_three_cannot_be_sent(unchanged_descriptors, client, other, worker):
    """Requests wait in line, and each gets its own answer: the failed send is followed by one of its errno."""
    with injected(worker, "sendmmsg:error=ETOOMANYREFS:when=1+4"):
        for _ in range(30):
            client.send(Op.OPEN, **EXAMPLES[Op.OPEN])
        for _ in range(10):
            with fails(errno.ETOOMANYREFS):
                client.recv_fd()
            os.close(client.recv_fd())
            os.close(client.recv_fd())
    assert_goes_on(client)
    assert_goes_on(other)


@pytest.mark.parametrize("op", [op for op in Op if op != Op.CHMOD])
def test_out_of_memory_in_any_operation(unchanged_descriptors, client, other, worker, export, op):
    """All calls with a path fail. Not CHMOD's, whose call is younger than Debian 12's strace."""
    before = snapshot(export)
    with injected(worker, "%file:error=ENOMEM"):
        with fails(errno.ENOMEM):
            client.call(op, **EXAMPLES[op])
        with fails(errno.ENOMEM):
            other.lstat("//file")
    assert snapshot(export) == before
    assert_goes_on(other)
    assert_succeeds(client, op)
