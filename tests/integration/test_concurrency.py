# SPDX-License-Identifier: MIT
"""Several clients of one helper at once: their replies, descriptors and identities must not mix."""

import errno
import os
import stat
import threading

import pytest
from support.expect import descriptor, fails
from support.wire import STAT, Op, Stat, decode

ROUNDS = 100


def run_together(*tasks):
    """Runs each task in a thread of its own, all from the same moment; the first failure is raised."""
    barrier = threading.Barrier(len(tasks))
    failures = []

    def run(task):
        try:
            barrier.wait(10)
            task()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a client got no answer"
    if failures:
        raise failures[0]


@pytest.fixture
def clients(helper):
    """Three clients of one helper."""
    connected = [helper.connect() for _ in range(3)]
    yield connected
    for client in connected:
        client.close()


def test_each_client_sees_at_once_what_another_did(clients, export):
    first, second, third = clients
    first.mkdir("//shared", 0o777)
    with descriptor(second.create("//shared/file", uid=1000, gid=1000)) as written:
        os.write(written, b"from the second")
        with descriptor(third.open("//shared/file")) as read:
            assert os.read(read, 100) == b"from the second"
    third.rename("//shared/file", "//shared/renamed")
    with fails(errno.ENOENT):
        second.lstat("//shared/file")
    first.lsetxattr("//shared/renamed", "user.by", b"first")
    assert second.lgetxattr("//shared/renamed", "user.by") == b"first"
    second.remove("//shared/renamed")
    first.remove("//shared")
    assert list(export.iterdir()) == []


def test_requests_of_three_clients_interleaved(clients, export):
    """All requests are under way before the first reply is read, and replies are read in another order."""
    for round_ in range(ROUNDS):
        for number, client in enumerate(clients):
            client.send(Op.MKDIR, uid=number, gid=number, path=f"//d{number}-{round_}", mode=0o700 + number)
            client.send(Op.LSTAT, path=f"//d{number}-{round_}")
        for number, client in reversed(list(enumerate(clients))):
            client.recv_status()
            seen = decode(Stat, STAT, client.recv_data())
            assert (seen.mode, seen.uid) == (stat.S_IFDIR | 0o700 + number, number)
    assert len(os.listdir(export)) == 3 * ROUNDS


def work_in(client, directory):
    """Some of everything in a directory of one's own."""
    client.mkdir(directory, 0o755, 1000, 1000)
    for round_ in range(ROUNDS):
        name, moved = f"{directory}/f", f"{directory}/g"
        text = f"{directory} {round_}".encode()
        with descriptor(client.create(name, uid=1000, gid=1000)) as fd:
            os.write(fd, text)
        client.chmod(name, 0o640)
        client.rename(name, moved)
        client.symlink("g", f"{directory}/l", 1000, 1000)
        assert client.readlink(f"{directory}/l") == b"g"
        client.truncate(moved, len(text))
        assert client.lstat(moved).size == len(text)
        with descriptor(client.open(moved)) as fd:
            assert os.read(fd, 100) == text
        with fails(errno.ENOENT):
            client.lstat(name)
        client.remove(f"{directory}/l")
        client.remove(moved)


def test_clients_at_work_in_their_own_directories(clients, export):
    run_together(*(lambda c=client, n=number: work_in(c, f"//own{n}") for number, client in enumerate(clients)))
    assert [os.listdir(export / f"own{number}") for number in range(3)] == [[], [], []]


def test_descriptors_reach_the_client_that_asked(clients, export):
    for number in range(3):
        (export / f"f{number}").write_text(f"content {number}")

    def open_own(client, number):
        for _ in range(3 * ROUNDS):
            with descriptor(client.open(f"//f{number}")) as fd:
                assert os.read(fd, 100) == f"content {number}".encode()

    run_together(*(lambda c=client, n=number: open_own(c, n) for number, client in enumerate(clients)))


CREATORS = [
    lambda client, path, uid, gid: os.close(client.create(path, uid=uid, gid=gid)),
    lambda client, path, uid, gid: client.mkdir(path, 0o700, uid, gid),
    lambda client, path, uid, gid: client.symlink("target", path, uid, gid),
    lambda client, path, uid, gid: client.mknod(path, stat.S_IFIFO | 0o600, 0, uid, gid),
]


def test_identities_do_not_mix(helper, export):
    """Many identities at the same time, and operations of root between them that must not run as one of them."""
    identities = [(0, 0), (0, 1000), (1000, 0), (1000, 1000), (1001, 1002), (4294967294, 5)]
    clients = [helper.connect() for _ in identities]

    def create_as(client, number, uid, gid):
        for round_ in range(ROUNDS // 2):
            for kind, create in enumerate(CREATORS):
                path = f"//{number}-{round_}-{kind}"
                create(client, path, uid, gid)
                client.utime(path, 1, 2, 3, 4)
            client.chown(f"//{number}-{round_}-0", 7, 8)
            client.chown(f"//{number}-{round_}-0", uid, gid)

    run_together(
        *(
            lambda c=client, n=number, u=uid, g=gid: create_as(c, n, u, g)
            for number, (client, (uid, gid)) in enumerate(zip(clients, identities))
        )
    )
    for client in clients:
        client.close()
    seen = {number: set() for number in range(len(identities))}
    for path in export.iterdir():
        made = path.lstat()
        seen[int(path.name.split("-")[0])].add((made.st_uid, made.st_gid))
    assert seen == {number: {identity} for number, identity in enumerate(identities)}
    assert len(os.listdir(export)) == len(identities) * (ROUNDS // 2) * len(CREATORS)


def test_many_idle_clients_beside_a_working_one(helper, export):
    idle = [helper.connect() for _ in range(100)]
    with helper.connect() as client:
        work_in(client, "//own")
    for client in idle:
        assert client.lstat("/").nlink == 3
        client.close()


def test_one_name_is_created_by_one_client_only(clients):
    """The file system decides, and each client learns its own result."""
    results = []

    def create_all(client):
        for number in range(ROUNDS):
            try:
                os.close(client.create(f"//n{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                results.append(0)
            except OSError as error:
                results.append(error.errno)

    run_together(*(lambda c=client: create_all(c) for client in clients))
    assert results.count(0) == ROUNDS
    assert results.count(errno.EEXIST) == 2 * ROUNDS
