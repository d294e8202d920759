# SPDX-License-Identifier: MIT
"""Real guests: QEMU under software emulation with Debian's kernel, a 9p share, and a shell to talk to."""

import base64
import collections
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "contrib/guest"
AGENT = ROOT / "tests/guest/agent.sh"
# Shared with contrib/quickstart, so that a kernel is downloaded once for both.
CACHE = pathlib.Path(os.environ.get("GUEST_CACHE", ROOT / "build-guest"))

TAG = "share"  # the name of the share in the guest: it is on /mnt/share
NEEDED = ("qemu-system-x86_64", "busybox", "setpriv", "setfattr", "getfattr")
PREPARE_TIMEOUT = 180
BOOT_TIMEOUT = 120
COMMAND_TIMEOUT = 60
EXIT_TIMEOUT = 30

Result = collections.namedtuple("Result", "status output")


class GuestError(Exception):
    """A guest that did not do as told, with what it or its console said."""


def missing_requirement():
    """Why no guest can run here, or None."""
    if os.geteuid() != 0:
        return "needs root: the helper changes its root directory, and QEMU runs as several users"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def prepare_image(directory, work=AGENT, added=()):
    """Puts kernel and initramfs into `directory`; raises GuestError with the reason where there is no kernel to be had.

    work   script that the guest runs; it has to end with AGENT
    added  what else is to be in the initramfs, each as make-initramfs has it behind --add

    QEMU runs as users who must be able to read them, so every folder above has to let anyone pass.
    """
    options = [word for file in added for word in ("--add", file)]
    for command in (
        [TOOLS / "fetch-kernel", CACHE],
        [TOOLS / "make-initramfs", *options, CACHE, directory, work, "setfattr", "getfattr"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PREPARE_TIMEOUT)
        if done.returncode != 0:
            raise GuestError(done.stderr.strip())


class Guest:
    """A guest with the share of the helper at `socket_path` as its working directory. It boots while the caller goes on.

    image  directory that prepare_image has filled
    user   the user that QEMU runs as
    local  share this directory with QEMU's own "local" driver instead, which needs no helper
    append further words for the kernel's command line
    virtiofs share by virtiofs instead, with the virtiofsd that listens on this socket
    """

    def __init__(self, image, socket_path, user="root", local=None, append="", virtiofs=None):
        self._console = tempfile.TemporaryFile()
        self._agent, theirs = socket.socketpair()
        self._received = b""
        self._ready = False
        share = self._ninep(socket_path, local) if virtiofs is None else self._virtiofs(virtiofs)
        if virtiofs is not None:
            append += f" virtiofs={TAG}"
        with theirs:
            self._qemu = subprocess.Popen(
                self._command(image, user, share, theirs.fileno(), append),
                stdin=subprocess.DEVNULL,
                stdout=self._console,
                stderr=self._console,
                pass_fds=(theirs.fileno(),),
            )
        self.pid = self._qemu.pid

    @staticmethod
    def _ninep(socket_path, local):
        if local is None:
            fsdev = f"proxy,id=share,socket={socket_path}"
        else:
            fsdev = f"local,id=share,path={local},security_model=passthrough"
        return ["-fsdev", fsdev, "-device", f"virtio-9p-pci,fsdev=share,mount_tag={TAG}"]

    @staticmethod
    def _virtiofs(socket_path):
        """virtiofsd reads requests from the guest's memory, so that it has to be shared. run-guest gives it 256 MiB."""
        memory = ["-object", "memory-backend-memfd,id=memory,size=256M,share=on", "-machine", "memory-backend=memory"]
        channel = ["-chardev", f"socket,id=share,path={socket_path}"]
        return [*memory, *channel, "-device", f"vhost-user-fs-pci,chardev=share,tag={TAG}"]

    @staticmethod
    def _command(image, user, share, agent_fd, append):
        agent = ["-chardev", f"socket,id=agent,fd={agent_fd}", "-serial", "chardev:agent"]
        return [str(TOOLS / "run-guest"), "--append", append, user, str(image), *share, *agent]

    def wait_until_ready(self, timeout=BOOT_TIMEOUT):
        """Waits until the guest has mounted the share and takes commands. Returns the guest."""
        if not self._ready:
            line = self._receive_line(time.monotonic() + timeout)
            if line != b"ready":
                raise GuestError(f"the guest greeted with {line!r}\n{self.console()}")
            self._ready = True
        return self

    def attempt(self, command, timeout=COMMAND_TIMEOUT):
        """Runs a shell command in the share, as the guest's root; returns its exit status and output (both streams)."""
        self.wait_until_ready()
        deadline = time.monotonic() + timeout
        self._send(command, timeout)
        status, _, output = self._receive_line(deadline, command).partition(b" ")
        return Result(int(status), base64.b64decode(output).decode(errors="surrogateescape"))

    def run(self, command, timeout=COMMAND_TIMEOUT):
        """Like attempt, for a command that has to succeed; returns its output without the last newline."""
        status, output = self.attempt(command, timeout)
        if status != 0:
            raise GuestError(f"{command!r} ended with {status}: {output.strip()}")
        return output.removesuffix("\n")

    def _send(self, command, timeout):
        try:
            self._agent.settimeout(timeout)
            self._agent.sendall(base64.b64encode(command.encode()) + b"\n")
        except OSError as error:
            raise GuestError(f"cannot send {command!r}: {error}\n{self.console()}") from error

    def _receive_line(self, deadline, awaited="boot"):
        """The next line from the agent. After a line that was too late, the guest is good for nothing but kill()."""
        while b"\n" not in self._received:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise GuestError(f"no answer in time to {awaited!r}\n{self.console()}")
            self._agent.settimeout(remaining)
            try:
                data = self._agent.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise GuestError(f"QEMU ended during {awaited!r}\n{self.console()}")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return line

    def console(self):
        """What the guest's console and QEMU's standard error have said so far."""
        size = os.fstat(self._console.fileno()).st_size
        return os.pread(self._console.fileno(), size, 0).decode(errors="replace")

    def kill(self):
        """Ends QEMU as a crash would. Harmless when it has ended."""
        self._qemu.kill()
        self._finish()

    def poweroff(self):
        """Turns the guest off from inside; QEMU has to end with status 0."""
        self.wait_until_ready()
        self._send("poweroff -f", COMMAND_TIMEOUT)
        try:
            status = self._finish()
        finally:
            self.kill()
        if status != 0:
            raise GuestError(f"QEMU ended with {status}\n{self.console()}")

    def _finish(self):
        """Waits for QEMU to end; returns its status."""
        status = self._qemu.wait(EXIT_TIMEOUT)
        self._agent.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
