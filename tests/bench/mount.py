#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""virtfs-proxy-mount beside bindfs on the same directory, in turns: how fast small files are unpacked, looked at and
removed, and large ones written and read.

Both run as the same user, who is not root, as do the programs that use them. Needs root, and bindfs.

    tests/bench/mount.py [--rounds N] [--cache HOW ...] [--helper PATH] [--mount PATH]

Like is compared with like: with --cache=none, bindfs is told not to believe anything either (attr_timeout=0,
entry_timeout=0); with --cache=auto, both believe attributes for a second, which is what bindfs does by itself. The
directory is on a tmpfs, so that the programs are measured and not a disk. A figure is the mount's speed divided by that of bindfs in the same round, and the median of all rounds: above 1, the
mount is faster. Bars: 1.0 for the first three, 0.9 for the last two.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.fuse import Bindfs, Mount, fusermount_usable  # noqa: E402
from support.helper import OURS, Helper  # noqa: E402
from support.mounts import tmpfs  # noqa: E402

USER = 65534
DIRECTORIES, FILES, SIZE = 40, 50, 2000  # small files: directories, files in each, bytes in each
LARGE = 256  # MiB
TIMEOUTS = {"none": "0", "auto": "1"}
BARS = {"untar": 1.0, "stat": 1.0, "remove": 1.0, "write": 0.9, "read": 0.9}


def as_user(*command, directory="/"):
    """Not even root may enter what another user has mounted, so that changing into it is for the user as well."""
    entered = ["env", "-C", str(directory), *map(str, command)]
    subprocess.run(entered, check=True, user=USER, group=USER, extra_groups=[])


def make_archive(path):
    content = os.urandom(SIZE)
    source = path.with_suffix("")
    for number in range(DIRECTORIES):
        folder = source / f"part/of/a/tree/directory{number}"
        folder.mkdir(parents=True)
        for name in range(FILES):
            (folder / f"file{name}").write_bytes(content)
    with tarfile.open(path, "w") as archive:
        archive.add(source / "part", "part")
    return path


STAT = """
import os, sys
paths = [os.path.join(top, name) for top, _, names in os.walk("part") for name in names]
for _ in range(4):
    for path in paths:
        os.lstat(path)
"""

WORK = {
    "untar": ["tar", "-xf", "ARCHIVE"],
    "stat": ["/usr/bin/python3", "-c", STAT],
    "remove": ["rm", "-r", "part"],
    "write": ["dd", "if=/dev/zero", "of=large", "bs=1M", f"count={LARGE}", "status=none"],
    "read": ["dd", "if=large", "of=/dev/null", "bs=1M", "status=none"],
}


def run_once(directory, archive):
    """Seconds that each piece of work takes in `directory`."""
    seconds = {}
    for name, command in WORK.items():
        words = [archive if word == "ARCHIVE" else word for word in command]
        start = time.perf_counter()
        as_user(*words, directory=directory)
        seconds[name] = time.perf_counter() - start
    as_user("rm", "large", directory=directory)
    return seconds


def start_bindfs(export, mountpoint, cache):
    seconds = TIMEOUTS.get(cache, cache)
    timeouts = f"attr_timeout={seconds},entry_timeout={seconds},negative_timeout={seconds}"
    return Bindfs(export, mountpoint, timeouts, USER)


def table(rows):
    print(f"{'':10}" + "".join(f"{name:>10}" for name in WORK))
    for title, values in rows:
        print(f"{title:10}" + "".join(f"{values[name]:10.3f}" for name in WORK))


def measure(arguments, directory, cache):
    places = {name: directory / name for name in ("export", "ours", "theirs")}
    for place in places.values():
        place.mkdir(exist_ok=True)
        os.chown(place, USER, USER)
    archive = make_archive(directory / "archive.tar")
    runs = {"ours": [], "theirs": []}
    options = {"socket": directory / "s", "args": ("-u", str(USER), "-g", str(USER)), "binary": arguments.helper}
    with Helper(places["export"], **options) as helper:
        ours = Mount(helper.socket, places["ours"], "--cache", cache, user=USER, binary=arguments.mount)
        theirs = start_bindfs(places["export"], places["theirs"], cache)
        try:
            for number in range(arguments.rounds):
                for name in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
                    runs[name].append(run_once(places[name], archive))
        finally:
            ours.close()
            theirs.close()
    shutil.rmtree(archive.with_suffix(""))
    return runs


def report(runs, cache):
    print(f"--cache={cache}")
    median = {who: {w: statistics.median(run[w] for run in runs[who]) for w in WORK} for who in runs}
    ratios = {w: statistics.median(b[w] / a[w] for a, b in zip(runs["ours"], runs["theirs"])) for w in WORK}
    table([("mount, s", median["ours"]), ("bindfs, s", median["theirs"]), ("ratio", ratios)])
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cache", action="append")
    parser.add_argument("--helper", default=OURS)
    parser.add_argument("--mount")
    arguments = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(prefix="vph-bench-") as name, fusermount_usable(), tmpfs(name):
        os.chmod(name, 0o755)
        for cache in arguments.cache or ["none"]:
            ratios = report(measure(arguments, pathlib.Path(name), cache), cache)
            good = good and all(ratios[w] >= bar for w, bar in BARS.items())
    print("all bars are met" if good else "not all bars are met: " + str(BARS))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
