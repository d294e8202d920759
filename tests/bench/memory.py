#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What connected guests cost in memory: the proportional set size of all processes together, ours and upstream's.

Each client has made one request, as QEMU does when it starts, and is silent.
"""

import argparse
import contextlib
import pathlib
import socket
import struct
import sys

import servers

LSTAT_ROOT = struct.pack("=IIH", 8, 4, 2) + b"/\0"
REPLY_SIZE = 124

MOST_AT_64 = 4096  # kB
MOST_EACH = 40  # kB, for each further guest


def connect(stack, path):
    client = stack.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(str(path))
    client.sendall(LSTAT_ROOT)
    if len(client.recv(REPLY_SIZE, socket.MSG_WAITALL)) != REPLY_SIZE:
        raise RuntimeError("no reply")


def measure(server, clients):
    with contextlib.ExitStack() as stack:
        for number in range(clients):
            connect(stack, server.sockets[number % len(server.sockets)])
        return servers.memory(server.pids)


def main():
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", default=build / "src/virtfs-proxy-helper")
    options = parser.parse_args()
    taken = {}
    print("| clients | ours, kB | upstream, kB |\n| --- | --- | --- |")
    with servers.place() as directory:
        for clients in (1, 8, 64, 128, 256, 1000):
            with servers.ours(options.helper, directory, clients) as server:
                taken[clients] = measure(server, clients)
            upstream = "-"
            if clients <= 64:
                with servers.upstream(directory, clients) as server:
                    upstream = f"{measure(server, clients):,}"
            print(f"| {clients} | {taken[clients]:,} | {upstream} |", flush=True)
    each = (taken[256] - taken[128]) / 128
    print(f"\n{'met   ' if taken[64] <= MOST_AT_64 else 'MISSED'} 64 clients: {taken[64]:,} kB, at most {MOST_AT_64:,}")
    print(f"{'met   ' if each <= MOST_EACH else 'MISSED'} each further client: {each:.1f} kB, at most {MOST_EACH}")
    return 0 if taken[64] <= MOST_AT_64 and each <= MOST_EACH else 1


if __name__ == "__main__":
    sys.exit(main())
