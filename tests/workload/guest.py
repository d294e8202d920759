# SPDX-License-Identifier: MIT
"""One client's life: it comes, works in its own subtree, and goes, politely or not."""

import collections
import os
import random

from support.wire import ERROR, FD_REPLIES, MalformedReply, Client, Op, RemoteError, encode, message, request
from workload.model import DIR, Node, Tree
from workload.operations import Mismatch, Operations, expect

# Percent of the turns.
COME, GO, GO_RUDELY = 30, 1, 1

UNREAD = 3  # requests whose replies a rude client does not wait for


class Failure(Exception):
    """What went wrong, and in which request."""


class Guest:
    """The client with this number; all that it does follows from the seed, and from how often it is asked to."""

    def __init__(self, socket, number, seed, shared, facts):
        self.socket = socket
        self.number = number
        self.rng = random.Random(f"{seed}/{number}")
        self.tree = Tree(f"//c{number}", Node(DIR, 0o755, links=1))
        self.scratch = f"//s{number}"
        self.operations = Operations(self.rng, self.tree, shared, facts)
        self.client = None
        self.was_there = False
        self.turns = 0
        self.step = None
        self.counts = collections.Counter()

    # One turn: first all clients begin, then all finish, so that requests of many are under way at once

    def begin(self):
        self.turns += 1
        self.step = None
        if self.client is None:
            if self.percent(COME):
                self.connect()
            return
        if self.percent(GO_RUDELY):
            self.go_rudely()
        elif self.percent(GO):
            self.go()
        else:
            self.step = self.guarded(self.operations.next)
            self.guarded(lambda: self.client.send_raw(self.step.bytes()))

    def finish(self):
        if self.step:
            self.guarded(self.receive)

    def receive(self):
        step = self.step
        try:
            result = self.client.recv(step.op)
        except RemoteError as error:
            self.take_error(error.errno)
            return
        if step.error:
            if step.op in FD_REPLIES:
                os.close(result)
            raise Mismatch(f"it succeeded, expected errno {step.error} ({os.strerror(step.error)})")
        step.change()
        step.check(result)
        self.counts[step.op, True] += 1

    def take_error(self, error):
        expect("the errno", error, self.step.error)
        self.counts[self.step.op, False] += 1

    def guarded(self, action):
        try:
            return action()
        except (Mismatch, MalformedReply, OSError, EOFError) as error:
            step = self.step
            asked = f"{step.op.name} {step.fields}, raw {step.raw!r}" if step else "(no request)"
            raise Failure(f"client {self.number}, turn {self.turns}: {asked}: {error!r}") from error

    def percent(self, percent):
        return self.rng.random() * 100 < percent

    # Coming and going

    def connect(self):
        self.client = self.guarded(lambda: Client.connect(self.socket))

    def go(self):
        self.counts["gone"] += 1
        self.client.close()
        self.client = None

    def go_rudely(self):
        how = self.rng.choice((self.cut_short, self.leave_unread, self.leave_changes, self.break_protocol))
        self.guarded(how)
        self.counts[how.__name__] += 1
        self.client.close()
        self.client = None

    def cut_short(self):
        """In the middle of a request, which must then have no effect."""
        whole = self.operations.next().bytes()
        self.client.send_raw(whole[: self.rng.randrange(1, len(whole))])

    def leave_unread(self):
        """Without the replies, descriptors among them."""
        for _ in range(UNREAD):
            op = self.rng.choice((Op.OPEN, Op.OPEN, Op.LSTAT))
            fields = {"path": "//shared/file0"}
            self.client.send(op, **fields, **({"flags": os.O_RDONLY} if op == Op.OPEN else {}))

    def leave_changes(self):
        """Whether they are made nobody knows: not in the subtree that has a model."""
        name = f"{self.scratch}/{self.rng.randrange(50)}"
        owner = {"uid": 1000, "gid": 1000}
        create = request(Op.CREATE, path=name, flags=os.O_CREAT | os.O_RDWR, mode=0o600, **owner)
        mkdir = request(Op.MKDIR, path=name, mode=0o700, **owner)
        remove = request(Op.REMOVE, path=name)
        self.client.send_raw(b"".join(self.rng.choices((create, mkdir, remove), k=UNREAD)))

    def break_protocol(self):
        """With a type that there is not, which costs it its connection."""
        self.client.send_raw(message(self.rng.choice((0, ERROR, 22, 1 << 31)), encode(Op.LSTAT, path="/")))
        self.client.expect_reset()

    # Pauses, in which all are there or none is: what follows does not depend on when they come

    def be_there(self):
        self.was_there = self.client is not None
        if self.client is None:
            self.connect()
        self.guarded(lambda: self.client.lstat("/"))

    def be_away(self):
        self.client.close()
        self.client = None

    def come_back(self):
        if self.was_there:
            self.connect()

    def close(self):
        if self.client:
            self.go()
        for fd, _ in self.operations.held:
            os.close(fd)
