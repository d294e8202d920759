#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What connected, silent guests cost: the system calls of both processes in ten seconds, as strace(1) sees them."""

import argparse
import contextlib
import pathlib
import subprocess
import sys
import time

import servers
from memory import connect

CLIENTS = 64
SETTLE = 2.0  # s, until what was dealt with has been taken from the sockets


def count_calls(pids, seconds):
    """Calls that were made, or returned, in the time. Those in which a thread slept all along are no wake-ups."""
    command = ["strace", "-qq", "-f", "-e", "signal=none", *(f"--attach={pid}" for pid in pids)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        time.sleep(seconds)
        tracer.terminate()
        lines = tracer.stderr.read().splitlines()
    return [line for line in lines if " = " in line and "<detached ...>" not in line]


def main():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(servers.place())
        server = stack.enter_context(servers.ours(options.helper, directory, CLIENTS))
        for _ in range(CLIENTS):
            connect(stack, server.sockets[0])
        time.sleep(SETTLE)
        calls = count_calls(server.pids, options.seconds)
    print("\n".join(calls[:20]))
    verdict = "MISSED" if calls else "met   "
    print(f"{verdict} {CLIENTS} silent clients, {options.seconds:.0f} s: {len(calls)} system calls, at most 0")
    return 1 if calls else 0


if __name__ == "__main__":
    sys.exit(main())
