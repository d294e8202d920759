# SPDX-License-Identifier: MIT
"""The three servers that are measured against one another, and the load."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import tempfile
import time

UPSTREAM = os.environ.get("UPSTREAM_HELPER", "/usr/lib/qemu/virtfs-proxy-helper")


@dataclasses.dataclass
class Server:
    sockets: list  # one, or one a client
    pids: list  # whose CPU time and memory count


@dataclasses.dataclass
class Figures:
    operations: float  # a second
    p50: float  # us
    p99: float  # us
    p999: float  # us
    cpu: float  # us an operation
    longest: float  # us


@contextlib.contextmanager
def place():
    """A directory on tmpfs, with an empty export in it, for what is measured."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="vph-bench-") as name:
        directory = pathlib.Path(name)
        (directory / "export").mkdir()
        yield directory


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_socket(path, process):
    deadline = time.monotonic() + 20
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} did not start")
        time.sleep(0.005)
    time.sleep(0.02)  # upstream's name is there before it listens


@contextlib.contextmanager
def _processes(commands):
    """Commands and the sockets they make; all are ended by pid."""
    started = []
    try:
        for command, path in commands:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            started.append(process)
            wait_for_socket(path, process)
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
        for _, path in commands:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def ours(binary, directory, clients, *options):
    path = directory / "ours.sock"
    limit = ["--max-clients", str(max(256, clients))]
    command = [binary, "--nodaemon", "-p", directory / "export", "-s", path, *limit, *options]
    with _processes([(command, path)]) as (monitor,):
        yield Server([path], [monitor.pid, *children(monitor.pid)])


@contextlib.contextmanager
def upstream(directory, clients):
    """A process for each client: it serves no more."""
    paths = [directory / f"upstream{number}.sock" for number in range(clients)]
    export = str(directory / "export")
    commands = [([UPSTREAM, "-n", "-p", export, "-s", str(path), "-u", "0", "-g", "0"], path) for path in paths]
    with _processes(commands) as processes:
        yield Server(paths, [process.pid for process in processes])


@contextlib.contextmanager
def floor(binary, directory, clients):
    path = directory / "floor.sock"
    with _processes([([binary, path], path)]) as (process,):
        yield Server([path], [process.pid])


def measure(load, server, operation, clients, seconds, think=0):
    """One run of the load program; `think`: us that a client waits before each request."""
    command = [load, "--operation", operation, "--clients", str(clients), "--seconds", str(seconds), "--think", str(think)]
    for path in server.sockets:
        command += ["--socket", path]
    for pid in server.pids:
        command += ["--pid", str(pid)]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return Figures(*(float(value) for value in line[4:10]))


def memory(pids):
    """Their proportional set size together, kB: proc_pid_smaps_rollup(5)."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total
