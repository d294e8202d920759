# SPDX-License-Identifier: MIT
"""Two guests at work on one helper while its workers are killed and it is reloaded: both are there at the end, and right.

The guests' shell works alone, and writes what it has done into memory of its own. What it is told to do again it does: an
error of input or output is allowed where a worker was killed, and no other.
"""

import hashlib
import os
import re
import signal
import stat
import time

import pytest
from support import proc
from support.forms import LONG
from support.helper import wait_for

TIMES = 10 if LONG else 3
PAUSE = 0.5  # seconds of work between one and the next, at least
ROUNDS = 2  # that each guest must do meanwhile, besides

# Makes, writes, reads, renames and removes, in a folder of its own. A step that fails is noted and done again; one that
# has taken effect although it failed must allow that: cp, ln -f, mkdir -p, rm -f; of mv the effect is looked at.
WORK = r"""
mkdir -p {name} && cd {name} && : >/tmp/log
retry() {{
    until "$@" 2>/tmp/error; do
        echo "failed $(tail -n 1 /tmp/error)" >>/tmp/log
    done
}}
move() {{ mv -f "$1" "$2" || {{ [ -e "$2" ] && [ ! -e "$1" ]; }}; }}
put() {{ echo "$1" >"$2"; }}
same() {{ sum=$(md5sum <"$2") && [ "$sum" = "$1" ] || {{ [ -n "$sum" ] && echo "different $2 $sum" >>/tmp/log; false; }}; }}
(
    seq 1 20000 >/tmp/content
    sum=$(md5sum </tmp/content)
    round=0
    while [ ! -e /tmp/over ]; do
        round=$((round + 1))
        retry mkdir -p $round
        retry cp /tmp/content $round/made
        retry move $round/made $round/moved
        retry ln -f $round/moved $round/linked
        retry put $round $round/number
        retry chmod 640 $round/number
        retry same "$sum" $round/linked
        retry rm -f $round/moved
        [ $round -lt 3 ] || retry rm -rf $((round - 2))
        echo "round $round" >>/tmp/log
    done
    echo over >>/tmp/log
) >/dev/null 2>&1 &
"""


class Worker:
    """A guest that works in its folder."""

    def __init__(self, guest, name):
        self.guest = guest
        self.name = name
        guest.run(WORK.format(name=name))

    def log(self):
        return self.guest.run("cat /tmp/log")

    def rounds(self):
        return len(re.findall(r"^round", self.log(), re.MULTILINE))

    def stop(self):
        self.guest.run(": >/tmp/over")
        wait_for(lambda: self.log().endswith("over"), timeout=120, what=f"the end of the {self.name} guest's work")

    def check(self, export):
        """What is there is what the log says, for the guest and for the host. Returns how often it did something again."""
        log = self.log().splitlines()
        failures = [line for line in log if not line.startswith("round")][:-1]
        assert all("I/O error" in line or "Input/output error" in line for line in failures), failures
        last = self.rounds()
        kept = [str(number) for number in (last - 1, last)]
        assert sorted(os.listdir(export / self.name), key=int) == kept
        assert self.guest.run(f"ls {self.name} | sort -n").split() == kept
        for number in kept:
            self.check_round(export, f"{self.name}/{number}", number)
        return len(failures)

    def check_round(self, export, path, number):
        host = export / path
        assert self.guest.run(f"ls {path}").split() == sorted(os.listdir(host)) == ["linked", "number"]
        content = (host / "linked").read_bytes()
        assert content == b"".join(b"%d\n" % line for line in range(1, 20001))
        assert self.guest.run(f"md5sum <{path}/linked").split()[0] == hashlib.md5(content).hexdigest()
        assert (host / "number").read_text() == f"{number}\n"
        assert self.guest.run(f"cat {path}/number") == number
        assert stat.S_IMODE(os.stat(host / "number").st_mode) == 0o640


@pytest.fixture
def workers(start_site):
    site = start_site("nobody", "nogroup")
    guests = [site.start_guest(), site.start_guest()]
    yield site, [Worker(guest.wait_until_ready(), name) for guest, name in zip(guests, ("first", "second"), strict=True)]
    print(site.helper.log())


def kill(helper):
    (worker,) = wait_for(lambda: [pid for pid in helper.children() if proc.state(pid) != "Z"], what="a worker")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: helper.children() and worker not in helper.children(), what="another worker", timeout=60)


def reload(helper):
    seen = helper.log().count("reload: ")
    os.kill(helper.pid, signal.SIGHUP)
    wait_for(lambda: helper.log().count("reload: ") > seen, what="the end of the reload", timeout=60)
    assert helper.log().count("reload: done") == seen + 1


def test_guests_survive_kills_and_reloads(workers, capsys):
    site, (first, second) = workers
    for _ in range(TIMES):
        for happens in (kill, reload):
            before = first.rounds(), second.rounds()
            time.sleep(PAUSE)
            happens(site.helper)
            wait_for(lambda: first.rounds() > before[0] and second.rounds() > before[1], what="work that goes on", timeout=120)
    for one in (first, second):
        wait_for(lambda: one.rounds() >= ROUNDS, what="two rounds", timeout=120)
        one.stop()
    again = [one.check(site.export) for one in (first, second)]
    assert "connection is cut" not in site.helper.log()
    assert site.helper.log().count("killed by signal 9") == TIMES
    rounds = first.rounds() + second.rounds()
    with capsys.disabled():
        print(f"\n2 guests, {TIMES} kills, {TIMES} reloads, {rounds} rounds of work, {sum(again)} steps done again after EIO")
