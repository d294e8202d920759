# SPDX-License-Identifier: MIT
"""docs/survival.md: the lines of the log that it quotes are the program's, and what it names exists."""

import re

import pytest
from support.helper import ROOT

TEXT = (ROOT / "docs/survival.md").read_text()
(BLOCK,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
SOURCE = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.c")))
LITERALS = re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*(?:PRIu64\s*)?"(?:[^"\\\n]|\\.)*")*', SOURCE)
CONVERSION = re.compile(r"%(?:[-+0 #]*\d*(?:\.\d+)?)(?:l|ll)?[diusx]")
LEAST = 11  # characters that are no conversion: shorter ones would match anything


def pattern(literal):
    """What a format makes, as a regular expression. None: too short."""
    joined = re.sub(r'"\s*"', "", literal.replace("PRIu64", '"u"'))
    text = joined.strip('"').removeprefix("error: ").replace('\\"', '"').replace("%%", "%")
    pieces = CONVERSION.split(text)
    if sum(map(len, pieces)) < LEAST:
        return None
    return ".*".join(map(re.escape, pieces))


PATTERNS = [made for made in map(pattern, LITERALS) if made]


@pytest.mark.parametrize("line", BLOCK.splitlines())
def test_line_of_the_log_is_one_of_the_programs(line):
    line = line.removeprefix("reload: ")
    assert any(re.fullmatch(made, line) for made in PATTERNS), line


def test_a_line_that_the_program_does_not_have_is_not():
    assert not any(re.fullmatch(made, "the worker was hit by signal 9") for made in PATTERNS)


@pytest.mark.parametrize("name", re.findall(r"`((?:tests|docs|contrib)/[\w./]+)`", TEXT))
def test_file_that_is_named_exists(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", ["worker_restarts", "requests_stuck", "in_flight", "stuck"])
def test_field_that_is_named_exists(name):
    assert f"`virtfs_proxy_{name}" in TEXT or f"`{name}`" in TEXT
    assert name in SOURCE
