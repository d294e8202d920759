# SPDX-License-Identifier: MIT
"""A strict reader of OpenMetrics text, of what we use of it: counters, gauges, infos and summaries.

From the specification: each family is declared once, before its samples, which stand together; names have the suffixes
of the family's type and no others; units end the names; no series comes twice; the text ends in "# EOF".
"""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)?\}})? ([0-9.]+(?:e[+-]?[0-9]+)?)")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "summary": ("", "_count", "_sum")}


def parse(text):
    """{(name, ((label, value), ...)): value}, or AssertionError."""
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    families, samples, current = {}, {}, None
    for line in text.splitlines()[:-1]:
        if line.startswith("# "):
            current = _declare(line, families, current)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"no sample: {line!r}"
        labels = tuple(sorted(re.findall(LABEL, match[2] or "")))
        assert current and len(dict(labels)) == len(labels), line
        _check_name(match[1], dict(labels), current, families[current])
        assert (match[1], labels) not in samples, f"twice: {line}"
        samples[match[1], labels] = float(match[len(match.groups())])
        families[current]["samples"] += 1
    _check_counts(families)
    return samples


def _declare(line, families, current):
    kind, name, rest = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)", line).groups()
    if name != current:
        assert name not in families, f"a family in two places: {line}"
        assert kind == "TYPE", f"its type comes first: {line}"
        families[name] = {"samples": 0}
    family = families[name]
    assert family["samples"] == 0 and kind not in family, line
    family[kind] = rest
    if kind == "TYPE":
        assert rest in SUFFIXES, line
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), line
    if kind == "UNIT":
        assert name.endswith("_" + rest), line
    return name


def _check_name(name, labels, family, declared):
    suffixes = [suffix for suffix in SUFFIXES[declared["TYPE"]] if name == family + suffix]
    assert suffixes, f"{name} does not belong to {family}"
    has_quantile = declared["TYPE"] == "summary" and suffixes == [""]
    assert ("quantile" in labels) == has_quantile, name


def _check_counts(families):
    for name, family in families.items():
        assert {"TYPE", "HELP"} <= family.keys(), name
        if name.endswith(("_seconds", "_bytes")):
            assert "UNIT" in family, name
