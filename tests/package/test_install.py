# SPDX-License-Identifier: MIT
"""meson install: each file is where systemd, man and the PATH look for it."""

import os
import re
import shutil
import stat
import subprocess

import pytest
from support.helper import ROOT

WITHOUT_TESTS = ("-Dtests=false", "-Dprefix=/usr")


def install(directory, *options):
    """Installs from a build directory of its own; returns all files by name, with their modes."""
    build, destination = directory / "build", directory / "destination"
    for command in (
        ["meson", "setup", build, ROOT, *WITHOUT_TESTS, *options],
        ["meson", "install", "-C", build, "--destdir", destination],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    paths = [path for path in destination.rglob("*") if not path.is_dir()]
    return {f"/{path.relative_to(destination)}": path for path in paths}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    if shutil.which("meson") is None:
        pytest.skip("not installed: meson")
    return install(tmp_path_factory.mktemp("install"), "-Dsystemd=enabled", "-Dmount=enabled")


PLACES = {
    "/usr/bin/virtfs-proxy-helper": 0o755,
    "/usr/bin/virtfs-proxyctl": 0o755,
    "/usr/bin/virtfs-proxy-mount": 0o755,
    "/usr/share/man/man1/virtfs-proxy-helper.1": 0o644,
    "/usr/share/man/man1/virtfs-proxy-mount.1": 0o644,
    "/usr/share/man/man1/virtfs-proxyctl.1": 0o644,
    "/usr/share/man/man7/virtfs-proxy-debugging.7": 0o644,
    "/usr/share/man/man7/virtfs-proxy-protocol.7": 0o644,
    "/usr/share/bash-completion/completions/virtfs-proxy-helper": 0o644,
    "/usr/share/bash-completion/completions/virtfs-proxyctl": 0o644,
    "/usr/lib/systemd/system/virtfs-proxy@.service": 0o644,
    "/usr/lib/systemd/system/virtfs-proxy@.socket": 0o644,
    "/usr/include/proxyfs/codec.h": 0o644,
}


@pytest.mark.parametrize("name", PLACES)
def test_file_is_in_its_place(files, name):
    assert name in files, sorted(files)
    assert stat.S_IMODE(files[name].stat().st_mode) == PLACES[name]


def test_nothing_is_installed_that_runs_by_itself(files):
    """Units are templates, nothing but the mount's other name is linked to, and nothing is set-id."""
    assert {name for name, path in files.items() if path.is_symlink()} == {"/usr/bin/virtfs-proxy"}
    assert not [name for name, path in files.items() if path.lstat().st_mode & 0o6000 and not path.is_symlink()]
    assert not [name for name in files if "/systemd/" in name and "@" not in name]


def test_installed_program_runs(files):
    program = files["/usr/bin/virtfs-proxy-helper"]
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert re.match(r"virtfs-proxy-helper \d", done.stdout)
    assert os.access(program, os.X_OK)


def test_other_name_of_the_mount_is_what_fstab_knows(files):
    """mount(8) has the program run that comes behind "fuse." in the type."""
    assert os.readlink(files["/usr/bin/virtfs-proxy"]) == "virtfs-proxy-mount"


def test_without_libfuse_there_is_no_mount_and_the_rest_works(tmp_path):
    found = install(tmp_path, "-Dmount=disabled")
    assert "/usr/bin/virtfs-proxy-helper" in found
    assert not [name for name in found if name.endswith(("virtfs-proxy", "virtfs-proxy-mount", "virtfs-proxy-mount.1"))]


def test_without_systemd_there_are_no_units_and_the_rest_works(tmp_path):
    """As on a distribution that does not have it."""
    found = install(tmp_path, "-Dsystemd=disabled")
    assert not [name for name in found if "systemd" in name]
    program = found["/usr/bin/virtfs-proxy-helper"]
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "libsystemd" not in needed
    announced = {**os.environ, "LISTEN_FDS": "1"}
    done = subprocess.run(
        [program, "--nodaemon", "--path", tmp_path], capture_output=True, text=True, env=announced, check=False
    )
    assert done.returncode == 1
    assert "without libsystemd" in done.stderr
