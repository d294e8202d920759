#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many clients that come and go, and work at random, for seconds or for hours: see --help."""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # into the source tree
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from measure import descriptors, measure  # noqa: E402
from support.helper import OURS, SANITIZER_WORDS, Helper, wait_for  # noqa: E402
from support.wire import Op  # noqa: E402
from workload.compare import compare  # noqa: E402
from workload.crowd import Crowd, facts_of, make_export, make_shared  # noqa: E402
from workload.guest import Failure, Guest  # noqa: E402
from workload.operations import Mismatch, expect  # noqa: E402

SKIPPED = 77  # what meson takes for it
SLICE = 60.0  # seconds between two lines of progress
IDLE_CLIENTS = 128  # at once, in the beginning: all threads that the clients may ever need are there then
GROWTH_MOST = 512 << 10  # bytes, of one process, between two equal moments
ENOUGH = 10000  # requests, after which chance must have made all kinds of them

ABOUT = """
Random requests from many clients that come and go, every reply checked against a model as it arrives, the tree on the
host against the model at the end, and the helper's memory and descriptors at the end against those after a warm-up.
What a client does follows from the seed and its number alone: give the seed that a failure printed to see it again.
"""


def arguments():
    parser = argparse.ArgumentParser(description=ABOUT)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--seconds", type=float, help="how long, in seconds")
    parser.add_argument("--seed", type=int, help="of all that is random")
    parser.add_argument("--clients", type=int, default=32, help="at most at the same time (32)")
    parser.add_argument("--processes", type=int, default=4, help="that they are spread over (4)")
    parser.add_argument("--helper", default=OURS, help="the program to test")
    parser.add_argument("--option", action="append", default=[], help="for the helper; may be given several times")
    parser.add_argument("--directory", help="where to make the export, on a file system with user attributes")
    given = parser.parse_args()
    given.seconds = given.seconds or given.minutes * 60
    given.seed = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    return given


# The run


class Soak:
    def __init__(self, given, helper, crowd):
        self.given = given
        self.helper = helper
        self.crowd = crowd
        (worker,) = helper.children()
        self.pids = {"monitor": helper.pid, "worker": worker}
        self.sockets = self.count_sockets()
        self.counts = collections.Counter()

    def count_sockets(self):
        return {name: descriptors(pid).get("socket", 0) for name, pid in self.pids.items()}

    def start_threads(self):
        with contextlib.ExitStack() as stack:
            for client in [stack.enter_context(self.helper.connect(timeout=None)) for _ in range(IDLE_CLIENTS)]:
                client.lstat("/")

    def run(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.counts = sum(self.crowd.tell("run_for", min(left, SLICE)), collections.Counter())
            worker, monitor = (measure(self.pids)[name][0] >> 10 for name in ("worker", "monitor"))
            say(f"{sum_of(self.counts)} requests; PSS: worker {worker} KiB, monitor {monitor} KiB")

    def take_measure(self, clients):
        """When the helper has seen the last one come or go: it must hold one socket for each, and no other."""
        expected = {name: count + clients for name, count in self.sockets.items()}
        try:
            wait_for(lambda: self.count_sockets() == expected, what="")
        except TimeoutError:
            raise Failure(f"with {clients} clients there are {self.count_sockets()} sockets, not {expected}") from None
        return measure(self.pids)

    def pause(self):
        """Measured with all clients, and with none."""
        self.crowd.tell("each", "be_there")
        full = self.take_measure(self.given.clients)
        self.crowd.tell("each", "be_away")
        empty = self.take_measure(0)
        self.crowd.tell("each", "come_back")
        return {f"{self.given.clients} clients": full, "no client": empty}

    def check_flat(self, before, after, memory_counts):
        for moment in before:
            for name in self.pids:
                (old, old_fds), (new, new_fds) = before[moment][name], after[moment][name]
                say(f"{moment}: {name} PSS {old >> 10} -> {new >> 10} KiB, descriptors {sum(old_fds.values())} -> "
                    f"{sum(new_fds.values())}")
                expect(f"what the {name} holds with {moment}", new_fds, old_fds)
                if memory_counts and new - old > GROWTH_MOST:
                    raise Failure(f"with {moment}, the {name} has grown by {(new - old) >> 10} KiB")

    def check_variety(self):
        """Nothing is tested by what chance has left out."""
        if sum_of(self.counts) < ENOUGH:
            return
        missing = [f"{op.name} that {'succeeds' if good else 'fails'}"
                   for op in Op for good in (True, False) if not self.counts[op, good]]
        expect("what never came up", missing, [])

    def report(self):
        for op in Op:
            say(f"{op.name:12} {self.counts[op, True]:9} succeeded {self.counts[op, False]:9} failed as expected")
        gone = {what: count for what, count in self.counts.items() if isinstance(what, str)}
        say("hung up: " + ", ".join(f"{what} {count}" for what, count in sorted(gone.items())))


def sum_of(counts):
    return sum(count for what, count in counts.items() if not isinstance(what, str))


def say(text):
    print(text, flush=True)


def has_sanitizer(binary):
    """One that keeps what was freed, and a shadow of all memory."""
    content = pathlib.Path(binary).read_bytes()
    return any(name in content for name in (b"__asan_init", b"__tsan_init", b"__msan_init"))


def sanitizer_lines(log):
    return [line for line in log.splitlines() if any(word in line for word in SANITIZER_WORDS)]


def soak(given, directory):
    export = directory / "export"
    make_export(export, given.clients)
    shared = make_shared(export / "shared")
    names = sorted(os.listdir(export))
    facts = facts_of(export)
    with Helper(export, binary=given.helper, args=given.option) as helper:
        guests = [Guest(helper.socket, number, given.seed, shared, facts) for number in range(given.clients)]
        crowd = Crowd(guests, given.processes, export)
        try:
            run = Soak(given, helper, crowd)
            work(given, run)
            objects = sum(crowd.tell("compare"))
        finally:
            crowd.end()
            if sanitizer_lines(helper.log()):
                say(helper.log())
        objects += compare(str(export / "shared"), shared.root)
        expect("what is exported", sorted(os.listdir(export)), names)
        run.report()
        run.check_variety()
        expect("the worker", helper.children(), [run.pids["worker"]])
        expect("the helper's exit status", helper.stop(), 0)
        expect("what sanitizers say", sanitizer_lines(helper.log()), [])
    say(f"{objects} objects on the host are as the model has them")


def work(given, run):
    """A quarter of the time to become warm, and then what counts."""
    run.start_threads()
    run.run(given.seconds / 4)
    before = run.pause()
    run.run(given.seconds * 3 / 4)
    after = run.pause()
    memory_counts = not has_sanitizer(given.helper)
    if not memory_counts:
        say("memory is not checked: the helper is built with a sanitizer, which needs some of its own")
    run.check_flat(before, after, memory_counts)


def main():
    given = arguments()
    if os.geteuid() != 0:
        say("skipped: needs root, as the helper does")
        return 1 if os.environ.get("CI") == "true" else SKIPPED
    say(f"seed {given.seed}: {given.clients} clients in {given.processes} processes for {given.seconds:.0f} s")
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="vph-soak-", dir=given.directory) as directory:
        try:
            soak(given, pathlib.Path(directory))
        except (Failure, Mismatch) as error:
            say(f"FAILED, seed {given.seed}: {error}")
            return 1
    say("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
