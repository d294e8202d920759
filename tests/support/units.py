# SPDX-License-Identifier: MIT
"""contrib/systemd's units as dictionaries: for each section and key the values that it is given, in their order."""

import collections

from .helper import ROOT

DIRECTORY = ROOT / "contrib/systemd"
SERVICE = DIRECTORY / "virtfs-proxy@.service"
SOCKET = DIRECTORY / "virtfs-proxy@.socket"


def parse(path):
    sections = collections.defaultdict(lambda: collections.defaultdict(list))
    section = None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections[section][key].append(value)
    return sections


def words(values):
    return [word for value in values for word in value.split()]
