# SPDX-License-Identifier: MIT
"""The same requests to QEMU's own helper and to ours, on twin trees: every reply, and in the end the trees, compared.

What may differ is the table in differences.py, and nothing else. The run prints the differences that it met.
"""

import contextlib
import os

import pytest
from support.helper import OURS, UPSTREAM, Helper
from support.wire import Op

from . import trees
from .differences import Context, difference_for, expected
from .exchange import Side, shown
from .filesystems import FILESYSTEMS, mounted
from .fixed_stream import fixed_stream
from .random_stream import random_stream

SEEDS = (1, 2, 3)
RANDOM_REQUESTS = 4000


@pytest.fixture(params=FILESYSTEMS)
def filesystem(request):
    return request.param


@pytest.fixture
def twins(filesystem, tmp_path):
    """Upstream and ours, each serving one of two identical trees on one file system of its own."""
    if not os.access(UPSTREAM, os.X_OK):
        pytest.skip("QEMU's own helper is not installed (Debian package qemu-system-common)")
    with contextlib.ExitStack() as stack:
        volume = stack.enter_context(mounted(filesystem, tmp_path / "volume"))
        roots = [volume / name for name in ("upstream", "ours")]
        for root in roots:
            root.mkdir(mode=0o755)
            trees.build(root, large=filesystem == "tmpfs")
        helpers = [stack.enter_context(Helper(root, binary=binary)) for root, binary in zip(roots, (UPSTREAM, OURS))]
        sides = [Side(root, helper.connect()) for root, helper in zip(roots, helpers)]
        yield sides
        for side in sides:
            side.close()
        assert helpers[1].stop() == 0, helpers[1].log()


class Comparison:
    """Sends each request to both, and collects what differs."""

    def __init__(self, upstream, ours):
        self.upstream, self.ours = upstream, ours
        self.count = 0
        self.unlisted = []
        self.seen = {}
        self.succeeded, self.failed = set(), set()

    def send(self, step):
        before = self.upstream.lookup(step.path)
        upstream, ours = self.upstream.exchange(step), self.ours.exchange(step)
        self.count += 1
        (self.succeeded if ours.text.startswith(("0", "fd (")) else self.failed).add(step.op)
        context = Context(step, before, upstream)
        row = difference_for(context)
        as_due = row.explains(context, ours) if row else upstream == ours
        if not as_due:
            due = f" (due: {row.name}: {row.why})" if row else ""
            self.unlisted.append(shown(step.label, upstream=upstream.text, ours=ours.text) + due)
        elif upstream != ours:
            self.seen.setdefault(row, []).append((step.label, upstream.text, ours.text))

    def report(self):
        lines = [f"{self.count} requests, {sum(map(len, self.seen.values()))} listed differences:"]
        for row, met in self.seen.items():
            label, upstream, ours = met[0]
            lines += [f"  {row.name} ({len(met)}): {row.why}", f"    e.g. {shown(label, upstream=upstream, ours=ours)}"]
        return "\n".join(lines)


def compare(twins, stream, capsys):
    """Runs a stream to its end; the trees must then be the same."""
    comparison = Comparison(*twins)
    for step in stream:
        comparison.send(step)
    with capsys.disabled():
        print(f"\n{comparison.report()}")
    assert not comparison.unlisted, "unlisted differences:\n" + "\n".join(comparison.unlisted[:50])
    differences = trees.compare(*(trees.snapshot(side.path) for side in twins))
    assert not differences, "the trees differ:\n" + "\n".join(differences[:50])
    return comparison


def test_fixed_stream_differs_only_as_listed(twins, filesystem, capsys):
    comparison = compare(twins, fixed_stream(filesystem), capsys)
    assert {row.name for row in comparison.seen} == expected(filesystem), "a listed difference no longer occurs"
    assert comparison.succeeded == set(Op) == comparison.failed, "an operation was not seen both to succeed and to fail"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_stream_differs_only_as_listed(seed, twins, capsys):
    comparison = compare(twins, random_stream(seed, RANDOM_REQUESTS, twins[0]), capsys)
    assert comparison.succeeded == set(Op), "an operation never succeeded: the stream tells little"
