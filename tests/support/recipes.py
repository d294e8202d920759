# SPDX-License-Identifier: MIT
"""The shell of virtfs-proxy-debugging(7)."""

import re

from .helper import ROOT

PAGE = (ROOT / "man/virtfs-proxy-debugging.7").read_text()


def blocks(section):
    """The literal blocks of a recipe."""
    text = PAGE.split(f".Ss {section}\n")[1].split("\n.S")[0]
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\\e", "\\") for block in found]
