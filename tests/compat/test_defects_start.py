# SPDX-License-Identifier: MIT
"""Defects of upstream in how it starts: its socket's name and rights, its arguments, its exit status, its log."""

import contextlib
import grp
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile

from support.helper import holds_listener, open_files, wait_for
from support.wire import Client, EndOfFile

from .defects import defect, judge, parametrize
from .implementations import connect_soon, daemons_of, family

CHECKS = []
CRITICAL = 2
NOBODY = 65534
CHANGES = "chown,lchown,fchown,fchownat,chmod,fchmod,fchmodat"


@contextlib.contextmanager
def place():
    """A directory with an export and a short name, for sockets; whatever daemon serves one of them ends with it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vph-"))
    (directory / "export").mkdir(mode=0o755)
    names = [str(directory / name) for name in ("socket", "export")]
    try:
        with daemons_of(*names):
            yield directory
    finally:
        shutil.rmtree(directory)


def arguments(directory):
    return ("-p", directory / "export", "-s", directory / "socket", "-u", "0", "-g", "0")


def delayed(calls, milliseconds):
    """A command that starts another, in which these system calls begin late. The process stays the child."""
    return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={calls}:delay_enter={milliseconds * 1000}"]


@contextlib.contextmanager
def launched(command):
    """Runs a program in the foreground; it may not be ready yet."""
    words, null = [str(word) for word in command], subprocess.DEVNULL
    with subprocess.Popen(words, stdin=null, stderr=null) as process:
        try:
            yield process
        finally:
            process.kill()


def rights(path):
    facts = os.lstat(path)
    return facts.st_uid, facts.st_gid, oct(stat.S_IMODE(facts.st_mode))


# 14: the socket's name


@defect(CHECKS, "14-name-before-rights", AssertionError, r"\(0, 0, ")
def check_first_sight(implementation, _):
    """Defect 14: the socket's name exists for a moment with an owner and a mode that are not its own."""
    with place() as directory:
        path = directory / "socket"
        command = [implementation.binary, "-n", "-p", directory / "export", "-s", path, "-u", NOBODY, "-g", NOBODY]
        with launched([*delayed(CHANGES, 200), *command]):
            wait_for(lambda: os.path.lexists(path), what="the socket's name")
            assert rights(path) == (NOBODY, NOBODY, "0o660")


@defect(CHECKS, "14-chown-follows-planted-link", AssertionError, "the victim's owner")
def check_planted_link(implementation, _):
    """Defect 14: it changes the owner of its socket by name, as root: a link put there hands over any file."""
    with place() as directory:
        path, victim = directory / "socket", directory / "victim"
        victim.touch()
        command = [implementation.binary, "-n", "-p", directory / "export", "-s", path, "-u", NOBODY, "-g", NOBODY]
        with launched([*delayed(CHANGES, 200), *command]) as process:
            wait_for(lambda: os.path.lexists(path), what="the socket's name")
            path.unlink()
            path.symlink_to(victim)
            wait_for(lambda: holds_listener(process.pid), what="a listening socket")
        assert os.stat(victim).st_uid == 0, "the victim's owner has changed"


# 15: becoming a daemon


@defect(CHECKS, "15-relative-path", (ConnectionError, EndOfFile, TimeoutError))
def check_relative(implementation, _):
    """Defect 15: a relative --path means another directory once it is a daemon, which has gone to the root."""
    with place() as directory:
        implementation.run(*("-p", "export", "-s", directory / "socket", "-u", "0", "-g", "0"), cwd=directory)
        with connect_soon(directory / "socket", implementation.patience) as client:
            assert client.lstat("/").ino == os.stat(directory / "export").st_ino


@defect(CHECKS, "15-returns-before-its-socket", FileNotFoundError)
def check_readiness(implementation, _):
    """Defect 15: the command returns 0 before there is a socket to connect to."""
    with place() as directory:
        done = implementation.run(*arguments(directory), prefix=delayed("bind", 300))
        assert done.returncode == 0, done.stderr
        with Client.connect(directory / "socket") as client:
            client.lstat("/")


@defect(CHECKS, "15-failures-exit-0", AssertionError, "status 0")
def check_failures(implementation, _):
    """Defect 15: nearly every failure to start ends with status 0, and often without a word."""
    with place() as directory, socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as pair:
        live.bind(str(directory / "live"))
        live.listen()
        (directory / "file").touch()
        wrong = []
        for mode in ([], ["--nodaemon"]):
            for name, words in bad_starts(directory, pair.fileno()).items():
                done = implementation.run(*words, *mode, pass_fds=[pair.fileno()], **identity(name))
                if done.returncode != 1 or not done.stderr.strip():
                    wrong.append(f"{name}: status {done.returncode}, said {done.stderr!r}")
        assert not wrong, "\n".join(wrong)


def bad_starts(directory, descriptor):
    """What cannot be started, each for its own reason."""
    export, ids = ("-p", directory / "export"), ("-u", "0", "-g", "0")
    return {
        "no such directory to export": ("-p", directory / "missing", "-s", directory / "socket", *ids),
        "a file to export": ("-p", directory / "file", "-s", directory / "socket", *ids),
        "no directory for the socket": (*export, "-s", directory / "missing/socket", *ids),
        "a file in the socket's place": (*export, "-s", directory / "file", *ids),
        "a socket that another listens on": (*export, "-s", directory / "live", *ids),
        "a closed descriptor": (*export, "-f", "99"),
        "not root": ("-p", "/", "-f", descriptor),
    }


def identity(name):
    """Whom to run a bad start as."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if name == "not root" else {}


# 16: numbers that are none


@defect(CHECKS, "16-user-name-means-root", AssertionError, r"\(0, 0, ")
def check_names(implementation, _):
    """Defect 16: -u nobody means root."""
    user, group = pwd.getpwnam("nobody"), grp.getgrnam("nogroup")
    with place() as directory:
        command = [implementation.binary, "-n", "-p", directory / "export", "-s", directory / "socket"]
        with launched([*command, "-u", "nobody", "-g", "nogroup"]) as process:
            wait_for(lambda: (directory / "socket").exists() and holds_listener(process.pid), what="the socket")
            assert rights(directory / "socket") == (user.pw_uid, group.gr_gid, "0o660")


@defect(CHECKS, "16-words-as-numbers", AssertionError, "status 0")
def check_words(implementation, _):
    """Defect 16: -f abc means descriptor 0, and -u abc or -g abc root."""
    with place() as directory:
        named = ("-p", directory / "export", "-s", directory / "socket")
        inherited = ("-p", directory / "export", "--nodaemon")
        wrong = []
        for word, words in (
            ("abc", (*inherited, "-f", "abc")),
            ("0x", (*inherited, "-f", "0x")),
            ("no-such-user", (*named, "-u", "no-such-user", "-g", "0")),
            ("no-such-group", (*named, "-u", "0", "-g", "no-such-group")),
            ("-1", (*named, "-u", "0", "-g", "-1")),
        ):
            done = implementation.run(*words)
            if done.returncode != 2 or word not in done.stderr:
                wrong.append(f"{word}: status {done.returncode}, said {done.stderr!r}")
        assert not wrong, "\n".join(wrong)


@defect(CHECKS, "16-all-lines-critical", AssertionError, "is critical")
def check_log(implementation, _):
    """Defect 16: every line of its log is critical, also that a client came or went."""
    with place() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(directory / "log"))
        log.settimeout(10)
        implementation.run(*arguments(directory), prefix=with_syslog(directory / "log"))
        with connect_soon(directory / "socket", 10) as client:
            client.lstat("/")
        line = log.recv(4096).decode()
        severity = int(re.match(r"<(\d+)>", line).group(1)) & 7
        assert severity > CRITICAL, f"{line!r} is critical"


def with_syslog(log):
    """A command that starts another where /dev/log, in a namespace of its own, is the socket `log`."""
    script = f'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s {log} /dev/log && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


# 24: what the launcher had open


@defect(CHECKS, "24-inherited-descriptors", AssertionError, "still open")
def check_descriptors(implementation, tmp_path):
    """Defect 24: descriptors that its launcher left open stay open in a process of root's."""
    (tmp_path / "secret").touch()
    for name in ("export", "outside"):
        (tmp_path / name).mkdir()
    command = f"exec 7<{tmp_path}/secret 8<{tmp_path}/outside 9>>{tmp_path}/secret; exec"
    with implementation.start_through(command, tmp_path / "export", tmp_path) as helper:
        with implementation.connect(helper) as client:
            client.lstat("/")
            targets = {target for pid in family(helper.pid) for target in open_files(pid)}
        stayed = targets & {str(tmp_path / "secret"), str(tmp_path / "outside")}
        assert not stayed, f"still open: {stayed}"


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
