# SPDX-License-Identifier: MIT
"""virtfs-proxyctl top, in a terminal of its own: what it shows, its keys, and that the terminal comes back."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest
from support import control
from support.helper import wait_for

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def socket_path(run_directory):
    return run_directory / "control"


@pytest.fixture
def helper_arguments(socket_path):
    return ("--control", str(socket_path))


class Terminal:
    """A pseudo-terminal with a program in it, in a session of its own."""

    def __init__(self, command, rows=24, columns=100):
        self._ours, self.theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.theirs)
        self.seen = b""
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, start_new_session=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)

    def resize(self, rows, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self._ours], [], [], 0)[0]:
            self.seen += os.read(self._ours, 65536)
        return self.seen

    def press(self, keys):
        os.write(self._ours, keys)

    def forget(self):
        self.read()
        self.seen = b""

    def pictures(self):
        """The lines of each whole picture since forget()."""
        for picture in self.read().split(b"\x1b[H")[1:-1]:
            text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", picture)
            yield [line.strip("\r") for line in text.decode("ascii").split("\n")]

    def wait_for(self, condition, what):
        """The lines of a picture for which it is true."""
        return wait_for(lambda: next((p for p in self.pictures() if condition(p)), None), what=what)

    def wait_for_end(self):
        self.process.wait(20)
        return self.read()


@contextlib.contextmanager
def top(path, **size):
    with Terminal([control.PROXYCTL, "top", "--interval", "0.1", str(path)], **size) as terminal:
        wait_for(lambda: ENTER in terminal.read(), what="the other screen")
        yield terminal


def is_back(terminal):
    return termios.tcgetattr(terminal.theirs) == terminal.before and terminal.read().rstrip().endswith(LEAVE)


def column_of(lines, name):
    """The values of a column, by the end of its head: numbers are to the right."""
    (head,) = [number for number, line in enumerate(lines) if "REQUESTS" in line]
    end = lines[head].index(name) + len(name)
    return [line[:end].split()[-1] for line in lines[head + 1 :] if line.strip()]


def test_it_shows_clients_and_ends_with_q(helper, client, socket_path):
    with top(socket_path) as terminal:
        client.lstat("/")
        lines = terminal.wait_for(lambda lines: any(str(os.getpid()) in line for line in lines), "the client")
        assert any("1 of 256 clients" in line for line in lines)
        assert termios.tcgetattr(terminal.theirs) != terminal.before
        terminal.press(b"q")
        terminal.wait_for_end()
        assert terminal.process.returncode == 0 and is_back(terminal)


def test_rates_are_shown(helper, client, socket_path):
    with top(socket_path) as terminal:

        def is_busy(lines):
            client.lstat("/")
            rates = column_of(lines, "REQ/S")
            return rates and float(rates[0]) > 5

        terminal.wait_for(is_busy, "a rate")


def test_keys_sort(helper, socket_path):
    with helper.connect() as few, helper.connect() as many, top(socket_path) as terminal:
        few.lstat("/")
        for _ in range(5):
            many.lstat("/")
        for key, order in ((b"c", ["5", "1"]), (b"n", ["1", "5"])) * 2:
            terminal.forget()
            terminal.press(key)
            terminal.wait_for(lambda lines: column_of(lines, "REQUESTS") == order, f"the order of {key}")


def test_pictures_fit_the_terminal(helper, socket_path):
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(helper.connect()).lstat("/")
        terminal = stack.enter_context(top(socket_path, rows=10, columns=40))
        lines = terminal.wait_for(lambda lines: len(lines) == 10, "a full picture")
        assert max(map(len, lines)) == 40
        terminal.resize(5, 20)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.forget()
        lines = terminal.wait_for(lambda lines: len(lines) == 5, "a smaller picture")
        assert max(map(len, lines)) == 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_terminal_comes_back_after_a_signal(helper, socket_path, number):
    with top(socket_path) as terminal:
        terminal.process.send_signal(number)
        terminal.wait_for_end()
        assert terminal.process.returncode == -number and is_back(terminal)


def test_the_terminal_comes_back_while_it_is_stopped(helper, socket_path):
    with top(socket_path) as terminal:
        terminal.process.send_signal(signal.SIGTSTP)
        wait_for(lambda: is_back(terminal), what="the terminal back")
        terminal.forget()
        terminal.process.send_signal(signal.SIGCONT)
        wait_for(lambda: ENTER in terminal.read(), what="the other screen again")
        terminal.press(b"q")
        terminal.wait_for_end()
        assert is_back(terminal)


def test_a_helper_that_is_gone_is_told(helper, socket_path):
    with top(socket_path) as terminal:
        helper.stop()
        terminal.wait_for(lambda lines: "No such file" in lines[1], "the error")
        terminal.press(b"q")
        terminal.wait_for_end()
        assert terminal.process.returncode == 0


def test_it_needs_a_terminal(helper, socket_path):
    without = control.run("top", socket_path)
    assert without.returncode == 2 and "no terminal" in without.stderr
    assert control.run("top", "--interval", "0", socket_path).returncode == 2
