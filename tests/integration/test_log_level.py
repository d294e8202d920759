# SPDX-License-Identifier: MIT
"""The log: quiet when all is well, a line for each request at debug, and no flood whatever clients do."""

import contextlib
import os
import re

import pytest
from support.helper import OURS, Helper, wait_for
from support.wire import RemoteError, message

BROKEN = message(99, b"")


@pytest.fixture
def start(export):
    """A helper at a level, or none given; stopped at the end, with status 0."""
    started = []

    def starter(*arguments, **options):
        started.append(Helper(export, args=arguments, **options))
        return started[-1]

    yield starter
    for helper in started:
        assert helper.stop() == 0, helper.log()


def break_protocol(helper):
    with helper.connect() as client:
        client.send_raw(BROKEN)
        client.expect_reset()


def test_quiet_when_all_is_well(start):
    helper = start()
    with helper.connect() as client:
        for _ in range(100):
            client.lstat("/")
        with pytest.raises(RemoteError):
            client.lstat("//missing")
    wait_for(lambda: "gone after" in helper.log(), what="the client's end")
    lines = [line for line in helper.log().splitlines() if re.search(r"\bclient\b", line)]
    with open("/proc/self/comm", encoding="ascii") as comm:
        who = f"client pid {os.getpid()} ({comm.read().strip()}), uid {os.getuid()}"
    assert lines == [
        f"virtfs-proxy-helper: {who}: connected",
        f"virtfs-proxy-helper: {who}: gone after 101 requests, 1 of them failed",
    ]
    assert len(helper.log().splitlines()) < 8


def test_errors_only(start):
    helper = start("--log-level=error")
    with helper.connect() as client:
        client.lstat("/")
    break_protocol(helper)
    assert helper.stop() == 0
    assert helper.log() == ""


def test_warnings_without_clients(start):
    helper = start("--log-level=warn")
    break_protocol(helper)
    wait_for(lambda: "its connection is cut" in helper.log(), what="the violation in the log")
    assert helper.stop() == 0
    assert "connected" not in helper.log() and "serving" not in helper.log()


def test_debug_shows_each_request_on_one_line(start):
    helper = start("--log-level=debug")
    with helper.connect() as client:
        client.mkdir("//a\nvirtfs-proxy-helper: forged\x1b]0;t\x07", mode=0o750)
        with pytest.raises(RemoteError):
            client.rename("//x", "//y")
        client.send_raw(message(8, b"\xff"))
        with pytest.raises(RemoteError):
            client.recv_data()
        wait_for(lambda: "ENOBUFS" in helper.log(), what="the last request in the log")
    lines = [line for line in helper.log().splitlines() if f"pid {os.getpid()}: " in line]
    expected = (
        r'mkdir "//a\\x0avirtfs-proxy-helper: forged\\x1b\]0;t\\x07" mode 0750 owner 0:0 = 0, \d+ us',
        r'rename "//x" "//y" = ENOENT, \d+ us',
        r"lstat \(1 bytes that are no such request\) = ENOBUFS, \d+ us",
    )
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected):
        assert re.fullmatch(f"virtfs-proxy-helper: pid {os.getpid()}: {pattern}", line), line


def test_info_shows_no_request(start):
    helper = start("--log-level=info")
    with helper.connect() as client:
        client.lstat("/")
    wait_for(lambda: "gone after" in helper.log(), what="the client's end")
    assert "lstat" not in helper.log()


def test_debug_lines_that_come_too_fast_are_counted(export, tmp_path):
    """Nobody reads the log: guests are served, new ones too, and it is told afterwards what was left out."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with Helper(export, args=("--log-level=debug",), binary=logging_to(fifo, tmp_path)) as helper:
            with helper.connect() as client:
                for _ in range(8000):
                    client.lstat("/")
                with helper.connect() as late:
                    late.lstat("/")
                told = wait_for(lambda: read_until_told(reader, client), what="the number of lines left out")
                assert told > 0
    finally:
        os.close(reader)


def read_until_told(reader, client):
    client.lstat("/")
    with contextlib.suppress(BlockingIOError):
        told = re.search(r"(\d+) lines of the log were left out", os.read(reader, 1 << 20).decode())
        return told and int(told[1])


def test_a_client_that_violates_in_a_loop_does_not_flood(start):
    helper = start()
    for _ in range(300):
        break_protocol(helper)
    assert helper.stop() == 0
    lines = helper.log().splitlines()
    cut = [line for line in lines if "its connection is cut" in line]
    assert 10 <= len(cut) < 100
    told = [int(number) for number in re.findall(r"(\d+) more connections were cut", helper.log())]
    assert len(cut) + sum(told) == 300


def test_clients_that_come_and_go_in_a_loop_do_not_flood(start):
    helper = start()
    for _ in range(1500):
        with helper.connect() as client:
            client.lstat("/")
    assert helper.stop() == 0
    assert len(helper.log().splitlines()) < 2000


def test_the_journal_is_given_priorities(start, export, tmp_path):
    with open(tmp_path / "journal", "wb") as journal:
        found = os.fstat(journal.fileno())
    stream = f"{found.st_dev}:{found.st_ino}"
    with Helper(export, binary=logging_to(tmp_path / "journal", tmp_path), env={"JOURNAL_STREAM": stream}) as helper:
        break_protocol(helper)
        helper.stop()
    lines = (tmp_path / "journal").read_text().splitlines()
    assert all(re.match(r"<[346]>(?!virtfs-proxy-helper: )", line) for line in lines), lines
    assert any(line.startswith("<4>client pid") for line in lines)
    assert any(line.startswith("<6>version") for line in lines)


def logging_to(path, directory):
    """A command that is the helper with its standard error there."""
    script = directory / "helper"
    script.write_text(f'#!/bin/sh\nexec {OURS} "$@" 2>>{path}\n')
    script.chmod(0o755)
    return str(script)
