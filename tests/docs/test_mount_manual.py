# SPDX-License-Identifier: MIT
"""virtfs-proxy-mount(1), --help and bash's completion, held against one another; and what README and units say of it."""

import pathlib
import re
import subprocess

from docs.test_completion import complete
from support.fuse import MOUNT
from support.helper import ROOT

MANUAL = (ROOT / "man/virtfs-proxy-mount.1").read_text()
README = (ROOT / "README.md").read_text()


def help_text():
    return subprocess.run([MOUNT, "--help"], capture_output=True, text=True, check=True).stdout


def options_of_help():
    """Those with their letters, if they have one."""
    return {long: letter for letter, long in re.findall(r"^  +(?:-(\w), +)?(--[\w-]+)", help_text(), re.MULTILINE)}


def options_of_manual():
    section = MANUAL.split(".Sh OPTIONS")[1].split(".Sh ")[0]
    items = [re.findall(r"Fl (-?[\w-]+)", line) for line in section.splitlines() if line.startswith(".It Fl")]
    return {f"-{names[-1]}": names[0] if len(names) > 1 else "" for names in items}


def test_each_option_is_in_help_and_manual():
    assert len(options_of_help()) == 8
    assert options_of_help() == options_of_manual()


def test_synopsis_names_each_option():
    synopsis = MANUAL.split(".Sh SYNOPSIS")[1].split(".Sh ")[0]
    for option, letter in options_of_manual().items():
        assert re.search(rf"Fl {letter or option[1:]}(?![\w-])", synopsis), option


def test_completion():
    assert complete("virtfs-proxy-mount", "-") == set(options_of_help())
    assert complete("virtfs-proxy-mount", "--cache", "") == {"none", "auto"}
    assert "allow_other" in complete("virtfs-proxy-mount", "-o", "a")
    assert complete("virtfs-proxy-mount", "--connections", "") == set()


def test_sockets_and_mountpoints(tmp_path):
    (tmp_path / "sock").touch()
    assert complete("virtfs-proxy-mount", f"{tmp_path}/s") == {f"{tmp_path}/sock"}


def test_the_default_of_connections_is_told_truly():
    """The other defaults are what a test of the mount without options shows."""
    source = (ROOT / "src/mount/options.c").read_text()
    (number,) = re.findall(r"\.connections = (\d+)", source)
    assert f"({number})" in help_text() and f"most so often, {number} if not given" in MANUAL


def test_threads_besides_connections_are_told_truly():
    (number,) = re.findall(r"define THREADS_BESIDES (\d+)U", (ROOT / "src/mount/main.c").read_text())
    assert number == "4" and "connections, and four more" in MANUAL


def test_readme_and_docs_show_both_ways():
    section = README.split("## Which QEMU?")[1].split("\n## ")[0]
    assert "-fsdev proxy,id=" in section and "-fsdev local,id=" in section and "virtfs-proxy-mount" in section
    assert "security_model=passthrough" in section
    assert (ROOT / "docs/mount.md").exists() and "docs/mount.md" in README


def test_unit_of_the_mount_has_its_type():
    (unit,) = pathlib.Path(ROOT / "contrib/systemd/examples").glob("*.mount")
    text = unit.read_text()
    assert "Type=fuse.virtfs-proxy" in text
    where = re.search(r"^Where=/(.*)$", text, re.MULTILINE)[1]
    assert unit.name == where.replace("/", "-") + ".mount"
