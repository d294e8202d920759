# SPDX-License-Identifier: MIT
"""The command line, fstab, and who may do what."""

import contextlib
import os
import re
import subprocess

import pytest

from support import fuse
from support.fuse import Mount, is_mounted
from support.helper import wait_for


def run(*words, status=1, user=None):
    done = subprocess.run(
        [fuse.MOUNT, *map(str, words)], capture_output=True, text=True, timeout=20, check=False, user=user, group=user,
        extra_groups=None if user is None else [],
    )  # fmt: skip
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def unmount(path):
    wait_for(lambda: subprocess.run(["umount", path], check=False).returncode == 0, what="unmounting")


@pytest.mark.parametrize(
    "words, complaint",
    [
        ((), "say which socket to connect to, and where to mount"),
        (("/socket",), "say which socket"),
        (("/socket", "/mnt", "/more"), "say which socket"),
        (("--connections=0", "/s", "/m"), "connections is a number from 1 to 1024, not '0'"),
        (("--connections=8x", "/s", "/m"), "not '8x'"),
        (("-o", "connections=-1", "/s", "/m"), "not '-1'"),
        (("--cache=some", "/s", "/m"), "cache is none, auto or a number of seconds up to 86400, not 'some'"),
        (("--cache=-1", "/s", "/m"), "not '-1'"),
        (("--cache=nan", "/s", "/m"), "not 'nan'"),
        (("-o", "ro,cache=1e9", "/s", "/m"), "not '1e9'"),
        (("/nowhere/socket", "/mnt"), "cannot connect to /nowhere/socket: No such file or directory"),
        (("/" + "x" * 200, "/mnt"), "File name too long"),
    ],
)
def test_mistakes_are_told_in_a_line(words, complaint):
    said = run(*words)
    assert complaint in said
    assert said.startswith("virtfs-proxy-mount: ") and said.count("\n") == 1


def test_unknown_options_are_refused(site):
    assert "--help" in run("--nonsense", "/s", "/m")
    other = site.export.parent / "other"
    other.mkdir()
    said = run("-o", "nonsense", site.socket, other)
    assert "nonsense" in said and said.count("\n") == 1
    said = run(site.socket, other / "missing")
    assert "No such file" in said and said.count("\n") <= 2


def test_help_and_version():
    text = run("--help", status=0)
    assert text == run("-h", status=0)
    assert max(map(len, text.splitlines())) <= 100
    assert re.fullmatch(r"virtfs-proxy-mount \d+\.\d+\.\d+\n", run("--version", status=0))


def test_goes_to_the_background_when_it_is_mounted(site):
    other = site.export.parent / "other"
    other.mkdir()
    os.chown(other, site.user, site.user)
    assert run(site.socket, other, "--cache", "0.5", status=0, user=site.user) == ""
    assert is_mounted(other)
    unmount(other)


def test_read_only_mount(start_site):
    site = start_site((), ("-o", "ro"))
    (site.export / "file").touch()
    (site.export / "file").chmod(0o666)
    assert "Read-only file system" in site.run("touch", "file", status=1)


def entry(path):
    with open("/proc/self/mounts", encoding="utf-8") as table:
        return next(line.split() for line in table if line.split()[1] == str(path))


def test_what_the_kernel_shows(site):
    source, _, kind, options, *_ = entry(site.path)
    assert (source, kind) == (str(site.socket), "fuse.virtfs-proxy")
    assert {"nosuid", "nodev", f"user_id={site.user}"} <= set(options.split(","))


def test_a_comma_in_the_name_of_the_socket(site):
    strange = site.socket.parent / r"a,b\c"
    strange.symlink_to(site.socket)
    other = site.export.parent / "other"
    other.mkdir()
    with Mount(strange, other):
        assert entry(other)[0].replace(r"\134", "\\") == str(strange)


def test_others_may_not_enter_unless_allowed(site, start_site):
    (site.export / "file").touch()
    done = subprocess.run(["ls", site.path], capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr, "not even root"
    shared = start_site((), ("-o", "allow_other,default_permissions"), None)
    (shared.export / "secret").write_text("x")
    (shared.export / "secret").chmod(0o600)
    as_user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    assert subprocess.run([*as_user, "ls", shared.path], capture_output=True, text=True, check=True).stdout == "secret\n"
    refused = subprocess.run([*as_user, "cat", shared.path / "secret"], capture_output=True, text=True, check=False)
    assert "Permission denied" in refused.stderr


def test_without_default_permissions_nobody_is_asked(start_site):
    """As the manual warns: whoever may enter acts with the helper's power."""
    site = start_site((), ("-o", "allow_other"), None)
    (site.export / "secret").write_text("x")
    (site.export / "secret").chmod(0o600)
    as_user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    assert subprocess.run([*as_user, "cat", site.path / "secret"], capture_output=True, check=True).stdout == b"x"
    subprocess.run([*as_user, "touch", site.path / "made"], check=True)
    seen = os.lstat(site.export / "made")
    assert (seen.st_uid, seen.st_gid) == (1000, 1000), "what is made belongs to who makes it, not to who has mounted"


def test_words_for_mount_itself_are_passed_over(start_site):
    """Some programs that read fstab hand on what it has for others."""
    start_site((), ("-o", "rw,nofail,_netdev,noauto,x-systemd.automount,comment=text,defaults"))


@contextlib.contextmanager
def on_the_path(directory):
    """The program as it is installed: under the name that mount.fuse3(8) looks for, on the PATH that it uses."""
    name = "/usr/local/bin/virtfs-proxy"
    if os.path.lexists(name):
        pytest.skip(f"{name} is there already")
    os.symlink(fuse.MOUNT, name)
    try:
        yield
    finally:
        os.unlink(name)


@pytest.mark.parametrize("user", [None, 65534], ids=["root", "user"])
def test_type_of_fstab(site, user):
    (site.export / "file").write_text("content")
    other = site.export.parent / "other"
    other.mkdir()
    os.chown(other, site.user, site.user)
    fstab = site.export.parent / "fstab"
    options = "rw,noauto,nofail,_netdev,x-systemd.automount,cache=auto,connections=3"
    options += ",allow_other" if user is None else ",setuid=nobody"
    fstab.write_text(f"{site.socket} {other} fuse.virtfs-proxy {options} 0 0\n")
    with on_the_path(site.export.parent):
        done = subprocess.run(["mount", "-T", fstab, other], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        try:
            assert entry(other)[2] == "fuse.virtfs-proxy"
            assert f"user_id={user or 0}" in entry(other)[3].split(",")
            words = ["cat", other / "file"] if user is None else site.command("cat", other / "file")
            assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "content"
        finally:
            unmount(other)
