# SPDX-License-Identifier: MIT
"""contrib/systemd: what systemd's own tools say to the units, without a systemd that runs.

The first process of a test machine may be anything: so nothing is started here, and systemd-analyze looks at files only.
test_unit_fences.py runs the helper in what the service leaves it.
"""

import json
import re
import shutil
import subprocess

import pytest
from support.control import PROXYCTL
from support.helper import OURS
from support.launch import run
from support.units import SERVICE, SOCKET, parse, words

EXPOSURE_MOST = 30  # of 100


@pytest.fixture
def instance(tmp_path):
    """The units of the instance `share`, with the program where it is, which is not where it will be installed."""
    (tmp_path / "virtfs-proxy-helper").symlink_to(shutil.which(OURS))
    (tmp_path / "virtfs-proxyctl").symlink_to(shutil.which(PROXYCTL))
    for path in (SERVICE, SOCKET):
        text = re.sub("^(Exec.*?)=", rf"\1={tmp_path}/", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
        (tmp_path / path.name.replace("@", "@share")).write_text(text)
    return tmp_path / "virtfs-proxy@share.service"


def analyze(*args):
    command = ["systemd-analyze", "--no-pager", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_finds_no_fault(instance):
    done = analyze("verify", instance, instance.with_suffix(".socket"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_is_low(instance):
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MOST}", instance)
    assert done.returncode == 0, done.stdout


def test_what_is_exposed_has_its_reason_beside_it(instance):
    """Every setting that systemd would have, and that is missing, is named in the unit."""
    done = analyze("security", "--offline=yes", "--json=short", instance)
    rows = [row for row in json.loads(done.stdout) if row["exposure"] not in (None, "0.0")]
    missing = {row["json_field"].split("_")[0].split("Or")[0] for row in rows}
    assert len(missing) >= 5
    text = SERVICE.read_text()
    for setting in missing:
        assert f"{setting}=" in text, setting


def test_command_is_one_that_the_helper_takes(export, tmp_path):
    (command,) = parse(SERVICE)["Service"]["ExecStart"]
    program, *arguments = command.split()
    assert program == "virtfs-proxy-helper"
    (tmp_path / "share.conf").write_text(f"path {export}\nreadonly\nno-setid\n")
    given = [argument.replace("/etc/virtfs-proxy/%i", str(tmp_path / "share")).replace("%i", "share") for argument in arguments]
    done = run(*given)
    assert (done.returncode, "--socket" in done.stderr) == (2, True), "nothing is missing but the socket"


def test_nobody_but_root_may_connect_until_somebody_is_named():
    socket = parse(SOCKET)["Socket"]
    assert (socket["SocketUser"], socket["SocketGroup"], socket["SocketMode"]) == (["root"], ["root"], ["0660"])
    assert socket["DirectoryMode"] == ["0755"]


def test_service_and_socket_belong_together():
    assert parse(SERVICE)["Unit"]["Requires"] == [SOCKET.name.replace("@", "@%i")]
    assert words(parse(SERVICE)["Install"]["Also"]) == [SOCKET.name.replace("@", "@%i")]
    assert SERVICE.stem == SOCKET.stem, "which is how systemd finds the one for the other"


def test_reload_asks_on_the_socket_that_the_helper_has(export):
    service = parse(SERVICE)["Service"]
    (start,), (reload,) = service["ExecStart"], service["ExecReload"]
    assert reload.split()[:2] == ["virtfs-proxyctl", "reload"]
    assert f"--control {reload.split()[2]}" in start
