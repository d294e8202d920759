#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Latency and CPU time of a request at 1 to 1,000 clients, ours and the floor's in turns: a table, and a plot as SVG."""

import argparse
import math
import pathlib
import statistics
import sys

import servers

CLIENTS = (1, 8, 64, 256, 1000)
WIDTH, HEIGHT, MARGIN = 640, 360, 60
COLOURS = {"p50": "#1f77b4", "p99": "#d62728", "cpu": "#2ca02c"}
NAMES = {"p50": "p50, us", "p99": "p99, us", "cpu": "CPU a request, us"}
FIELDS = ("operations", "p50", "p99", "p999", "cpu")
DASHES = {"ours": "none", "floor": "4 4"}


def measure(options, directory, clients):
    """The medians of each field, for ours and the floor, and the median ratio of their speeds."""
    makers = {
        "ours": lambda: servers.ours(options.helper, directory, clients, *options.option),
        "floor": lambda: servers.floor(options.echo, directory, clients),
    }
    turns = {name: [] for name in makers}
    for _ in range(options.turns):
        for name, make in makers.items():
            with make() as server:
                turns[name].append(servers.measure(options.load, server, "lstat", clients, options.seconds))
    result = {
        name: {field: statistics.median(getattr(turn, field) for turn in turns[name]) for field in FIELDS}
        for name in makers
    }
    pairs = zip(turns["ours"], turns["floor"])
    result["ratio"] = statistics.median(ours.operations / floor.operations for ours, floor in pairs)
    return result


def plot(results):
    """Both axes logarithmic: the clients by their place in the row, the microseconds by their decades."""
    values = [result[name][field] for result in results.values() for name in DASHES for field in COLOURS]
    top = math.ceil(math.log10(max(values)))
    step = (WIDTH - 2 * MARGIN) / (len(results) - 1)

    def place(index, value):
        return MARGIN + index * step, HEIGHT - MARGIN - math.log10(max(value, 1)) / top * (HEIGHT - 2 * MARGIN)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for decade in range(top + 1):
        x, y = place(0, 10**decade)
        lines.append(f'<path d="M{x:.0f} {y:.0f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        lines.append(f'<text x="{x - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">{10**decade:,}</text>')
    for index, clients in enumerate(results):
        x, _ = place(index, 1)
        lines.append(f'<text x="{x:.0f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">{clients:,}</text>')
    for number, (field, colour) in enumerate(COLOURS.items()):
        for name, dashes in DASHES.items():
            points = [place(index, result[name][field]) for index, result in enumerate(results.values())]
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            lines.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        lines.append(f'<text x="{MARGIN + 10}" y="{MARGIN - 30 + 16 * number}" fill="{colour}">{NAMES[field]}</text>')
    lines.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 15}" text-anchor="middle">clients (dashed: the floor)</text></svg>')
    return "\n".join(lines) + "\n"


def main():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--echo", default=build / "tests/bench/echo")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--option", action="append", default=[], help="an option for the helper")
    parser.add_argument("--svg", type=pathlib.Path, help="where to write the plot")
    options = parser.parse_args()
    results = {}
    print("| clients | ours, op/s | the floor, op/s | ratio | p50, us | p99, us | p99.9, us | CPU a request, us |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with servers.place() as directory:
        for clients in CLIENTS:
            result = results[clients] = measure(options, directory, clients)
            ours, floor = result["ours"], result["floor"]
            pairs = [f"{ours[field]:,.0f} / {floor[field]:,.0f}" for field in ("p50", "p99", "p999")]
            print(
                f"| {clients:,} | {ours['operations']:,.0f} | {floor['operations']:,.0f} | **{result['ratio']:.2f}** "
                f"| {' | '.join(pairs)} | {ours['cpu']:.1f} / {floor['cpu']:.1f} |",
                flush=True,
            )
    if options.svg:
        options.svg.write_text(plot(results))


sys.exit(main())
