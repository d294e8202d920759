#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What clients feel of a reload: the longest that any of 64 waits for one reply, without and with reloads, in turns.

Clients pause before each request: without (--think 0) all processors are busy, and the longest wait is that for one of
them, with a reload or not. The load ends at the first request that fails, and so does this.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import control  # noqa: E402

CLIENTS = 64
MOST = 20.0  # ms


def reload_until(over, path, pause, done):
    """One after the other, to the end of the load; notes what each took, s."""
    while not over.wait(pause):
        began = time.monotonic()
        answer = control.ask(path, "reload")
        done.append(time.monotonic() - began)
        if not answer.startswith("done"):
            raise RuntimeError(answer)


def measure(options, server):
    server = servers.Server(server.sockets, [])  # not its processes: they change
    return servers.measure(options.load, server, options.operation, CLIENTS, options.seconds, options.think)


def measure_with_reloads(options, server, path, done):
    over, failures = threading.Event(), []

    def work():
        try:
            reload_until(over, path, options.pause, done)
        except (OSError, RuntimeError) as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        figures = measure(options, server)
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]
    return figures


def parse_arguments():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--operation", default="mix")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--think", type=int, default=5000, help="us that a client waits before each request")
    parser.add_argument("--pause", type=float, default=0.6, help="seconds before each reload; as it is, there is one a turn")
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--option", action="append", default=[], help="an option for the helper")
    return parser.parse_args()


def main():
    options = parse_arguments()
    print("| turn | longest without, ms | longest with, ms | p50 without, with, us | op/s without, with |")
    print("| --- | --- | --- | --- | --- |")
    rows, done = [], []
    with servers.place() as directory:
        path = directory / "control"
        with servers.ours(options.helper, directory, CLIENTS, "--control", path, *options.option) as server:
            measure(options, server)  # the first one finds everything fresh
            for turn in range(options.turns):
                without, during = measure(options, server), measure_with_reloads(options, server, path, done)
                rows.append((without.longest / 1e3, during.longest / 1e3))
                print(
                    f"| {turn + 1} | {rows[-1][0]:.1f} | {rows[-1][1]:.1f} | {without.p50:.0f}, {during.p50:.0f} | "
                    f"{without.operations:,.0f}, {during.operations:,.0f} |",
                    flush=True,
                )
    base, longest = (statistics.median(column) for column in zip(*rows))
    met = longest <= MOST
    print(
        f"\n{len(done)} reloads, no request failed; one takes {statistics.median(done) * 1000:.0f} ms in the median\n"
        f"{'met   ' if met else 'MISSED'} {CLIENTS} clients: the longest wait of a turn is {longest:.1f} ms in the median, at most "
        f"{MOST:.0f}; {base:.1f} ms without reloads"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
