#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the helper pays for what others do not have: our helper beside itself without.

counting  each request is timed and counted (beside tests/bench/uncounted.c, which does neither)
record    what a crash needs to be known stays in the kernel (beside tests/bench/forgetful.c, which takes a message at once)
jail      namespaces, and a filter of system calls (beside --sandbox=chroot --seccomp=off)

Many short turns: with, without, and with once more. The price is what the two with it come to beside the one between them,
so that a machine that becomes slower or faster meanwhile cancels out. What the two differ by among themselves is the noise,
of which the middle half is shown: a price within it is not measurable.
"""

import argparse
import math
import pathlib
import statistics
import sys

import servers

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
NAMES = ("with", "without", "once more")
FIELDS = {"operations": "op/s", "cpu": "CPU an operation"}
CASES = {
    "counting": (("lstat", 1), ("lstat", 8), ("mix", 8)),
    "record": (("lstat", 1), ("lstat", 8), ("lstat", 64), ("create", 8)),
    "jail": (("lstat", 1), ("lstat", 8), ("lstat", 64), ("create", 8)),
}


def measure(options, directory, command, operation, clients):
    with servers.ours(command[0], directory, clients, *command[1:], *options.option) as server:
        return servers.measure(options.load, server, operation, clients, options.seconds)


def price(turn, field):
    first, between, last = (getattr(turn[name], field) for name in NAMES)
    return math.sqrt(first * last) / between


def noise(turn, field):
    return getattr(turn[NAMES[0]], field) / getattr(turn[NAMES[2]], field)


def judge(what, operation, clients, turns):
    """Prints a row for each field; returns whether nothing was measurable."""
    within = True
    for field, name in FIELDS.items():
        median = statistics.median(price(turn, field) for turn in turns)
        low, _, high = statistics.quantiles((noise(turn, field) for turn in turns), n=4)
        hidden = low <= median <= high
        within &= hidden
        figures = f"**{median:.3f}** | {low:.3f} to {high:.3f} | {'no' if hidden else 'yes'}"
        print(f"| {what} | {operation} | {clients} | {name} | {figures} |", flush=True)
    return within


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=BUILD / "src/virtfs-proxy-helper")
    parser.add_argument("--uncounted", default=BUILD / "tests/bench/uncounted")
    parser.add_argument("--forgetful", default=BUILD / "tests/bench/forgetful")
    parser.add_argument("--load", default=BUILD / "tests/bench/load")
    parser.add_argument("--only", action="append", choices=CASES, help="instead of all")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0.25, help="of each measurement")
    parser.add_argument("--option", action="append", default=[], help="an option for all helpers")
    return parser.parse_args()


def main():
    options = parse_arguments()
    without = {
        "counting": [options.uncounted],
        "record": [options.forgetful],
        "jail": [options.helper, "--sandbox=chroot", "--seccomp=off"],
    }
    within = {}
    print("| what | operation | clients | of what | with / without | twice the same | measurable? |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with servers.place() as directory:
        for what in options.only or CASES:
            commands = dict(zip(NAMES, ([options.helper], without[what], [options.helper])))
            for operation, clients in CASES[what]:
                turns = [
                    {name: measure(options, directory, command, operation, clients) for name, command in commands.items()}
                    for _ in range(options.turns)
                ]
                within[what] = judge(what, operation, clients, turns) and within.get(what, True)
    print()
    if "counting" in within:
        verdict = "met   " if within["counting"] else "MISSED"
        print(f"{verdict} what counting costs is less than what two runs of the same differ by")
    return 0 if within.get("counting", True) else 1


sys.exit(main())
