# SPDX-License-Identifier: MIT
"""The mount outlives workers and helpers."""

import contextlib
import os
import signal
import subprocess
import time

from mount.conftest import PRELUDE
from support.helper import open_files, wait_for

LOAD = """
import itertools
errors = 0
done = 0
end = float(sys.argv[1])
import time
start = time.monotonic()
name = f"load{os.getpid()}"
for number in itertools.count():
    if time.monotonic() - start > end:
        break
    for step in (lambda: os.mkdir(f"{name}.{number}"), lambda: create(f"{name}.{number}/f", b"x" * 1000),
                 lambda: content(f"{name}.{number}/f"), lambda: os.unlink(f"{name}.{number}/f"),
                 lambda: os.rmdir(f"{name}.{number}")):
        try:
            step()
            done += 1
        except OSError as error:
            # EIO: it was in flight. The others: a step before it was, whether it has happened or not.
            assert error.errno in (errno.EIO, errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST), error
            errors += 1
print(done, errors)
"""


def ends_within(seconds, function):
    """The operation does not wait."""
    start = time.monotonic()
    result = function()
    assert time.monotonic() - start < seconds
    return result


def start_load(site, seconds):
    command = site.command("/usr/bin/python3", "-c", PRELUDE + LOAD, str(seconds))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_worker_is_killed_under_load(site):
    kills = 4
    running = [start_load(site, 5) for _ in range(3)]
    for _ in range(kills):
        time.sleep(1)
        (worker,) = site.helper.children()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: site.helper.children() not in ([], [worker]), what="another worker")  # noqa: B023
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        done, errors = map(int, output.split())
        # What was in flight when it died, one each time, and the steps that built upon that.
        assert errors <= kills * 5 and done > 100, output
    site.run("sh", "-c", "echo lives > after && cat after")


def test_helper_is_reloaded_under_load(site):
    """None of the operations fails."""
    running = [start_load(site, 3) for _ in range(3)]
    for _ in range(5):
        time.sleep(0.3)
        before = site.helper.log().count("reload: done")
        os.kill(site.helper.pid, signal.SIGHUP)
        wait_for(lambda: site.helper.log().count("reload: done") > before, what="the reload")  # noqa: B023
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        done, errors = map(int, output.split())
        assert errors == 0 and done > 100, output


def test_mount_below_the_export_after_the_worker_died(start_site):
    """The new worker has new mounts; what the mount holds of the old ones shows nothing of what was below them."""
    site = start_site()
    (site.export / "below").mkdir()
    (site.export / "below/hidden").touch()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "below", site.export / "below"], check=True)
    try:
        (site.export / "below/shown").touch()
        site.helper.stop()
        site.helper = site.start_helper()
        wait_for(lambda: "shown" in site.run("ls", "-R", status=None), what="the mount below")
        (worker,) = site.helper.children()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: site.helper.children() not in ([], [worker]), what="another worker")
        time.sleep(1.2)  # for which what was learnt before may be believed
        assert site.run("ls", "-R") == ".:\nbelow\n\n./below:\nshown\n"
        site.run("stat", "below/shown")
    finally:
        site.helper.stop()
        wait_for(lambda: subprocess.run(["umount", site.export / "below"], check=False).returncode == 0, what="unmounting")


def test_helper_that_is_gone_and_comes_back(site):
    (site.export / "file").write_text("content")
    reader = subprocess.Popen(
        site.command("/usr/bin/python3", "-c", "import os, sys; f = open('file'); print('open', flush=True); "
                     "sys.stdin.readline(); print(f.read())"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout.readline() == "open\n"
    site.helper.stop()
    for words in (["stat", "file"], ["find"], ["touch", "new"], ["cat", "file"], ["mkdir", "d"], ["df", "."]):
        assert "Input/output error" in ends_within(2, lambda: site.run(*words, status=1)), words  # noqa: B023
    assert reader.communicate("go\n", timeout=10)[0] == "content\n", "what is open goes on"
    site.helper = site.start_helper()
    assert ends_within(2, lambda: site.run("cat", "file")) == "content"
    site.run("sh", "-c", "mkdir d && touch d/new && ls d")


def test_helper_that_is_killed_and_comes_back_under_load(site):
    running = [start_load(site, 4) for _ in range(3)]
    time.sleep(1)
    site.helper.kill()
    time.sleep(0.5)
    with contextlib.suppress(FileNotFoundError):
        site.socket.unlink()
    site.helper = site.start_helper()
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and int(output.split()[0]) > 50, output
    site.run("sh", "-c", "echo lives > after && cat after")


def test_no_reconnect(start_site):
    site = start_site((), ("--no-reconnect",))
    assert site.run("ls") == ""
    site.helper.stop()
    assert "Input/output error" in site.run("ls", status=2)
    site.helper = site.start_helper()
    assert "Input/output error" in site.run("ls", status=2)


def test_another_export_is_served_by_the_helper_that_comes_back(start_site):
    """Nothing of the old one is shown."""
    site = start_site()
    (site.export / "old").mkdir()
    (site.export / "old/file").touch()
    assert site.run("ls", "-R") == ".:\nold\n\n./old:\nfile\n"
    site.helper.stop()
    site.export.rename(site.export.parent / "before")
    site.export.mkdir()
    (site.export / "old").mkdir()
    (site.export / "old/other").touch()
    site.helper = site.start_helper()
    assert site.run("ls", "-R") == ".:\nold\n\n./old:\nother\n"


def test_connections_grow_with_what_is_asked_at_once_and_not_further(start_site):
    site = start_site((), ("--connections", "3"))
    site.export.chmod(0o777)

    def connections():
        return sum(target.startswith("socket:") for target in open_files(site.mount.pid))

    site.run("ls")
    assert connections() == 1
    work = "mkdir $0; cd $0; for n in $(seq 60); do mkdir $n; done"
    running = [subprocess.Popen(site.command("sh", "-ec", work, str(number))) for number in range(12)]
    assert [process.wait(60) for process in running] == [0] * 12
    assert 1 < connections() <= 3


def test_helper_with_fewer_connections_than_the_mount_would_take(start_site):
    site = start_site(("--max-clients", "2"))
    site.export.chmod(0o777)
    work = "mkdir $0; cd $0; for n in $(seq 60); do mkdir $n; done"
    running = [subprocess.Popen(site.command("sh", "-ec", work, str(number))) for number in range(12)]
    assert [process.wait(60) for process in running] == [0] * 12


def test_a_signal_unmounts(start_site):
    site = start_site()
    os.kill(site.mount.pid, signal.SIGTERM)
    wait_for(lambda: not site.mount.is_mounted(), what="unmounting")
    # It has ended with 0, which the end of the test looks at.
