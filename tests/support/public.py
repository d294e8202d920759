# SPDX-License-Identifier: MIT
"""A place that every user can reach: pytest's directories are root's alone, and so may be the one of the build."""

import contextlib
import pathlib
import shutil
import tempfile

from .helper import OURS


@contextlib.contextmanager
def public_directory():
    """A directory that anyone can write, with a copy of the helper in it, `helper`, and with `export`."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vph-"))
    try:
        path.chmod(0o777)
        shutil.copy(OURS, path / "helper")
        (path / "helper").chmod(0o755)
        (path / "export").mkdir()
        (path / "export").chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path)
