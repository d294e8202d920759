#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What it costs to time and count each request: our helper beside one that does not (tests/bench/uncounted.c).

Many short turns: counting, not counting, and counting once more. The cost is what the two that count come to beside the
one between them, so that a machine that becomes slower or faster meanwhile cancels out. What the two differ by among
themselves is the noise, of which the middle half is shown: a cost within it is not measurable.
"""

import argparse
import contextlib
import math
import pathlib
import statistics
import sys
import tempfile

import servers

CASES = (("lstat", 1), ("lstat", 8), ("mix", 8))
NAMES = ("counting", "not counting", "once more")
FIELDS = {"operations": "op/s", "cpu": "CPU an operation"}


def measure(options, directory, helper, operation, clients):
    with servers.ours(helper, directory, clients, *options.option) as server:
        return servers.measure(options.load, server, operation, clients, options.seconds)


def cost(turn, field):
    first, between, last = (getattr(turn[name], field) for name in NAMES)
    return math.sqrt(first * last) / between


def noise(turn, field):
    return getattr(turn[NAMES[0]], field) / getattr(turn[NAMES[2]], field)


def judge(operation, clients, turns):
    """Prints a row for each field; returns whether nothing was measurable."""
    within = True
    for field, name in FIELDS.items():
        median = statistics.median(cost(turn, field) for turn in turns)
        low, _, high = statistics.quantiles((noise(turn, field) for turn in turns), n=4)
        hidden = low <= median <= high
        within &= hidden
        figures = f"**{median:.3f}** | {low:.3f} to {high:.3f} | {'no' if hidden else 'yes'}"
        print(f"| {operation} | {clients} | {name} | {figures} |", flush=True)
    return within


def parse_arguments():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--uncounted", default=build / "tests/bench/uncounted")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.25, help="of each measurement")
    parser.add_argument("--option", action="append", default=[], help="an option for both helpers")
    return parser.parse_args()


def main():
    options = parse_arguments()
    programs = dict(zip(NAMES, (options.helper, options.uncounted, options.helper)))
    within = True
    print("| operation | clients | of what | counting / not | twice the same | measurable? |")
    print("| --- | --- | --- | --- | --- | --- |")
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="vph-bench-")))
        (directory / "export").mkdir()
        for operation, clients in CASES:
            turns = [
                {name: measure(options, directory, program, operation, clients) for name, program in programs.items()}
                for _ in range(options.turns)
            ]
            within &= judge(operation, clients, turns)
    print(f"\n{'met   ' if within else 'MISSED'} what counting costs is less than what two runs of the same differ by")
    return 0 if within else 1


sys.exit(main())
