# SPDX-License-Identifier: MIT
"""What the clients work in, and the processes that they are spread over: one could not keep a helper busy."""

import collections
import multiprocessing
import os
import signal
import time
import traceback
import types

from support.helper import Helper
from workload.compare import compare
from workload.guest import Failure
from workload.model import DIR, LNK, REG, Node, Tree
from workload.operations import Mismatch, expect


# What is exported


def make_shared(path):
    """Files that all read; returns their model."""
    tree = Tree("//shared", Node(DIR, 0o755))
    path.mkdir()
    for number in range(5):
        name, content = f"file{number}", bytes([number]) * number * 1000
        (path / name).write_bytes(content)
        (path / name).chmod(0o640)
        os.setxattr(path / name, "user.a", content[:100])
        node = Node(REG, 0o640, content=bytearray(content), xattrs={"user.a": content[:100]}, links=1)
        tree.root.children[name] = node
    (path / "link").symlink_to("file0")
    tree.root.children["link"] = Node(LNK, target=b"file0", links=1)
    return tree


def make_export(path, clients):
    path.mkdir(mode=0o755)
    for number in range(clients):
        for prefix in "cs":
            (path / f"{prefix}{number}").mkdir()
            (path / f"{prefix}{number}").chmod(0o755)


def facts_of(path):
    """What the model cannot know of the file system."""
    with Helper(path) as helper, helper.connect() as client:
        seen = client.statfs("/")
    host = os.statvfs(path)
    expect("what STATFS says", (seen.frsize, seen.blocks, seen.namelen), (host.f_frsize, host.f_blocks, host.f_namemax))
    return types.SimpleNamespace(statfs=seen, foreign_names=sum(len(os.fsencode(n)) + 1 for n in os.listxattr(path)))


# A process with some of the clients


class Group:
    """Runs its clients when it is told to, over the pipe."""

    def __init__(self, pipe, export, guests, over):
        self.pipe = pipe
        self.export = export
        self.guests = guests
        self.over = over

    def main(self):
        """In the child. Anything that goes wrong is the last thing that it says."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while True:
                command, *rest = self.pipe.recv()
                self.pipe.send((True, getattr(self, command)(*rest)))
        except EOFError:
            return
        except (Failure, Mismatch) as error:
            self.pipe.send((False, str(error)))
        except BaseException:
            self.pipe.send((False, traceback.format_exc()))

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        return self.run_while(lambda: time.monotonic() < end)

    def run_until_over(self):
        return self.run_while(lambda: not self.over.is_set())

    def run_while(self, condition):
        """Returns what all have counted so far."""
        while condition():
            for guest in self.guests:
                guest.begin()
            for guest in self.guests:
                guest.finish()
        return sum((guest.counts for guest in self.guests), collections.Counter())

    def each(self, what):
        for guest in self.guests:
            getattr(guest, what)()

    def collect(self, what):
        return [getattr(guest, what) for guest in self.guests]

    def compare(self):
        """Returns how many objects there are."""
        self.each("close")
        return sum(compare(str(self.export / f"c{guest.number}"), guest.tree.root) for guest in self.guests)


class Crowd:
    """All processes with clients. `over` is for run_until_over: who sets it ends that."""

    def __init__(self, guests, processes, export):
        self.over = multiprocessing.Event()
        self.pipes = []
        self.processes = []
        for index in range(processes):
            ours, theirs = multiprocessing.Pipe()
            group = Group(theirs, export, guests[index::processes], self.over)
            self.processes.append(multiprocessing.Process(target=group.main, daemon=True))
            self.processes[-1].start()
            theirs.close()
            self.pipes.append(ours)

    def tell(self, *command):
        """Has all do something at the same time; returns what they answer."""
        self.order(*command)
        return self.answers()

    def order(self, *command):
        for pipe in self.pipes:
            pipe.send(command)

    def answers(self):
        return [self.answer(pipe) for pipe in self.pipes]

    def has_answered(self):
        """Whether one has, which in the middle of work means that something went wrong."""
        return any(pipe.poll() for pipe in self.pipes)

    def answer(self, pipe):
        try:
            good, result = pipe.recv()
        except EOFError:
            raise Failure("a process with clients has died") from None
        if not good:
            raise Failure(result)
        return result

    def end(self):
        for process in self.processes:
            process.kill()
            process.join()
