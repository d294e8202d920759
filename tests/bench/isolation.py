#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What seven clients feel while the eighth sits in a system call that does not return.

Twice: a change in a frozen ext4 (fsfreeze(8)), beyond the reach of any signal, and a look at a name in a FUSE file
system that does not answer. The latencies of the seven before and during, in turns, and their ratio: the median.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys
import tempfile

import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hanging import HangingFileSystem  # noqa: E402
from support.mounts import ext4, frozen  # noqa: E402
from support.proc import wait_for_hanging  # noqa: E402
from support.wire import Client, Op  # noqa: E402

OTHERS = 7
MOST = 1.2  # ratio


def connect(server):
    import socket

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(server.sockets[0]))
    return Client(connection)


@contextlib.contextmanager
def hanging_in_ext4(server, export):
    with frozen(export / "disk"), connect(server) as client:
        client.send(Op.MKDIR, uid=0, gid=0, path="//disk/new", mode=0o755)
        wait_for_hanging(server.pids[1])
        yield
    (export / "disk/new").rmdir()


@contextlib.contextmanager
def hanging_in_fuse(server, export):
    with connect(server) as client:
        client.send(Op.LSTAT, path="//fuse/name")
        yield


def measure_turn(options, hang):
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="vph-bench-")))
        export = directory / "export"
        for name in ("disk", "fuse"):
            (export / name).mkdir(parents=True)
        stack.enter_context(ext4(export / "disk", directory / "image"))
        # Before the helper, so that its end is the first: what hangs in there is let go by it.
        if hang is hanging_in_fuse:
            stack.enter_context(HangingFileSystem(str(export / "fuse")))
        server = stack.enter_context(servers.ours(options.helper, directory, OTHERS + 1, *options.option))
        before = servers.measure(options.load, server, "lstat", OTHERS, options.seconds)
        with hang(server, export):
            during = servers.measure(options.load, server, "lstat", OTHERS, options.seconds)
    return before, during


def main():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--option", action="append", default=[], help="an option for the helper")
    options = parser.parse_args()
    met = True
    print("| what hangs | p50 before, during, us | ratio | p99 before, during, us | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name, hang in (("mkdir in a frozen ext4", hanging_in_ext4), ("lstat in a FUSE without answer", hanging_in_fuse)):
        turns = [measure_turn(options, hang) for _ in range(options.turns)]
        row = f"| {name} |"
        for field in ("p50", "p99"):
            ratio = statistics.median(getattr(during, field) / getattr(before, field) for before, during in turns)
            befores, durings = (statistics.median(getattr(turn[i], field) for turn in turns) for i in (0, 1))
            row += f" {befores:.0f}, {durings:.0f} | **{ratio:.2f}** |"
            met &= ratio <= MOST
        print(row, flush=True)
    print(f"\n{'met   ' if met else 'MISSED'} each ratio at most {MOST}")
    return 0 if met else 1


sys.exit(main())
