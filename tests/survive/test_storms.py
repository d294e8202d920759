# SPDX-License-Identifier: MIT
"""Many clients at work while workers are killed, the helper is reloaded, or both: none of them is lost.

Each works at random in a subtree of its own, and holds every answer against a model of it. What all of it follows from
but for the moments at which things happen is a seed, which is printed; VPH_SEED gives one.
"""

import collections
import multiprocessing
import os
import random
import re
import signal
import threading
import time

import pytest
from support import control, proc
from support.forms import LONG
from support.helper import SANITIZER_WORDS, Helper, wait_for
from workload.compare import compare
from workload.crowd import Crowd, facts_of, make_export, make_shared
from workload.survivor import PATIENCE, Survivor, exists

CLIENTS, PROCESSES = 64, 4
TIMES = 100 if LONG else 30
PAUSE = 0.3  # seconds at most between one and the next, which half of them do without
RELOAD_MOST = 0.1  # about what one takes: a kill that is to hit it comes within that

KILLS_MOST = 1000


class Storm:
    """A helper and its clients; and what is done to it, with the moments at which it was."""

    def __init__(self, directory, seed, kills):
        self.rng = random.Random(seed)
        self.control = directory / "control"
        self.export = directory / "export"
        make_export(self.export, CLIENTS)
        self.shared = make_shared(self.export / "shared")
        self.names = sorted(os.listdir(self.export))
        self.killed = multiprocessing.RawArray("i", KILLS_MOST)
        self.kills = []  # when each began, and when the process was gone
        self.reloads = collections.Counter()
        facts = facts_of(self.export)
        # The crashes are counted anew after a second: the pauses that grow with them are not what this is about.
        self.helper = Helper(self.export, args=("--control", self.control, "--crash-limit", f"{KILLS_MOST}/1"))
        self.crowd = Crowd([self.survivor(number, seed, facts, kills) for number in range(CLIENTS)], PROCESSES, self.export)

    def survivor(self, number, seed, facts, kills):
        root = str(self.export / f"c{number}")
        return Survivor(self.helper.socket, number, seed, self.shared, facts, root, self.killed if kills else None)

    def kill(self):
        """The process that serves, or another of the monitor's: one that is retired, its successor, a rehearsal."""
        pid, began = wait_for(self.hit, PATIENCE, "a worker")
        wait_for(lambda: not exists(pid), PATIENCE, "the end of a process that was killed")
        self.kills.append((began, time.monotonic()))

    def hit(self):
        """Kills one; returns which, and when. None: there is none, or it had ended by itself just then."""
        processes = self.processes()
        if not processes:
            return None
        pid, began = self.rng.choice(processes), time.monotonic()
        self.killed[len(self.kills)] = pid  # before: who gets EIO waits for its end
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return pid, began

    def processes(self):
        return [pid for pid in self.helper.children() if not proc.has_ended(pid)]

    def reload(self):
        """By either way that there is, to its end."""
        ask = self.rng.choice((lambda: control.ask(self.control, "reload"), self.hang_up))
        self.reloads["done" if ask().startswith("done") else "failed"] += 1

    def hang_up(self):
        """By the signal, whose end the log alone tells."""
        seen = len(self.helper.log())
        os.kill(self.helper.pid, signal.SIGHUP)

        def said():
            return re.findall(r"reload: (.*)\n", self.helper.log()[seen:])

        return wait_for(said, PATIENCE, "the end of the reload")[0]

    def reload_and_kill(self):
        """At the same time. Whether that is a reload that fails or one that does not is left to chance."""
        thread = threading.Thread(target=self.reload)
        thread.start()
        time.sleep(self.rng.random() * RELOAD_MOST)
        self.kill()
        thread.join()

    def rage(self, *actions):
        """Does each of them once, at random moments, while all clients work."""
        self.crowd.tell("each", "come")
        self.crowd.order("run_until_over")
        for action in actions:
            if self.rng.random() < 0.5:
                self.wait_for_work()
            if self.crowd.has_answered():
                break
            action(self)
        time.sleep(PAUSE)
        self.crowd.over.set()
        self.counts = sum(self.crowd.answers(), collections.Counter())
        self.crowd.tell("each", "look_at_the_end")

    def wait_for_work(self):
        """Until somebody is served, and for a while."""
        with self.helper.connect(PATIENCE) as client:
            client.lstat("/")
        time.sleep(self.rng.random() * PAUSE)

    def check(self):
        """That everybody has lived, and what is left."""
        failures = sum(self.collect("failures"), [])
        for sent, answered in failures:
            assert any(began <= answered and sent <= ended for began, ended in self.kills), "EIO, and nobody was killed"
        self.status = wait_for(self.status_of_all, PATIENCE, f"a status of {CLIENTS} clients")
        objects = sum(self.crowd.tell("compare"))
        objects += compare(str(self.export / "shared"), self.shared.root)
        assert sorted(os.listdir(self.export)) == self.names
        assert self.helper.poll() is None and self.helper.stop(30) == 0
        log = self.helper.log()
        assert "connection is cut" not in log
        assert not any(word in log for word in SANITIZER_WORDS), log
        self.failures, self.objects = len(failures), objects

    def status_of_all(self):
        """When who came to wait for work is gone."""
        status = control.status(self.control)
        return status if len(status["clients"]) == CLIENTS else None

    def collect(self, what):
        return sum(self.crowd.tell("collect", what), [])

    def describe(self, sent):
        effective, without = self.counts["with effect"], self.counts["without effect"]
        return (
            f"{CLIENTS} clients, none lost; {len(self.kills)} kills, reloads: {dict(self.reloads)}; {sent} requests, "
            f"{self.failures} answered with EIO, {effective} of them effective and {without} not; {self.objects} objects as modelled"
        )

    def close(self):
        self.crowd.end()
        self.helper.kill()


@pytest.fixture
def seed(capsys, request):
    chosen = int(os.environ.get("VPH_SEED") or random.SystemRandom().randrange(10**9))
    with capsys.disabled():
        print(f"\n{request.node.name}: seed {chosen}", flush=True)
    return chosen


@pytest.fixture
def umask():
    """The model has the modes that it asks for."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def storm(tmp_path, seed, umask, capsys, request):
    """Has one rage, with kills or without; prints what became of it."""
    storms = []

    def run(*actions, kills):
        storms.append(Storm(tmp_path, seed, kills))
        storms[0].rage(*actions)
        sent = sum(storms[0].collect("sent"))
        storms[0].check()
        with capsys.disabled():
            print(f"{request.node.name}: {storms[0].describe(sent)}", flush=True)
        return storms[0], sent

    yield run
    for one in storms:
        print(one.helper.log()[-20000:])
        one.close()


def test_kills(storm):
    """Each request has one answer: the model's, or EIO if it was under way at a kill, and then it is done or not done."""
    done, _ = storm(*[Storm.kill] * TIMES, kills=True)
    assert len(done.kills) == TIMES and done.status["worker_restarts"] == TIMES


def test_reloads(storm):
    """Nothing fails, and all that was asked for is counted once."""
    done, sent = storm(*[Storm.reload] * TIMES, kills=False)
    assert done.reloads == {"done": TIMES}
    assert done.status["worker_restarts"] == 0
    assert sum(client["requests"] for client in done.status["clients"]) == sent + CLIENTS, "with one at the end of each"


def test_kills_and_reloads(storm, seed):
    """One after the other or at the same time; a kill may hit any process that there is."""
    actions = [Storm.kill, Storm.reload, Storm.reload_and_kill] * (TIMES // 3)
    random.Random(seed).shuffle(actions)
    done, _ = storm(*actions, kills=True)
    assert done.reloads.total() == actions.count(Storm.reload) + actions.count(Storm.reload_and_kill)
