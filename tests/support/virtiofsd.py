# SPDX-License-Identifier: MIT
"""QEMU's own virtiofsd, as Debian 12 has it, run by a user without privilege."""

import os
import shutil
import subprocess
import tempfile

from .helper import wait_for

VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
NEEDED = ("setpriv", "unshare", "mount")
START_TIMEOUT = 20.0
EXIT_TIMEOUT = 20.0

# It wants to be root, for which a user namespace does, and a directory in /run.
START = 'mount -t tmpfs run /run && exec "$0" --socket-path="$1" -o source="$2" -o xattr -f'


def _in_namespaces(user, *command):
    identity = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["setpriv", "--pdeathsig=KILL", *identity, "unshare", "-r", "-m", *command]


def missing_requirement(user):
    """Why it cannot run here as this user, a number; or None."""
    missing = [program for program in (VIRTIOFSD, *NEEDED) if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    done = subprocess.run(_in_namespaces(user, "true"), capture_output=True, text=True, check=False)
    return f"a user cannot have namespaces here: {done.stderr.strip()}" if done.returncode != 0 else None


class Virtiofsd:
    """One that shares `source`, listening on `socket` when the constructor returns. It serves one QEMU and ends with it."""

    def __init__(self, socket, source, user):
        self.socket = socket
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            _in_namespaces(user, "sh", "-c", START, VIRTIOFSD, str(socket), str(source)),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self.pid = self._process.pid
        try:
            wait_for(self._is_ready, START_TIMEOUT, "virtiofsd's socket")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"virtiofsd ended with {self._process.returncode}: {self.log()}")
        return self.socket.exists() and "Waiting for vhost-user socket connection" in self.log()

    def log(self):
        """What it has said so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait(self):
        """Waits until it has ended, as it does when its QEMU has; returns its exit status."""
        try:
            return self._process.wait(EXIT_TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()
