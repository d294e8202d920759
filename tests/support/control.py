# SPDX-License-Identifier: MIT
"""The helper's control socket, and virtfs-proxyctl."""

import json
import os
import pathlib
import socket
import subprocess

from .helper import OURS, wait_for

PROXYCTL = os.environ.get("VIRTFS_PROXYCTL", str(pathlib.Path(OURS).parent / "ctl/virtfs-proxyctl"))


def connect(path):
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(20)
    connected.connect(str(path))
    return connected


def read_all(connected):
    data = b""
    while more := connected.recv(65536):
        data += more
    return data.decode("ascii")


def ask(path, line):
    """What the helper answers."""
    with connect(path) as connected:
        connected.sendall(line.encode() + b"\n")
        return read_all(connected)


def status(path):
    return json.loads(ask(path, "status"))


def run(*arguments, **options):
    """virtfs-proxyctl; its standard output, status and errors as subprocess.run() returns them."""
    return subprocess.run([PROXYCTL, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def wait_for_stuck(path, count):
    """Until so many clients have been in one request for a while; returns the status."""

    def look():
        seen = status(path)
        stuck = [one for one in seen["clients"] if one["in_flight"] and one["in_flight"]["seconds"] > 0.2]
        return seen if len(stuck) == count else None

    return wait_for(look, what=f"{count} clients that are stuck")
