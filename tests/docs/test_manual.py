# SPDX-License-Identifier: MIT
"""What the manual, the README and --help say, held against one another and against the program."""

import os
import pathlib
import re
import subprocess

import pytest
from support import control
from support.helper import OURS, wait_for
from support.wire import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANUAL = ROOT / "man/virtfs-proxy-helper.1"
PROXYCTL_MANUAL = ROOT / "man/virtfs-proxyctl.1"
README = (ROOT / "README.md").read_text()


def options_of_help():
    text = subprocess.run([OURS, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  +(?:-\w, +)?(--[\w-]+)", text, re.MULTILINE))


def options_of_manual():
    """Those that have an entry of their own in OPTIONS, and their letters, if they have one."""
    section = MANUAL.read_text().split(".Sh OPTIONS")[1].split(".Sh ")[0]
    items = [re.findall(r"Fl ([\w-]+)", line) for line in section.splitlines() if line.startswith(".It Fl")]
    return {f"-{names[-1]}": names[0] for names in items}


def test_each_option_is_in_help_and_manual():
    assert len(options_of_help()) >= 10
    assert options_of_help() == set(options_of_manual())


def test_synopsis_names_each_option():
    synopsis = MANUAL.read_text().split(".Sh SYNOPSIS")[1].split(".Sh ")[0]
    for shortest in options_of_manual().values():
        assert re.search(rf"Fl {shortest}(?![\w-])", synopsis), shortest


@pytest.mark.parametrize("manual", [MANUAL, PROXYCTL_MANUAL], ids=["helper", "proxyctl"])
def test_manual_has_no_fault(manual):
    """But for references to pages that are not installed on this machine."""
    result = subprocess.run(["mandoc", "-Tlint", manual], capture_output=True, text=True)
    assert [line for line in result.stdout.splitlines() if "referenced manual not found" not in line] == []


def test_each_command_of_proxyctl_is_in_its_manual():
    commands = re.findall(r"^  (\w+) +[A-Z]", control.run("--help").stdout, re.MULTILINE)
    assert {"status", "top", "metrics"} <= set(commands)
    for command in commands:
        assert re.search(rf"^\.It Cm {command}\b", PROXYCTL_MANUAL.read_text(), re.MULTILINE), command


def test_each_key_of_top_is_in_its_manual():
    keys = re.search(r'static const char keys\[\] =\n\t"q quit   sort: (.*)"', (ROOT / "src/ctl/top.c").read_text())[1]
    for key in re.findall(r"(?:^|  )(\w) ", keys):
        assert f".Cm {key}\n" in PROXYCTL_MANUAL.read_text(), key


@pytest.mark.parametrize("value", ["256", "64"])
def test_defaults_in_help_are_in_the_manual(value):
    help_text = subprocess.run([OURS, "--help"], capture_output=True, text=True, check=True).stdout
    assert f"({value})" in help_text
    assert re.search(rf"\b{value} if not\s+given", MANUAL.read_text())


def printf_example(text):
    """The line with printf and socat, in one line."""
    return re.search(r"printf '.*?od -v -A d -t x1", text.replace("\\e", "\\").replace("|\n", "| "), re.DOTALL)[0]


@pytest.mark.parametrize("source", [README, MANUAL.read_text()], ids=["readme", "manual"])
def test_socat_example(helper, source):
    line = printf_example(source)
    assert "/run/virtfs/share.sock" in line
    shell = line.replace("/run/virtfs/share.sock", helper.socket)
    printed = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True, timeout=30).stdout
    reply = bytes(int(byte, 16) for row in printed.splitlines() for byte in row.split()[1:])
    assert len(reply) == 124
    assert reply[:8] == bytes([0, 0, 0, 0, 116, 0, 0, 0])
    mode = int.from_bytes(reply[8 + 24 : 8 + 28], "little")
    assert mode == helper.export.lstat().st_mode


SECTIONS = ("OPTIONS", "SIGNALS", "LOG", "ENVIRONMENT", "FILES", "EXIT STATUS", "SECURITY", "LIMITATIONS", "EXAMPLES")


def section(name):
    return re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh )", MANUAL.read_text(), re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("name", SECTIONS)
def test_section_is_there(name):
    assert len(section(name).splitlines()) >= 5


def test_examples_are_there():
    for word in ("qemu-system-x86_64", "systemctl enable", "socat", "--fd", "--ready-fd"):
        assert word in section("EXAMPLES"), word


def test_launcher_example(export, run_directory):
    """The launcher's one client is served, and with it the helper ends."""
    shell = re.search(r"^socat UNIX-LISTEN:.*?,nofork$", section("EXAMPLES"), re.MULTILINE | re.DOTALL)[0]
    for name, ours in {"\\e\n": "\\\n", "/run/virtfs/": f"{run_directory}/", "/srv/share": str(export)}.items():
        assert name in shell
        shell = shell.replace(name, ours)
    path = f"{pathlib.Path(OURS).parent}:{os.environ['PATH']}"
    with subprocess.Popen(["sh", "-c", shell], env={**os.environ, "PATH": path}) as launcher:
        try:
            wait_for((run_directory / "one.sock").exists, what="the launcher")
            with Client.connect(run_directory / "one.sock") as client:
                assert client.lstat("/").ino == export.stat().st_ino
            assert launcher.wait(10) == 0
        finally:
            launcher.kill()


def test_files_that_the_texts_name_are_there():
    texts = README + (ROOT / "HACKING.md").read_text()
    for name in set(re.findall(r"(?<![\w/])(?:contrib|man|src|tests|subprojects|include)/[\w./-]*\w", texts)):
        assert (ROOT / name).exists(), name
