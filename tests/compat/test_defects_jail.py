# SPDX-License-Identifier: MIT
"""Defects of upstream's jail: what leads out of it, and what a guest can leave behind on the host."""

import os
import stat

from support.helper import Helper
from support.wire import RemoteError

from .defects import defect, judge, parametrize

CHECKS = []


@defect(CHECKS, "21-descriptor-leads-out", AssertionError, "out of the export")
def check_way_up(implementation, tmp_path):
    """Defect 21: from a directory descriptor that the helper has passed, anybody walks up to the host's root."""
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    with implementation.serve(export) as (_, client):
        place = client.open("/", os.O_DIRECTORY)
        above = os.open("../" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        try:
            assert os.path.samestat(os.fstat(above), export.stat()), "the way up leads out of the export"
        finally:
            os.close(above)
            os.close(place)


def plant(client, export):
    """What a hostile guest's root leaves for the host's users; the names that are there then."""
    attempts = (
        lambda: os.close(client.create("//shell", mode=0o6755)),
        lambda: client.mknod("//null", stat.S_IFCHR | 0o666, os.makedev(1, 3)),
        lambda: client.mknod("//disk", stat.S_IFBLK | 0o666, os.makedev(7, 0)),
        lambda: client.chmod("//file", 0o4755),
    )
    for attempt in attempts:
        try:
            attempt()
        except RemoteError:
            pass
    return {path.name for path in export.iterdir() if not stat.S_ISREG(path.lstat().st_mode)} | {
        path.name for path in export.iterdir() if path.lstat().st_mode & 0o6000
    }


@defect(CHECKS, "22-devices-and-set-id-files", AssertionError, "planted")
def check_planting(implementation, tmp_path):
    """Defect 22: nothing keeps a guest's root from making device nodes and set-id files; upstream has no option."""
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    (export / "file").touch()
    args = () if implementation.is_upstream else ("--no-devices", "--no-setid")
    with Helper(export, binary=implementation.binary, args=args) as helper:
        with implementation.connect(helper) as client:
            planted = plant(client, export)
    assert not planted, f"planted: {sorted(planted)}"


@defect(CHECKS, "22-read-only", AssertionError, "changed")
def check_readonly(implementation, tmp_path):
    """Defect 22: nor is there a way to let guests read only."""
    export = tmp_path / "export"
    export.mkdir(mode=0o755)
    with Helper(export, binary=implementation.binary, args=() if implementation.is_upstream else ("--readonly",)) as helper:
        with implementation.connect(helper) as client:
            try:
                client.mkdir("//new")
            except RemoteError as error:
                assert error.errno == 30
    assert not os.listdir(export), "the export was changed"


@parametrize(CHECKS)
def test_defect(a_defect, implementation, tmp_path):
    judge(a_defect, implementation, tmp_path)
