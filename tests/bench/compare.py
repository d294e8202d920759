#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Our helper beside QEMU's own (a process a client) and the floor (tests/bench/echo.c): in turns, in one run.

Prints a table with ratios, each the median over the turns of what was measured in the same turn, and whether the bars
that the project sets itself are met. What others do on the machine in the meantime hits all three.
"""

import argparse
import pathlib
import statistics
import sys

import servers

# operation, clients, what, at least (or at most where it is a cost)
BARS = (
    ("lstat", 1, "speed", 1.3),
    ("getxattr", 1, "speed", 1.2),
    ("open", 1, "speed", 1.2),
    ("create", 1, "speed", 3.0),
    ("lstat", 8, "speed", 1.1),
    ("create", 8, "speed", 3.0),
    ("lstat", 8, "p99", 1.0),
    ("create", 8, "p99", 1.0),
    ("lstat", 8, "cpu", 1.0),
    ("lstat", 64, "speed", 1.2),
)
CASES = tuple(dict.fromkeys((operation, clients) for operation, clients, _, _ in BARS)) + (("mix", 1), ("mix", 8))


def measure_turn(options, directory, operation, clients):
    figures = {}
    makers = {
        "upstream": lambda: servers.upstream(directory, clients),
        "ours": lambda: servers.ours(options.helper, directory, clients, *options.option),
        "floor": lambda: servers.floor(options.echo, directory, clients),
    }
    for name, make in makers.items():
        with make() as server:
            load = "lstat" if name == "floor" and operation == "create" else operation
            figures[name] = None if name == "floor" and operation in ("create", "mix") else servers.measure(
                options.load, server, load, clients, options.seconds
            )
    return figures


def median_ratio(turns, name, other, field):
    values = [getattr(t[name], field) / getattr(t[other], field) for t in turns if t[name] and t[other]]
    return statistics.median(values) if values else float("nan")


def median(turns, name, field):
    values = [getattr(turn[name], field) for turn in turns if turn[name]]
    return statistics.median(values) if values else float("nan")


def print_row(operation, clients, turns):
    ours = [median(turns, "ours", field) for field in ("operations", "p50", "p99", "cpu")]
    upstream = [median(turns, "upstream", field) for field in ("operations", "p50", "p99", "cpu")]
    floor = f"{median_ratio(turns, 'ours', 'floor', 'operations'):.2f}" if turns[0]["floor"] else "-"
    print(
        f"| {operation} | {clients} | {ours[0]:,.0f} | {upstream[0]:,.0f} "
        f"| **{median_ratio(turns, 'ours', 'upstream', 'operations'):.2f}** "
        f"| {floor} "
        f"| {ours[1]:.0f} / {upstream[1]:.0f} | {ours[2]:.0f} / {upstream[2]:.0f} | {ours[3]:.1f} / {upstream[3]:.1f} |",
        flush=True,
    )


def judge(results):
    fields = {"speed": "operations", "p99": "p99", "cpu": "cpu"}
    met = True
    for operation, clients, what, bar in BARS:
        if (operation, clients) not in results:
            continue
        ratio = median_ratio(results[operation, clients], "ours", "upstream", fields[what])
        good = ratio >= bar if what == "speed" else ratio <= bar
        met &= good
        relation = "at least" if what == "speed" else "at most"
        print(f"{'met   ' if good else 'MISSED'} {operation}, {clients} clients, {what}: {ratio:.2f}, {relation} {bar}")
    return met


def parse_arguments():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--echo", default=build / "tests/bench/echo")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--only", action="append", help="OPERATION:CLIENTS, instead of all")
    parser.add_argument("--option", action="append", default=[], help="an option for our helper")
    parser.add_argument("--report-only", action="store_true", help="a missed bar is no failure: for a short run")
    return parser.parse_args()


def main():
    options = parse_arguments()
    cases = CASES
    if options.only:
        cases = [(case.split(":")[0], int(case.split(":")[1])) for case in options.only]
    results = {}
    print("| operation | clients | ours, op/s | upstream, op/s | ratio | of the floor | p50, us | p99, us | CPU, us |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with servers.place() as directory:
        for operation, clients in cases:
            turns = [measure_turn(options, directory, operation, clients) for _ in range(options.turns)]
            results[operation, clients] = turns
            print_row(operation, clients, turns)
    print()
    met = judge(results)
    return 0 if met or options.report_only else 1


sys.exit(main())
