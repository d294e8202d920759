# SPDX-License-Identifier: MIT
"""virtfs-proxyctl(1) and --help, held against one another and against the program; and all pages have no fault."""

import re
import subprocess

import pytest
from support import proxyctl
from support.helper import ROOT

PAGES = sorted(ROOT.glob("man/*.[1-9]"))
MANUAL = (ROOT / "man/virtfs-proxyctl.1").read_text()


def commands():
    listed = proxyctl.output("--help").split("\n\n")[2]
    return [line.split()[0] for line in listed.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_no_fault(page):
    result = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, text=True)
    assert [line for line in result.stdout.splitlines() if "referenced manual not found" not in line] == []


def test_each_page_is_installed():
    installed = (ROOT / "man/meson.build").read_text()
    assert all(f"'{page.name}'" in installed for page in PAGES)


def test_pages_refer_to_pages():
    """Those of ours that a page names are there."""
    for page in PAGES:
        for name, section in re.findall(r"^\.Xr (virtfs-[\w-]+) (\d)", page.read_text(), re.MULTILINE):
            assert (ROOT / f"man/{name}.{section}").exists()


def test_each_command_is_in_the_manual():
    assert len(commands()) >= 9
    for command in commands():
        assert re.search(rf"^\.It Cm {command}(?= )", MANUAL, re.MULTILINE), command
        assert re.search(rf"^\.Cm (?:\w+ \| )*{command}\b", MANUAL.split(".Sh DESCRIPTION")[0], re.MULTILINE), command


def test_each_command_has_help_and_its_options_are_in_the_manual():
    for command in commands():
        for words in ([command, "--help"], [command, "-h"]):
            text = proxyctl.output(*words)
            assert text.startswith(f"Usage: virtfs-proxyctl {command} ")
        for option in set(re.findall(r"--([\w-]+)", text)):
            assert re.search(rf"Fl -{option}\b", MANUAL), (command, option)


def test_version():
    assert re.fullmatch(r"virtfs-proxyctl \d+\.\d+\.\d+\n", proxyctl.output("--version"))


def test_examples(export, helper):
    (export / "file").touch()
    examples = re.search(r"\.Sh EXAMPLES\n\.Bd.*?\n(.*?)\.Ed", MANUAL, re.DOTALL)[1].splitlines()
    assert len(examples) == 3
    for line in examples:
        program, *words = line.replace("/run/virtfs/share.sock", helper.socket).split()
        assert program == "virtfs-proxyctl"
        proxyctl.run(*words)
    assert (export / "file").stat().st_uid == 1000


def test_members_of_objects_are_explained(export, helper):
    (export / "file").touch()
    explained = set(re.findall(r"^\.It Li (\w+)$", MANUAL.split(".Ss JSON")[1].split(".Sh ")[0], re.MULTILINE))
    seen = set()
    for words, status in (
        (["stat", "/file"], 0), (["ls", "/"], 0), (["cat", "/file"], 0), (["stat", "/missing"], proxyctl.REFUSED)
    ):  # fmt: skip
        seen |= proxyctl.objects(words[0], helper.socket, words[1], status=status)[0].keys()
    assert seen <= explained
    assert explained - seen == {"client", "event", "fault", "us"}
