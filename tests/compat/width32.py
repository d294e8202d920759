# SPDX-License-Identifier: MIT
"""Both helpers for a 32-bit host, on a 64-bit one: QEMU's from Debian's package, ours compiled for it.

Debian's i386 packages are fetched with a state of apt's own, and unpacked into a directory; nothing is installed, and
the system's architectures stay as they are.
"""

import os
import pathlib
import platform
import shlex
import shutil
import struct
import subprocess
import tempfile

import pytest
from support.helper import ROOT

from .implementations import Implementation, script

TRIPLET = "i386-linux-gnu"
RUNTIME = ("libc6", "libattr1", "libcap2", "libevent-core-2.1-7")
UPSTREAM_RUNTIME = ("libcap-ng0", "libglib2.0-0", "libnuma1", "libpcre2-8-0")
BUILD = ("libc6-dev", "linux-libc-dev", "libgcc-s1", "libevent-dev", "libcap-dev", "libattr1-dev")
TOOLS = ("apt-get", "dpkg-deb", "gcc", "meson", "ninja", "pkg-config")


# The smallest program for i386: exit(0).
SMALLEST = (
    b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    + struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 93, 93, 5, 4096)
    + b"\x31\xc0\x40\x31\xdb\xcd\x80\x90\x90"
)  # fmt: skip


def kernel_runs_it():
    """Whether this kernel runs 32-bit programs: not each is made with IA32_EMULATION, or started with it."""
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory) / "smallest"
        program.write_bytes(SMALLEST)
        program.chmod(0o755)
        try:
            return subprocess.run([program], check=False).returncode == 0
        except OSError:
            return False


def prepare(directory):
    """Makes a 32-bit system and both helpers in `directory`; returns ours and upstream as Implementations."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if platform.machine() != "x86_64" or missing:
        pytest.skip(f"needs an x86-64 host and {', '.join(missing) or 'nothing else'}")
    root = directory / "root"
    fetch(("qemu-system-common", *UPSTREAM_RUNTIME, *RUNTIME, *BUILD, f"libgcc-{gcc_version()}-dev"), directory, root)
    build = compile_ours(directory, root)
    return (
        implementation("ours", 10.0, directory, root, build / "src/virtfs-proxy-helper"),
        implementation("upstream", 1.5, directory, root, root / "usr/lib/qemu/virtfs-proxy-helper"),
    )


def gcc_version():
    return run("gcc", "-dumpversion").strip().partition(".")[0]


def run(*command, check=True):
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}")
    return done.stdout


def fetch(packages, directory, root):
    """Downloads packages with the system's own sources and unpacks them."""
    for name in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (directory / name).mkdir(parents=True)
    (directory / "state/status").touch()
    options = {
        "APT::Architecture": "i386",
        "APT::Architectures::": "i386",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::State": directory / "state",
        "Dir::State::status": directory / "state/status",
        "Dir::Cache": directory / "cache",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    said = run("apt-get", *words, "-q", "update", check=False)  # one index of several may be missing
    done = subprocess.run(
        ["apt-get", *words, "-q", "download", *packages],
        cwd=directory / "packages",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"Debian's i386 packages cannot be fetched: {done.stderr.strip() or said[-500:]}")
    for package in sorted((directory / "packages").iterdir()):
        run("dpkg-deb", "--extract", package, root)


def compile_ours(directory, root):
    """Our helper as a 32-bit program; returns the build directory."""
    folders = (f"usr/lib/gcc/i686-linux-gnu/{gcc_version()}", f"usr/lib/{TRIPLET}", f"lib/{TRIPLET}")
    compiler = ["gcc", "-m32", f"--sysroot={root}", "-isystem", f"{root}/usr/include/{TRIPLET}"]
    compiler += [f"{option}{root}/{folder}" for folder in folders for option in ("-B", "-L")]
    cross = directory / "cross.ini"
    cross.write_text(
        f"[binaries]\nc = {compiler!r}\npkgconfig = 'pkg-config'\n"
        f"[properties]\npkg_config_libdir = '{root}/usr/lib/{TRIPLET}/pkgconfig'\nsys_root = '{root}'\n"
        "needs_exe_wrapper = true\n"
        "[host_machine]\nsystem = 'linux'\ncpu_family = 'x86'\ncpu = 'i686'\nendian = 'little'\n"
    )
    build = directory / "build"
    run("meson", "setup", build, ROOT, "--cross-file", cross, "-Dtests=false")
    run("ninja", "-C", build, "src/virtfs-proxy-helper")
    return build


def implementation(name, patience, directory, root, program):
    """A program that runs with the 32-bit libraries, without being installed."""
    assert program.read_bytes()[4] == 1, f"{program} is no 32-bit program"
    paths = f"{root}/lib/{TRIPLET}:{root}/usr/lib/{TRIPLET}"
    words = ("exec", f"{root}/lib/ld-linux.so.2", "--library-path", paths, str(program))
    os.stat(program)
    return Implementation(name, script(directory / f"{name}-32", shlex.join(words)), patience)
