# SPDX-License-Identifier: MIT
"""SECURITY.md: each lesson has its tests, and they exist. The AppArmor profile: it parses, and knows what is there."""

import pathlib
import re
import subprocess

import pytest
from support.helper import OURS
from support.units import SERVICE, SOCKET
from support.units import parse as parse_unit

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECURITY = (ROOT / "SECURITY.md").read_text()
PROFILE = ROOT / "contrib/apparmor/virtfs-proxy-helper"

# Of this class of programs; a lesson that is learnt from one more is a row there, and a line here.
LESSONS = """
2015-8556 2016-7116 2016-8578 2016-9104 2016-9602 2017-7471 2019-14850 2019-14851 2020-10717 2020-35517 2021-20181
2021-20263 2022-0358 2022-25643 2023-1386 2023-2861 2026-93834
""".split()


def rows():
    """The cells of the table: CVEs, what went wrong, tests."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| CVE-.*", SECURITY, re.M)]


TESTS = sorted({test for row in rows() for test in re.findall(r"`([^`]+)`", row[2])})


def test_each_lesson_is_in_the_table_once():
    assert sorted(cve for row in rows() for cve in re.findall(r"CVE-([\d-]+)", row[0])) == LESSONS


def test_each_row_has_tests():
    for row in rows():
        assert len(row) == 3 and re.fullmatch(r"`[^`]+`(, `[^`]+`)*", row[2]), row


@pytest.mark.parametrize("test", TESTS)
def test_named_test_is_there_and_is_run(test):
    path, name = test.split("::")
    source = (ROOT / path).read_text()
    builds = (ROOT / path).parent / "meson.build", ROOT / "tests/meson.build"
    module = pathlib.Path(path).stem.removeprefix("test_")
    known = "".join(build.read_text() for build in builds if build.exists())
    assert f"'{module}'" in known, f"meson does not know {module}"
    if path.endswith(".py"):
        assert re.search(rf"^def {name}\(", source, re.MULTILINE)
    else:
        assert len(re.findall(rf"\b{name}\b", source)) >= 2, "defined, and in the list of those that are run"


def test_options_that_are_named_exist():
    help_text = subprocess.run([OURS, "--help"], capture_output=True, text=True, check=True).stdout
    for option in set(re.findall(r"`(--[a-z-]+)", SECURITY)) - {"--bind"}:
        assert option in help_text, option


# AppArmor


def parse(profile):
    """Into the policy that a kernel of that ABI would take; no kernel is asked, and nothing is left behind."""
    command = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--skip-read-cache"]
    command += ["--kernel-features", "/etc/apparmor.d/abi/3.0", profile]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_profile_parses():
    done = parse(PROFILE)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr


TO_ADD = re.findall(r"^#   (/\S+ [rwlk]+,)$", PROFILE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("rule", TO_ADD)
def test_profile_parses_with_what_it_says_is_to_be_added(rule, tmp_path):
    """Each rule that its head proposes, in the place of the file that would hold it."""
    assert len(TO_ADD) >= 4
    rule = f"  {rule}\n"
    completed = tmp_path / "profile"
    completed.write_text(PROFILE.read_text().replace("  include if exists <local/virtfs-proxy-helper>\n", rule))
    assert rule in completed.read_text()
    assert parse(completed).returncode == 0


def test_profile_allows_every_capability_that_the_worker_keeps():
    source = (ROOT / "src/worker/credentials.c").read_text() + (ROOT / "include/worker/credentials.h").read_text()
    kept = {name.lower() for name in re.findall(r"\bCAP_((?:CHOWN|DAC|FOWNER|FSETID|SET|MKNOD)\w*)\b", source)}
    assert len(kept) >= 7
    allowed = set(re.findall(r"\w+", " ".join(re.findall(r"^  capability (.*),", PROFILE.read_text(), re.MULTILINE))))
    assert kept <= allowed


def pattern(glob):
    """A name in a rule, apparmor.d(5), as a regular expression."""
    translated = {"**": ".*", "*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}
    translated |= {"@{PROC}": "/proc", "@{pid}": r"\d+", "@{pids}": r"\d+"}
    parts = re.split(r"(@\{\w+\}|\*\*|[*{},])", glob)
    return "".join(translated.get(part, re.escape(part)) for part in parts)


FILE_RULES = re.findall(r"^  (\S*/\S*) ([rwklmix]+),$", PROFILE.read_text(), re.MULTILINE)


def names_of_the_service():
    """What contrib/systemd has the helper listen on, for an instance."""
    listen = parse_unit(SOCKET)["Socket"]["ListenStream"]
    control = re.findall(r"--control (\S+)", " ".join(parse_unit(SERVICE)["Service"]["ExecStart"]))
    return [name.replace("%i", "share") for name in listen + control]


# What strace(1) shows of a helper with all of its options, but for the C library's and the export's.
NEEDED = [
    *((name, "rw") for name in names_of_the_service()),
    *((f"/run/{place}/", "rwk") for place in ("virtfs", "virtfs-proxy")),
    ("/run/virtfs/.share.sock.11e2d35255865dde/", "rw"),
    ("/run/virtfs/.share.sock.11e2d35255865dde/socket", "rw"),
    ("/run/virtfs/share.control", "rw"),
    ("/run/virtfs/.share.pid.7aee29f465e2ce0a", "wk"),
    ("/run/virtfs/share.pid", "rwk"),
    ("/run/systemd/notify", "w"),
    ("/etc/virtfs-proxy/share.conf", "r"),
    ("/etc/xattr.conf", "r"),
    ("/proc/77/comm", "r"),
    ("/proc/77/fd/", "r"),
    ("/proc/77/mountinfo", "r"),
    ("/proc/77/smaps_rollup", "r"),
]


@pytest.mark.parametrize(("name", "access"), NEEDED)
def test_profile_allows_what_the_helper_touches(name, access):
    allowed = set().union(*(modes for glob, modes in FILE_RULES if re.fullmatch(pattern(glob), name)))
    assert set(access) <= allowed, f"{name} {access}: {''.join(sorted(allowed))}"


def test_profile_does_not_allow_everything():
    """Or the test above could not fail."""
    for name in ("/etc/shadow", "/run/other/share.sock", "/run/virtfsx/s", "/proc/77/mem"):
        assert not any(re.fullmatch(pattern(glob), name) for glob, _ in FILE_RULES), name
