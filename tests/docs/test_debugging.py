# SPDX-License-Identifier: MIT
"""The recipes of virtfs-proxy-debugging(7), run as they stand there. With a real QEMU: tests/guest/test_guest_trace.py."""

import os
import pathlib
import re
import signal
import subprocess

import pytest
from support import proc, proxyctl
from support.helper import wait_for
from support.mounts import frozen
from support.recipes import PAGE, blocks
from support.wire import Client, Op

COVERED = {
    "What a guest sees", "Why a request fails", "What a QEMU says", "Who is stuck", "Bytes", "A dialogue on record",
    "The system calls of a request",
}  # fmt: skip


@pytest.fixture
def shell(helper, run_directory):
    """Runs the commands of a block, with the names of this test in the place of the page's; returns a Popen."""
    (worker,) = helper.children()
    names = {
        "/run/virtfs/share.sock": helper.socket,
        "/run/virtfs/": f"{run_directory}/",
        "/srv/share": str(helper.export),
        "$(pgrep -n -x vph-worker)": str(worker),
    }
    path = f"{pathlib.Path(proxyctl.CTL).parent}:{os.environ['PATH']}"

    def start(block, **options):
        for name, ours in names.items():
            block = block.replace(name, ours)
        return subprocess.Popen(
            ["bash", "-c", f"set -o pipefail\n{block}"], cwd=run_directory, env={**os.environ, "PATH": path}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options,
        )  # fmt: skip

    return start


@pytest.fixture
def run(shell):
    """The same, to its end; returns status, output and errors."""

    def run_to_end(block):
        with shell(block) as running:
            printed, said = running.communicate(timeout=30)
        return running.returncode, printed, said

    return run_to_end


@pytest.fixture
def file(export):
    (export / "file").write_bytes(b"content")
    os.setxattr(export / "file", "user.name", b"value")
    return export / "file"


def test_each_recipe_has_a_test():
    assert set(re.findall(r"^\.Ss (.*)$", PAGE, re.MULTILINE)) == COVERED


def test_what_a_guest_sees(run, file):
    (block,) = blocks("What a guest sees")
    status, printed, said = run(block)
    assert (status, said) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "file" and "size: 7" in lines and lines[-1] == "user.name"


def test_why_a_request_fails(run, file):
    (block,) = blocks("Why a request fails")
    status, _, said = run(block)
    assert (status, said) == (0, "virtfs-proxyctl: lsetxattr: EPERM: Operation not permitted\n")
    assert os.getxattr(file, "user.a") == b"x"


def end_group(running, how=signal.SIGTERM):
    os.killpg(running.pid, how)
    running.communicate(timeout=30)


def test_what_a_qemu_says(shell, run, run_directory, file):
    listen, qemu, sums = blocks("What a QEMU says")
    assert "/run/virtfs/trace.sock" in listen and "/run/virtfs/trace.sock" in qemu
    tracing = shell(listen)
    try:
        with connect_when_ready(run_directory / "trace.sock") as client:
            for _ in range(3):
                client.lstat("//file")
            os.close(client.open("//file"))
    finally:
        end_group(tracing)
    status, printed, said = run(sums)
    assert (status, said) == (0, "")
    counted = [line.split() for line in printed.splitlines()]
    assert [(count, operation) for count, _, operation in counted] == [("3", "lstat"), ("1", "open")]
    assert all(int(time) > 0 for _, time, _ in counted)


def connect_when_ready(path):
    def attempt():
        try:
            return Client.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    return wait_for(attempt, what="a listening trace")


def test_who_is_stuck(disk, helper, shell, run, run_directory):
    asking, threads = blocks("Who is stuck")
    (worker,) = helper.children()
    tracing = shell("exec " + blocks("What a QEMU says")[0].replace("virtfs-proxyctl", f"-a virtfs-proxyctl {proxyctl.CTL}"))
    try:
        with connect_when_ready(run_directory / "trace.sock") as stuck:
            with frozen(disk):
                stuck.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
                proc.wait_for_hanging(worker)
                waiting = wait_for(lambda: run(asking)[1], what="the request that waits")
                status, printed, _ = run(threads)
            stuck.recv_status()
    finally:
        end_group(tracing)
    assert re.fullmatch(r'(1 mkdir\(uid=0, gid=0, path="//disk/new", mode=0755\) = \(no reply yet\) \d+ us\n)+', waiting)
    assert status == 0
    assert [line.split()[1][0] for line in printed.splitlines()[1:]].count("D") == 1


def test_bytes(run, export, helper):
    raw, words, several = blocks("Bytes")
    status, printed, _ = run(raw)
    assert status == 0 and printed.startswith("0000000 00 00 00 00 74 00 00 00 ")
    status, printed, _ = run(words)
    assert status == 0 and f"ino={export.stat().st_ino} " in printed
    status, printed, _ = run(several)
    assert status == 0 and printed.startswith("mkdir = 0\nlstat = ") and " mode=040755 " in printed


def test_a_dialogue_on_record(shell, run, run_directory, file):
    record, decode = blocks("A dialogue on record")
    recording = shell(record)
    with connect_when_ready(run_directory / "record.sock") as client:
        client.lstat("//file")
        client.mkdir("//made")
    assert recording.wait(30) == 0
    status, printed, said = run(decode)
    assert (status, said) == (0, "")
    asked, made, *answers = printed.splitlines()
    assert (asked, made) == ('lstat(path="//file")', 'mkdir(uid=0, gid=0, path="//made", mode=0755)')
    assert " size=7 " in answers[0] and answers[1] == "mkdir = 0"
    assert (run_directory / "replies.again").stat().st_size == (run_directory / "replies").stat().st_size


def test_the_system_calls_of_a_request(shell, run_directory, client, file):
    (block,) = blocks("The system calls of a request")
    client.lstat("//file")
    tracing = shell("exec " + block)

    def seen():
        client.lstat("//file")
        calls = run_directory / "calls"
        return calls.exists() and '//file"' in calls.read_text()

    try:
        wait_for(seen, what="a call in strace's file")
    finally:
        end_group(tracing, signal.SIGINT)
