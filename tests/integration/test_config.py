# SPDX-License-Identifier: MIT
"""--config: options from a file, which those of the command line overrule."""

import errno
import os

import pytest
from support.expect import fails
from support.helper import Helper, wait_for
from support.launch import run


@pytest.fixture
def config(tmp_path):
    return tmp_path / "a file.conf"


def run_with(config, text, *args):
    config.write_text(text)
    return run("--nodaemon", "--config", config, *args)


def test_options_come_from_the_file(export, config):
    config.write_text(f"# a share\n\n  path {export}  \nreadonly\n\tlog-level = debug\nmax-clients=1\n")
    with Helper("/nowhere", args=("--path", export, "--config", config)) as helper, helper.connect() as client:
        with fails(errno.EROFS):
            client.mkdir("//directory")
        wait_for(lambda: "mkdir" in helper.log(), what="the line of the request")
        with helper.connect() as another, pytest.raises((ConnectionResetError, BrokenPipeError)):
            another.lstat("/")


def test_the_command_line_overrules_the_file_wherever_it_stands(export, config):
    config.write_text("path /nowhere\nlog-level error\n")
    with Helper(export, args=("--log-level", "info", "--config", config)) as helper:
        wait_for(lambda: "serving" in helper.log(), what="a line of the level info")


def test_a_value_goes_on_to_the_end_of_the_line(tmp_path, config):
    export = tmp_path / "two  words=1 #"
    export.mkdir()
    (export / "here").write_text("")
    config.write_text(f"path {export}\n")
    done = run("--nodaemon", "--config", config, "--socket", tmp_path / "no directory/s")
    assert "its directory" in done.stderr  # which comes after the export


MISTAKES = {
    "unknown option": ("nonsense\n", "--nonsense"),
    "value that makes no sense": ("threads many\n", "--threads 'many'"),
    "value missing": ("threads\n", "--threads"),
    "value too many": ("readonly yes\n", "--readonly"),
    "dashes": ("readonly\n--threads 3\n", "line 2"),
    "no name": ("= 3\n", "line 1"),
    "another file": ("config other\n", "line 1"),
    "no text": ("readonly\0\n", "no text"),
    "too long": ("#" * 70000, "File too large"),
    "too many": ("readonly\n" * 257, "line 257"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_started(export, config, mistake, run_directory):
    text, named = MISTAKES[mistake]
    done = run_with(config, text, "--path", export, "--socket", run_directory / "s")
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert os.listdir(run_directory) == []


@pytest.mark.parametrize("name", ["nothing", "."], ids=["missing", "directory"])
def test_a_file_that_cannot_be_read_is_named(export, tmp_path, name):
    done = run("--nodaemon", "--config", tmp_path / name, "--path", export, "--socket", tmp_path / "s")
    assert done.returncode == 2 and str(tmp_path / name) in done.stderr
