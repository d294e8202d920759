# SPDX-License-Identifier: MIT
"""virtfs-proxy-protocol(7), held against the library's table."""

import re

import pytest
from support import proxyctl
from support.helper import ROOT
from support.wire import HEADER, STAT, STATFS, Op, message, request

PAGE = (ROOT / "man/virtfs-proxy-protocol.7").read_text()
ROWS = [line.removeprefix(".It ").split(" Ta ") for line in PAGE.splitlines() if line.startswith(".It ") and " Ta " in line]


@pytest.fixture(scope="module")
def table():
    return {row["operation"].upper(): row for row in proxyctl.objects("encode", "--list")}


def fields(row):
    return ", ".join(f"{field['kind']} {field['name']}" for field in row)


def test_each_operation_is_in_the_table(table):
    rows = {name: (int(number), form, payload) for number, name, form, payload in (row for row in ROWS if row[0].isdigit())}
    assert list(rows) == list(table) == [op.name for op in Op]
    for name, row in table.items():
        assert rows[name] == (row["type"], row["form"], fields(row["request"]))


def test_each_payload_of_a_reply_is_in_the_table(table):
    rows = {row[0]: row[1] for row in ROWS if row[0] in table}
    assert rows == {name: fields(row["reply"]) for name, row in table.items() if row["form"] == "data"}


def test_letters_are_explained(table):
    used = {field["kind"] for row in table.values() for field in row["request"] + row["reply"]}
    assert used == {row[0] for row in ROWS if len(row[0]) == 1 and row[0].isalpha()}


def test_sizes(table):
    width = {"d": 4, "q": 8}
    for name, layout in (("LSTAT", STAT), ("STATFS", STATFS)):
        size = sum(width[field["kind"]] for field in table[name]["reply"])
        assert size == layout.size
        assert f"{size} for {name}" in PAGE.replace("\n", " ")


def test_examples_are_what_they_say():
    sent, answered = (bytes.fromhex(text) for text in re.findall(r"^((?:[0-9a-f]{2} +)+[0-9a-f]{2})$", PAGE, re.MULTILINE))
    assert sent == request(Op.LSTAT, path="/")
    assert answered == message(1, (-2).to_bytes(4, "little", signed=True))
    assert HEADER.size == 8
