# SPDX-License-Identifier: MIT
"""QEMU run by root removes the socket's name after connecting; the helper has to put it back for the next one."""

import os
import stat

from support.namewatch import NameWatch

REPAIR_TIMEOUT = 30


def test_the_name_comes_back_for_a_second_and_a_third_qemu(start_site):
    site = start_site("root", "root")
    watch = NameWatch(site.socket)

    first = site.start_guest()
    assert watch.wait_for(2, REPAIR_TIMEOUT) == ("gone", "back"), "QEMU was to remove the name, the helper to restore it"
    restored = os.lstat(site.socket)
    assert stat.S_ISSOCK(restored.st_mode)
    assert (restored.st_uid, restored.st_gid, stat.S_IMODE(restored.st_mode)) == (0, 0, 0o660)

    second = site.start_guest()
    assert watch.wait_for(4, REPAIR_TIMEOUT) == ("gone", "back") * 2
    first.run("echo first > first && mkdir -m 2770 dir")
    assert second.run("cat first && echo second > dir/second") == "first"
    assert first.run("cat dir/second") == "second"
    assert (site.export / "dir/second").read_text() == "second\n"

    first.kill()
    third = site.start_guest()
    assert watch.wait_for(6, REPAIR_TIMEOUT) == ("gone", "back") * 3
    assert second.run("cat dir/second && rm first && touch while-the-third-boots") == "second"
    assert third.run("ls") == "dir\nwhile-the-third-boots"
    watch.close()
