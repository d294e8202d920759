# SPDX-License-Identifier: MIT
"""The Debian package: built, looked over by lintian, installed beside QEMU's helper, used, and purged without a trace.

It is installed into an overlay of this machine, which stays as it is. In most tests no systemd runs there: an instance
is started with the installed unit's own command by systemd-socket-activate. In one, the overlay is booted.
"""

import contextlib
import errno
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from support import control, guest
from support.container import container
from support.expect import fails
from support.helper import ROOT, holds_listener, wait_for
from support.overlay import overlay
from support.units import SERVICE, SOCKET, parse
from support.wire import Client

BUILD_TIMEOUT = 240
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "apt-get", "systemd-socket-activate")
NAME = "virtfs-proxy-helper"
QEMUS_MANUAL = "/usr/share/man/man1/virtfs-proxy-helper.1.gz"
DIVERTED = "/usr/share/man/man1/virtfs-proxy-helper.qemu.1.gz"
UNITS = "/lib/systemd/system"

# What package management itself writes down.
RECORDS = re.compile(r"/var/(lib/dpkg|lib/apt|log|cache)(/|$)|/run/(lock|log)(/|$)")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The built package."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    directory = tmp_path_factory.mktemp("package")
    command = [ROOT / "contrib/build-deb", directory]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = directory.glob(f"{NAME}_*.deb")
    return built


def test_mount_is_a_package_of_its_own(package):
    """Only it needs FUSE. Its programs are nowhere else."""
    (mount,) = package.parent.glob("virtfs-proxy-mount_*.deb")
    files = contents(mount)
    for name in ("/usr/bin/virtfs-proxy-mount", "/usr/share/man/man1/virtfs-proxy-mount.1.gz"):
        assert name in files and name not in contents(package)
    assert "/usr/bin/virtfs-proxy" in files
    needed = {
        built: subprocess.run(["dpkg-deb", "--field", built, "Depends"], capture_output=True, text=True, check=True).stdout
        for built in (mount, package)
    }
    assert re.search(r"\bfuse3\b", needed[mount]) and "libfuse3" in needed[mount] and "fuse" not in needed[package]


def install(machine, package):
    """As the README does it."""
    target = machine.root / "root" / package.name
    shutil.copy(package, target)
    machine.run("apt-get", "install", "--yes", "--reinstall", f"/root/{package.name}")
    target.unlink()


@pytest.fixture(scope="module")
def installed(tmp_path_factory, package):
    """A machine with the package, for tests that leave it so."""
    with overlay(tmp_path_factory.mktemp("machine")) as machine:
        install(machine, package)
        yield machine


def contents(package):
    listing = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    return {line.split()[5].lstrip("."): line.split()[:2] for line in listing.splitlines()}


def test_tree_is_left_as_it_was(package):
    """Everything is built elsewhere."""
    assert not (ROOT / "debian").exists()
    assert not list(ROOT.glob("*.deb")) and package.exists()


def test_version_is_the_projects(package):
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    field = subprocess.run(["dpkg-deb", "--field", package, "Version"], capture_output=True, text=True, check=True).stdout
    assert field.rpartition("-")[0] == version


def test_lintian_finds_no_error(package):
    command = ["lintian", "--allow-root", "--fail-on", "error", *package.parent.glob("*.deb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_contents_are_where_the_distribution_has_such_things(package):
    files = contents(package)
    for name in (f"/usr/bin/{NAME}", f"{UNITS}/{SERVICE.name}", f"{UNITS}/{SOCKET.name}", QEMUS_MANUAL):
        assert name in files
    assert f"/usr/share/doc/{NAME}/README.md.gz" in files and f"/usr/share/doc/{NAME}/deployment.md.gz" in files
    assert {owner for _, owner in files.values()} == {"root/root"}
    assert not [name for name in files if name.startswith(("/usr/lib/qemu", "/usr/include"))]
    assert not [name for name, (mode, _) in files.items() if "s" in mode or mode[8] == "w"], "nothing is set-id"


def test_it_is_installed_beside_qemus_own(installed):
    """Whose manual makes room, because the command of this name is now ours."""
    assert installed.run("dpkg", "--verify", "qemu-system-common").strip() in ("", f"missing     {QEMUS_MANUAL}")
    lower = pathlib.Path(QEMUS_MANUAL)
    assert lower.exists(), "Debian 12's qemu-system-common has one"
    assert (installed.root / DIVERTED[1:]).read_bytes() == lower.read_bytes()
    assert (installed.root / QEMUS_MANUAL[1:]).read_bytes() != lower.read_bytes()
    assert not [name for name in installed.changes() if name.startswith("/usr/lib/qemu")]
    # A later version of QEMU's package goes along with it.
    assert f"by {NAME}\n" in installed.run("dpkg-divert", "--list", QEMUS_MANUAL)


def test_nothing_is_enabled_or_started(installed):
    new = installed.changes()
    assert not [name for name in new if name.startswith("/etc/systemd") or "wants" in name]
    assert "/etc/virtfs-proxy" in new and not list((installed.root / "etc/virtfs-proxy").iterdir())
    assert not [name for name in new if name.startswith("/run/virtfs")]


@contextlib.contextmanager
def instance(machine, name):
    """The command of the installed unit, for the export of this name; yields the socket."""
    unit = parse(machine.root / UNITS[1:] / SERVICE.name)["Service"]
    (listen,) = parse(machine.root / UNITS[1:] / SOCKET.name)["Socket"]["ListenStream"]
    (command,) = unit["ExecStart"]
    path = listen.replace("%i", name)
    (machine.root / path[1:]).parent.mkdir()
    script = f'exec systemd-socket-activate --listen={path} {command.replace("%i", name)}'
    with subprocess.Popen(machine.command("sh", "-c", script), stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: holds_listener(process.pid), what="the socket, which has a name before it is listened on")
            yield machine.root / path[1:]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0, process.stderr.read().decode()
    (machine.root / path[1:]).unlink()
    (machine.root / path[1:]).parent.rmdir()  # with the helper goes its control socket


README = (ROOT / "README.md").read_text()


def readme_commands():
    """README.md's way to a service, after the installation."""
    text = README.split("### As a service")[1]
    first, *rest = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].splitlines(keepends=True)
    assert first.startswith(f"apt install ./{NAME}_*.deb")
    return "".join(rest)


def test_readme_leads_to_a_service_that_starts_at_boot(installed):
    """There is no systemd to start it now: what is enabled is only written down."""
    commands = readme_commands()
    assert "systemctl enable --now " in commands
    installed.run("sh", "-ec", commands.replace(" --now ", " "))
    enabled = installed.changes()
    assert "/etc/systemd/system/multi-user.target.wants/virtfs-proxy@share.service" in enabled
    assert "/etc/systemd/system/sockets.target.wants/virtfs-proxy@share.socket" in enabled
    done = installed.run("systemd-analyze", "verify", "virtfs-proxy@share.service")
    assert "virtfs-proxy" not in done
    (installed.root / "srv/share/file").write_text("content")
    with instance(installed, "share") as name, Client.connect(name) as client:
        assert client.lstat("//file").size == len("content")
        (asked,) = re.findall(r"`(virtfs-proxyctl status /run/virtfs-proxy/share.control)`", README)
        assert "/srv/share" in installed.run(*asked.split())
        assert control.status(name.with_suffix(".control"))["clients"][0]["requests"] >= 1


def readme_line(start):
    """An indented line of that section: a command."""
    section = README.split("### As a service")[1].split("\n### ")[0]
    (line,) = re.findall(rf"^    ({re.escape(start)}.*)$", section, re.MULTILINE)
    return line


# In the guest: what its init mounted goes, and README.md's lines do the same, by hand and from the fstab.
GUEST = """
umount /mnt/share
{mount} && cd /mnt && echo "by hand" >file && mkdir directory && chown 1000:1001 directory && cd / && umount /mnt
mkdir -p /etc && echo '{fstab}' >>/etc/fstab
mount /mnt && cat /mnt/file
mknod /mnt/null c 1 3 || echo "no devices"
sleep 2
"""
SHARE = "/run/virtfs-proxy/share.sock"  # QEMU tries to remove this name when it has connected
BOOT = '-accel tcg -m 256 -nodefaults -display none -no-reboot -serial stdio -append "console=ttyS0 quiet panic=-1"'
BOOT += " -kernel /srv/guest/vmlinuz -initrd /srv/guest/initramfs"


def prepare_guest(machine):
    image = machine.root / "srv/guest"
    image.mkdir()
    work = image / "work"
    work.write_text(GUEST.format(mount=readme_line("mount -t 9p"), fstab=readme_line("share /mnt 9p")))
    for command in ([guest.TOOLS / "fetch-kernel", guest.CACHE], [guest.TOOLS / "make-initramfs", guest.CACHE, image, work]):
        subprocess.run(command, check=True, timeout=180)


def test_readme_leads_from_the_package_to_a_guest_that_uses_the_share(tmp_path, package):
    """On a machine that systemd runs, word for word, but for what a guest of one's own boots from."""
    if guest.missing_requirement():
        pytest.skip(guest.missing_requirement())
    with container(tmp_path) as machine:
        shutil.copy(package, machine.root / "root")
        machine.run("sh", "-ec", "apt-get install --yes --reinstall ./virtfs-proxy-helper_*.deb", timeout=120)
        machine.run("sh", "-ec", readme_commands())
        assert machine.run("systemctl", "is-active", "virtfs-proxy@share.service").strip() == "active"
        assert machine.run("systemctl", "--failed", "--quiet") == ""

        prepare_guest(machine)
        qemu = readme_line("runuser -u qemu -- qemu-system-x86_64").replace(" ... ", f" {BOOT} ")
        said = machine.run("sh", "-ec", f"timeout 120 {qemu}", timeout=150)
        assert "by hand" in said and "no devices" in said, said
        assert (machine.root / "srv/share/file").read_text() == "by hand\n"
        made = (machine.root / "srv/share/directory").stat()
        assert (made.st_uid, made.st_gid) == (1000, 1001)

        assert machine.run("stat", "-c", "%F %U", SHARE).strip() == "socket qemu"
        shown = ("systemctl", "show", "--property=StatusText", "--value", "virtfs-proxy@share.service")
        wait_for(lambda: re.match(r"0 clients, [1-9]\d* requests", machine.run(*shown)), what="a status without the guest")

        log = machine.run("journalctl", "--no-pager", "--unit=virtfs-proxy@share.service")
        assert "(qemu-system-x86), uid" in log and "sandbox: namespace" in log, log
        told = machine.run("virtfs-proxyctl", "status", "/run/virtfs-proxy/share.control")
        assert "sandbox   namespace" in told and "no set-id files" in told, told
        machine.run("apt-get", "purge", "--yes", NAME)
        assert not (machine.root / "etc/virtfs-proxy").exists()
        assert machine.attempt("pgrep", "-x", "vph-monitor").returncode == 1, "its instances have been stopped"


def test_several_exports_as_docs_deployment_has_them(installed):
    """After README.md's, on the same machine."""
    text = (ROOT / "docs/deployment.md").read_text().split("### With systemd")[1]
    commands = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1]
    installed.run("sh", "-ec", commands.replace(" --now ", " "))
    for name in ("home", "media"):
        assert f"/etc/systemd/system/sockets.target.wants/virtfs-proxy@{name}.socket" in installed.changes()
        shown = installed.run("systemd-analyze", "verify", f"virtfs-proxy@{name}.socket")
        assert "virtfs-proxy" not in shown
        (installed.root / "srv" / name).mkdir()
        with instance(installed, name) as path, Client.connect(path) as client:
            if name == "home":
                client.mkdir("//directory")
            else:
                with fails(errno.EROFS):
                    client.mkdir("//directory")
    drop_in = installed.root / "etc/systemd/system/virtfs-proxy@.socket.d/user.conf"
    assert parse(drop_in)["Socket"]["SocketUser"] == ["qemu"]


def test_options_of_an_instance_are_the_helpers(installed):
    (installed.root / "srv/other").mkdir()
    (installed.root / "etc/virtfs-proxy/other.conf").write_text("path /srv/other\nno-setid\nreadonly\n")
    with instance(installed, "other") as name, Client.connect(name) as client, fails(errno.EROFS):
        client.mkdir("//directory")


def test_upgrade_and_reinstallation_change_nothing(installed, package):
    before = installed.changes()
    install(installed, package)
    assert {name for name in installed.changes() ^ before if not RECORDS.match(name)} == set()


def set_up_instance(machine):
    """As its administrator does."""
    (machine.root / "etc/virtfs-proxy/share.conf").write_text("path /srv/share\n")
    wants = machine.root / "etc/systemd/system/sockets.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "virtfs-proxy@share.socket").symlink_to(f"{UNITS}/{SOCKET.name}")


def test_removal_keeps_what_the_administrator_wrote_and_purging_leaves_nothing(tmp_path, package):
    (tmp_path / "machine").mkdir()
    with overlay(tmp_path / "machine") as machine:
        install(machine, package)
        set_up_instance(machine)
        machine.run("apt-get", "remove", "--yes", NAME)
        assert (machine.root / "etc/virtfs-proxy/share.conf").exists()
        assert not (machine.root / "usr/bin" / NAME).exists()

        machine.run("apt-get", "purge", "--yes", NAME)
        left = {name for name in machine.changes() if not RECORDS.match(name)}
        assert left <= {"/etc/systemd/system/sockets.target.wants"}
        assert machine.run("dpkg-divert", "--list", "*virtfs*") == ""
        assert "missing" not in machine.run("dpkg", "--verify", "qemu-system-common")
