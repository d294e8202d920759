# SPDX-License-Identifier: MIT
"""bash completes what --help and the manuals know, and nothing else."""

import re
import subprocess

import pytest
from support import proxyctl
from support.helper import OURS, ROOT
from support.wire import Op

# compopt works in a completion that readline runs; here it has nothing to say.
SCRIPT = r"""
compopt() { :; }
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=999
"_$(tr - _ <<<"$1")"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(*words, cwd=None):
    """What could stand in the place of the last word."""
    script = ROOT / "contrib/completion" / words[0]
    command = ["bash", "-euc", SCRIPT, "bash", str(script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, timeout=30)
    assert done.stderr == ""
    return set(done.stdout.split())


def helper_help():
    return subprocess.run([OURS, "--help"], capture_output=True, text=True, check=True).stdout


def test_options_of_the_helper():
    options = set(re.findall(r"^  +(?:-\w, +)?(--[\w-]+)", helper_help(), re.MULTILINE))
    assert len(options) >= 15
    assert complete("virtfs-proxy-helper", "") == options
    assert complete("virtfs-proxy-helper", "--no-d") == {"--no-devices"}


def test_options_of_the_helper_that_take_a_value_offer_no_options():
    with_value = re.findall(r"(--[\w-]+) [A-Z]+", helper_help().split("\n\n", 2)[2])
    assert len(with_value) >= 10
    for option in with_value:
        assert not any(word.startswith("--") for word in complete("virtfs-proxy-helper", option, "")), option


@pytest.mark.parametrize(
    "option, words",
    [
        ("--sandbox", {"auto", "namespace", "chroot"}),
        ("--seccomp", {"kill", "log", "off"}),
        ("--xattr-policy", {"host", "all", "none"}),
        ("--busy-poll", {"auto", "off"}),
    ],
)
def test_values_of_the_helpers_options(option, words, tmp_path):
    assert complete("virtfs-proxy-helper", option, "") == words
    assert complete("virtfs-proxy-helper", option, "=", "") == words
    for word in words:  # the helper knows them: it finds fault with the rest of the line
        refused = subprocess.run([OURS, option, word], capture_output=True, text=True)
        assert "say which directory to export" in refused.stderr


def test_names_and_users(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert complete("virtfs-proxy-helper", "--path", f"{tmp_path}/f") == {f"{tmp_path}/folder"}
    assert complete("virtfs-proxy-helper", "-s", f"{tmp_path}/f") == {f"{tmp_path}/folder", f"{tmp_path}/file"}
    assert "root" in complete("virtfs-proxy-helper", "--uid", "ro")


def commands():
    return [line.split()[0] for line in proxyctl.output("--help").split("\n\n")[2].splitlines()]


def test_commands():
    assert complete("virtfs-proxyctl", "") == {"--help", "--json", "--version", *commands()}
    assert complete("virtfs-proxyctl", "--json", "de") == {"decode"}


def test_options_of_commands():
    for command in commands():
        help_text = proxyctl.output(command, "--help")
        options = {"--json", "--help", *re.findall(r"--[\w-]+", help_text.split("\n\n")[0])}
        assert complete("virtfs-proxyctl", command, "--") == options, command


def test_operations():
    names = {op.name.lower() for op in Op}
    assert complete("virtfs-proxyctl", "call", "/s", "") == names
    assert complete("virtfs-proxyctl", "call", "--contents", "/s", "op") == {"open"}
    assert complete("virtfs-proxyctl", "encode", "") == names
    assert complete("virtfs-proxyctl", "decode", "--replies", "mkdir", "ls") == {
        name for name in names if name.startswith("ls")
    }


def test_sockets_and_files(tmp_path):
    (tmp_path / "sock").touch()
    for words in (["ls"], ["call"], ["put", "--mode", "600"], ["put", "/s", "/path"], ["trace"], ["trace", "/s"]):
        assert complete("virtfs-proxyctl", *words, f"{tmp_path}/s") == {f"{tmp_path}/sock"}, words
    assert complete("virtfs-proxyctl", "ls", "/s", f"{tmp_path}/s") == set()  # that path is the export's


def test_installed_where_bash_looks():
    text = (ROOT / "contrib/meson.build").read_text()
    assert "'bash-completion' / 'completions'" in text
    for script in (ROOT / "contrib/completion").iterdir():
        assert f"'completion/{script.name}'" in text
