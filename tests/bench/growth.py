#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Latency and CPU time of a request at 1 to 1,000 clients: a table, and a plot as SVG."""

import argparse
import pathlib
import statistics
import sys
import tempfile

import servers

CLIENTS = (1, 8, 64, 256, 1000)
WIDTH, HEIGHT, MARGIN = 640, 360, 60
COLOURS = {"p50": "#1f77b4", "p99": "#d62728", "cpu": "#2ca02c"}
NAMES = {"p50": "p50, us", "p99": "p99, us", "cpu": "CPU a request, us"}


def measure(options, directory, clients):
    turns = []
    for _ in range(options.turns):
        with servers.ours(options.helper, directory, clients, *options.option) as server:
            turns.append(servers.measure(options.load, server, options.operation, clients, options.seconds))
    fields = ("operations", "p50", "p99", "p999", "cpu")
    return {field: statistics.median(getattr(turn, field) for turn in turns) for field in fields}


def plot(results):
    """Both axes logarithmic: the clients by their place in the row, the microseconds by their decades."""
    import math

    top = math.ceil(max(math.log10(result[field]) for result in results.values() for field in COLOURS))
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
        points = [place(index, result[field]) for index, result in enumerate(results.values())]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        lines.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{MARGIN + 10}" y="{MARGIN - 30 + 16 * number}" fill="{colour}">{NAMES[field]}</text>')
    lines.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 15}" text-anchor="middle">clients</text></svg>')
    return "\n".join(lines) + "\n"


def main():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--load", default=build / "tests/bench/load")
    parser.add_argument("--operation", default="lstat")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--option", action="append", default=[], help="an option for the helper")
    parser.add_argument("--svg", type=pathlib.Path, help="where to write the plot")
    options = parser.parse_args()
    results = {}
    print("| clients | op/s | p50, us | p99, us | p99.9, us | CPU a request, us |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="vph-bench-") as name:
        directory = pathlib.Path(name)
        (directory / "export").mkdir()
        for clients in CLIENTS:
            result = results[clients] = measure(options, directory, clients)
            print(
                f"| {clients:,} | {result['operations']:,.0f} | {result['p50']:,.0f} | {result['p99']:,.0f} "
                f"| {result['p999']:,.0f} | {result['cpu']:.1f} |",
                flush=True,
            )
    if options.svg:
        options.svg.write_text(plot(results))


sys.exit(main())
