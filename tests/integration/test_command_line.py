# SPDX-License-Identifier: MIT
"""The command line: what is printed where, with which status, and that a mistake is named and changes nothing."""

import os
import re
import stat

import pytest
from support.helper import ROOT, Helper
from support.launch import run

OPTIONS = ["-p", "--path", "-s", "--socket", "-f", "--fd", "-u", "--uid", "-g", "--gid", "-n", "--nodaemon"]
OPTIONS += ["--config", "--fd-store", "--ready-fd", "--pid-file", "--control", "--log-level"]
OPTIONS += ["--allow-uid", "--max-clients", "--threads", "--busy-poll", "--sandbox", "--seccomp", "--idmap"]
OPTIONS += ["--readonly", "--no-devices", "--no-setid", "--xattr-policy"]
OPTIONS += ["--utime-quirk", "--rlimit-nofile", "--crash-limit", "--stuck-after", "-h", "--help", "--version"]

USAGE_ERROR = 2
LONGEST_NAME = 107  # of a socket: sun_path with its terminating NUL, unix(7)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_goes_to_stdout_and_lists_every_option(option):
    done = run(option)
    assert (done.returncode, done.stderr) == (0, "")
    for listed in OPTIONS:
        assert re.search(rf"(?<![\w-]){listed}(?![\w-])", done.stdout), f"{listed} is not in the help"


def test_help_lists_no_option_that_is_not_tested_here():
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", run("--help").stdout)) == set(OPTIONS)


def test_version_is_the_projects():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"virtfs-proxy-helper {version}\n", "")


def test_help_wins_over_what_is_missing():
    assert run("--path", "/nowhere", "--help").returncode == 0


GIVEN = ("--nodaemon", "--path", "/")
COMPLETE = (*GIVEN, "--socket", "name")

MISTAKES = {
    "nothing": ((), "--path"),
    "no path": (("--socket", "name"), "--path"),
    "no socket": (GIVEN, "--socket"),
    "no descriptor": (GIVEN, "--fd"),
    "descriptor for two things": ((*GIVEN, "--fd", "3", "--ready-fd", "3"), "--ready-fd 3"),
    "socket and descriptor": ((*COMPLETE, "--fd", "3"), "not both"),
    "unknown option": ((*COMPLETE, "--unknown"), "--unknown"),
    "unknown letter": ((*COMPLETE, "-z"), "'z'"),
    "option without its argument": ((*COMPLETE, "--uid"), "--uid"),
    "letter without its argument": ((*COMPLETE, "-u"), "'u'"),
    "argument for an option that has none": ((*COMPLETE, "--nodaemon=yes"), "--nodaemon"),
    "something that is no option": ((*COMPLETE, "stray"), "stray"),
    "name of a socket that is too long": ((*GIVEN, "--socket", "/" + LONGEST_NAME * "n"), "--socket"),
}

NOT_NUMBERS = ["", " 7", "7 ", "+7", "-1", "7x", "x", "0x10", "1e3", "99999999999999999999999"]
NOT_IDS = [*NOT_NUMBERS, "4294967295", "4294967296", "no-such-name"]
NOT_COUNTS = [*NOT_NUMBERS, "0", "4294967297"]

for option, wrong_values in (
    ("--uid", NOT_IDS),
    ("--gid", NOT_IDS),
    ("--allow-uid", NOT_IDS),
    ("--max-clients", NOT_COUNTS),
    ("--threads", NOT_COUNTS),
    ("--busy-poll", [*NOT_NUMBERS, "1001", "on"]),
    ("--crash-limit", ["", "10", "/", "10/", "/60", "10/0", "-1/60", "1001/60", "10/86401", "10/60/1", "12345678/60"]),
    ("--log-level", ["", "6", "warning", "Info", "all"]),
    ("--sandbox", ["", "none", "Chroot", "auto "]),
    ("--seccomp", ["", "on", "trap"]),
    ("--ready-fd", [*NOT_NUMBERS, "0", "2", "2147483648"]),
    ("--idmap", ["", "uid", "uid:0:1000", "uid:0:0:0,gid:0:0:1", "uid:-1:0:1,gid:0:0:1"]),
    ("--xattr-policy", ["", "hosts", "ALL", "0"]),
    ("--rlimit-nofile", [*NOT_COUNTS, "2147483648"]),
):
    for value in wrong_values:
        MISTAKES[f"{option} '{value}'"] = ((*COMPLETE, option, value), f"{option} '{value}'")
for value in [*NOT_NUMBERS, "2147483648"]:
    MISTAKES[f"--fd '{value}'"] = ((*GIVEN, "--fd", value), f"--fd '{value}'")


MISTAKES["a map of users alone"] = ((*COMPLETE, "--idmap", "uid:0:100000:65536"), "--idmap")
MISTAKES["a map without a namespace"] = ((*COMPLETE, "--sandbox=chroot", "--idmap=both:0:9:1"), "--sandbox=namespace")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named_on_stderr_with_status_2(mistake, tmp_path):
    args, named = MISTAKES[mistake]
    done = run(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (USAGE_ERROR, "")
    assert named in done.stderr
    assert "--help" in done.stderr
    assert os.listdir(tmp_path) == []


def test_longest_name_of_a_socket_is_served(export, tmp_path):
    """To a longer one QEMU could not connect."""
    base = "n" * (LONGEST_NAME - len(str(tmp_path)) - 1)
    with Helper(export, socket=tmp_path / base) as helper, helper.connect() as client:
        assert stat.S_ISDIR(client.lstat("/").mode)


@pytest.mark.parametrize(
    ("args", "owner"),
    [
        ((), (0, 0)),
        (("-u", "daemon", "-g", "tty"), (1, 5)),
        (("--uid", "1234", "--gid=4321"), (1234, 4321)),
        (("--uid=4294967294",), (4294967294, 0)),
    ],
)
def test_socket_belongs_to_the_user_and_group_given_by_name_or_number(export, args, owner):
    with Helper(export, args=args) as helper:
        made = os.lstat(helper.socket)
        assert (made.st_uid, made.st_gid) == owner
        assert stat.filemode(made.st_mode) == "srw-rw----"


def test_short_options_mean_the_same_as_long_ones(export, tmp_path):
    name = tmp_path / "socket"
    with Helper(export, socket=name, args=("-n", "-p", export, "-s", name)) as helper:
        with helper.connect() as client:
            assert stat.S_ISDIR(client.lstat("/").mode)
