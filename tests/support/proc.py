# SPDX-License-Identifier: MIT
"""What /proc tells about processes and their threads: the kernel's word, not the program's."""

import contextlib
import os
import pathlib
import resource

from .helper import wait_for

SANITIZER = os.environ.get("VIRTFS_PROXY_SANITIZER", "none")


def _read(path):
    return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")


def name(pid):
    """As ps shows it."""
    return _read(f"/proc/{pid}/comm").strip()


def state(pid):
    """One letter, proc_pid_stat(5); X if there is no such process."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def has_ended(pid):
    """Also when nobody has reaped it: whoever adopts orphans may not."""
    return state(pid) in "XZ"


def waits_in(pid, *functions):
    """Whether its first thread waits in one of these functions of the kernel, proc_pid_wchan(5)."""
    return _read(f"/proc/{pid}/wchan") in functions


def cpu_seconds(pid):
    """User and system time of all threads so far."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_time(pid, task):
    """Nanoseconds that a thread has spent on a processor; finer than cpu_seconds."""
    return int(_read(f"/proc/{pid}/task/{task}/schedstat").split()[0])


def children(pid):
    """Process ids of its children."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in _read(task / "children").split()}


def _thread_names(pid):
    """Names by thread id; a thread that ends meanwhile is left out."""
    names = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names[int(task)] = name(f"{pid}/task/{task}")
    return names


def _is_sanitizers(pid, task, title):
    """ThreadSanitizer has threads of its own in each process, with names that this has had."""
    return SANITIZER == "thread" and task != pid and not title.startswith(("vph-reactor-", "vph-canary"))


def threads(pid):
    """Thread ids by thread name. A new thread has its creator's until it takes its own: that is waited for."""

    def all_named():
        names = {task: title for task, title in _thread_names(pid).items() if not _is_sanitizers(pid, task, title)}
        return names if len(set(names.values())) == len(names) else None

    return {title: task for task, title in wait_for(all_named, what="threads with different names").items()}


def reactors(pid):
    """Those threads of a worker that serve clients."""
    return {title: task for title, task in threads(pid).items() if title.startswith("vph-reactor-")}


def status(pid, task=None):
    """The fields of proc_pid_status(5), of the process's first thread or of another."""
    lines = _read(f"/proc/{pid}/task/{task or pid}/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def hanging_threads(pid):
    """Reactors that wait in the kernel for something else than events: those that hang in a file system."""

    def hangs(task):
        place = _read(f"/proc/{pid}/task/{task}/wchan")
        return place != "0" and "poll" not in place

    return {title: task for title, task in reactors(pid).items() if hangs(task)}


def wait_for_hanging(pid, count=1):
    """Waits until so many reactors hang; returns them like `threads`."""

    def enough():
        hanging = hanging_threads(pid)
        return hanging if len(hanging) == count else None

    return wait_for(enough, what=f"{count} hanging requests")


def descriptors(pid):
    """What each descriptor refers to, by number, as /proc names it. One that is closed meanwhile is left out."""
    targets = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
    return targets


def limit_descriptors(pid, count):
    """Its soft limit, RLIMIT_NOFILE: every descriptor that it gets from now on is smaller than `count`."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))
