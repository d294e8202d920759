# SPDX-License-Identifier: MIT
"""The AppArmor profile, in force: a guest with Debian's kernel, which has AppArmor where the host's may have none, loads
it and runs the helper under it, as the head of the profile says.

The helper must be denied nothing that it needs. And what runs in its place, under its name, must be denied the rest.
"""

import json
import re
import shutil

import pytest
from guest.conftest import public_directory
from support.control import PROXYCTL
from support.guest import AGENT, ROOT, Guest, GuestError, missing_requirement, prepare_image
from support.helper import OURS

WORK = ROOT / "tests/guest/armor.sh"
PROFILE = ROOT / "contrib/apparmor/virtfs-proxy-helper"
NAME = "virtfs-proxy-helper"
PARSER = shutil.which("apparmor_parser")

# As a package would install them; and the policy that the profile includes.
ADDED = (
    f"{OURS}=/usr/bin/virtfs-proxy-helper",
    f"{PROXYCTL}=/usr/bin/virtfs-proxyctl",
    f"{PARSER}=/usr/sbin/apparmor_parser",
    "/etc/apparmor",
    "/etc/apparmor.d/abi",
    "/etc/apparmor.d/abstractions",
    "/etc/apparmor.d/tunables",
    "/usr/share/apparmor-features",
    f"{PROFILE}=/etc/apparmor.d/{NAME}",
    f"{AGENT}=/agent.sh",
)

# A console that leaves out messages when there are many would hide what was denied. Root needs a capability to pass /srv.
PREPARE = """
mount -t securityfs security /sys/kernel/security
mount -t tmpfs -o mode=755 run /run
echo 0 >/proc/sys/kernel/printk_ratelimit
mkdir -p /run/virtfs /etc/apparmor.d/local /etc/virtfs-proxy /usr/local/bin /var/log /srv/other
ifconfig lo up && httpd -p 127.0.0.1:80 -h /etc
echo secret >/etc/shadow
echo threads 8 >/etc/virtfs-proxy/share.conf
echo user.hidden skip >/etc/xattr.conf
chmod 0 /srv
syslogd -O /var/log/messages
mkfifo /tmp/ready
cp /bin/busybox /usr/local/bin/virtfs-proxy-helper
test "$(cat /sys/module/apparmor/parameters/enabled)" = Y
"""

# What the helper makes in /run/virtfs, and its options for that.
NAMED = {"--socket": "sock", "--control": "control", "--pid-file": "pid"}
SOCKET, CONTROL, PID_FILE = (f"/run/virtfs/share.{kind}" for kind in NAMED.values())

# What the head of the profile says is to be added for /srv/share, in its order.
FOR_CHROOT, FOR_NAMESPACE = re.findall(r"^#   (/\S* rwlk,)$", PROFILE.read_text(), re.MULTILINE)
RULES = {"chroot": FOR_CHROOT, "namespace": FOR_NAMESPACE}

# The daemon, with syslog; and in the foreground, as a service manager starts it. Where each logs to.
OPTIONS = {
    "chroot": "-p /srv/share --sandbox=chroot --config /etc/virtfs-proxy/share.conf --ready-fd 3 3<>/tmp/ready",
    "namespace": "-p /srv/share --sandbox=namespace --nodaemon",
}
LOGS = {"chroot": "/var/log/messages", "namespace": "/tmp/share.log"}

# The guest's tmpfs has no attributes of users, but has ACLs: this one lets user 1000 read.
ACL = "0x02000000" "01000600ffffffff" "02000400e8030000" "04000400ffffffff" "10000400ffffffff" "20000000ffffffff"

OPERATIONS = f"""
call {SOCKET} mkdir path=/dir uid=1000
call {SOCKET} create /dir/new uid=1000 gid=1000
put --uid 1000 {SOCKET} /dir/file /etc/passwd
cat {SOCKET} /dir/file
ls {SOCKET} /
ls {SOCKET} /dir
stat {SOCKET} /dir/file
call {SOCKET} statfs /dir
call {SOCKET} chmod /dir/file 4640
call {SOCKET} chown /dir/file 1001 1001
call {SOCKET} truncate /dir/file 5
call {SOCKET} utime /dir/file
call {SOCKET} mknod path=/dir/null mode=S_IFCHR|666 rdev=1:3
call {SOCKET} mknod path=/dir/fifo mode=S_IFIFO|666
call {SOCKET} mknod path=/dir/socket mode=S_IFSOCK|666
call {SOCKET} symlink target=file path=/dir/symlink
call {SOCKET} readlink /dir/symlink
call {SOCKET} link /dir/file /dir/hard
call {SOCKET} lsetxattr /dir/file system.posix_acl_access {ACL}
getfattr {SOCKET} /dir/file
getfattr {SOCKET} /dir/file system.posix_acl_access
call {SOCKET} lremovexattr /dir/file system.posix_acl_access
call {SOCKET} rename /dir/file /moved
call {SOCKET} remove /moved
call {SOCKET} rename /dir /folder
status {CONTROL}
metrics {CONTROL}
reload {CONTROL}
cat {SOCKET} /folder/hard
restart-worker {CONTROL}
cat {SOCKET} /folder/hard
""".strip().splitlines()


class Armored:
    """The guest, in which the helper runs under its profile."""

    def __init__(self, guest):
        self.run, self.attempt = guest.run, guest.attempt

    def load(self, rule):
        """Loads the profile, in force, with a rule in the local file. What was denied up to then is forgotten."""
        self.run(f"echo '{rule}' >/etc/apparmor.d/local/{NAME}; apparmor_parser -r -K -T /etc/apparmor.d/{NAME}")
        assert f"{NAME} (enforce)" in self.run("cat /sys/kernel/security/apparmor/profiles")
        self.denied()

    def denied(self):
        """What the kernel has denied since the last call."""
        return [line for line in self.run("dmesg -c").splitlines() if 'apparmor="DENIED"' in line]

    def start(self, options, name="share"):
        """Starts a helper whose files in /run/virtfs have such a name."""
        names = " ".join(f"{option} /run/virtfs/{name}.{kind}" for option, kind in NAMED.items())
        self.run(f"""
            virtfs-proxy-helper -u alice {names} {options} >/tmp/{name}.log 2>&1 &
            for try in $(seq 100); do [ -e /run/virtfs/{name}.pid ] && exit 0; sleep 0.1; done
            cat /tmp/{name}.log; exit 1""")

    def stop(self, name="share"):
        self.run(f"""
            read -r pid </run/virtfs/{name}.pid; kill $pid
            for try in $(seq 100); do [ -e /proc/$pid/exe ] || exit 0; sleep 0.1; done
            exit 1""")

    def labels(self):
        """The names of the helper's processes and the profiles that they are under."""
        return [f"{name} {label}" for name, _, label in self._processes()]

    def find(self, name):
        """The pid of a process of the helper's."""
        return next(pid for found, pid, _ in self._processes() if found == name)

    def _processes(self):
        # With the shell's own words alone: to start a program takes long in a guest.
        listing = self.run("""
            for process in /proc/[0-9]*; do
                { read -r name <$process/comm && read -r label <$process/attr/current; } 2>/dev/null || continue
                case $name in vph-*) echo $name ${process#/proc/} $label ;; esac
            done""")
        return sorted(line.split(" ", 2) for line in listing.splitlines())

    def call(self, commands):
        """Runs commands of virtfs-proxyctl. Returns the failed ones with what they said."""
        script = "".join(f"said=$(virtfs-proxyctl {quote(line)} 2>&1) || echo '{line}:' $said\n" for line in commands)
        return self.run(script)


def quote(line):
    return " ".join(f"'{word}'" for word in line.split())


@pytest.fixture(scope="module")
def armored():
    reason = missing_requirement() or (None if PARSER else "not installed: apparmor_parser")
    if reason:
        pytest.skip(reason)
    with public_directory() as directory:
        share = directory / "share"
        share.mkdir()
        try:
            prepare_image(directory, WORK, ADDED)
        except GuestError as error:
            pytest.skip(f"no guest to boot: {error}")
        # The share is what the guest's init asks for; nothing is in it.
        with Guest(directory, None, local=share, append="apparmor=1 security=apparmor") as guest:
            if guest.attempt(PREPARE).status != 0:
                pytest.skip("the guest's kernel has no AppArmor")
            yield Armored(guest)


@pytest.fixture(scope="module", params=RULES)
def sandbox(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(armored, sandbox):
    """The guest with the profile as it has to be for a sandbox."""
    armored.load(RULES[sandbox])
    return armored


@pytest.fixture(scope="module")
def started(loaded, sandbox):
    """The helper under the profile. It ends in good order, and leaves nothing."""
    loaded.start(OPTIONS[sandbox])
    yield loaded
    loaded.stop()
    assert loaded.labels() == []
    assert loaded.run("ls -A /run/virtfs") == ""
    assert loaded.denied() == []


@pytest.fixture
def serving(started):
    """The helper at work. Nothing at all is denied."""
    yield started
    assert started.denied() == []


BOTH = [f"vph-{process} {NAME} (enforce)" for process in ("monitor", "worker")]


def test_the_helper_is_denied_nothing_that_it_needs(serving):
    """Each operation that there is, a reload and another worker; all of it under the profile."""
    assert serving.labels() == BOTH
    assert serving.call(OPERATIONS) == ""
    assert serving.labels() == BOTH
    assert serving.run("cat /srv/share/folder/hard") == "root:"
    assert serving.run("ls /run/virtfs").split() == ["share.control", "share.pid", "share.sock"]
    serving.run("rm -r /srv/share/folder")


def test_an_upgrade_is_under_the_profile_too(serving, sandbox):
    """The monitor executes what has its program's name by now; SIGHUP comes from somebody who is not confined."""
    log = LOGS[sandbox]
    serving.run(f"""
        before=$(grep -c 'reload: done' {log})
        cp /usr/bin/virtfs-proxy-helper /usr/bin/new && mv /usr/bin/new /usr/bin/virtfs-proxy-helper
        kill -HUP $(cat {PID_FILE})
        for try in $(seq 100); do [ $(grep -c 'reload: done' {log}) -gt $before ] && exit 0; sleep 0.1; done
        cat {log}; exit 1""")
    assert serving.call([f"ls {SOCKET} /"]) == ""
    assert serving.labels() == BOTH


def test_what_a_killed_worker_leaves_is_taken_over(serving):
    serving.run(f"kill -KILL {serving.find('vph-worker')}")
    assert serving.call([f"ls {SOCKET} /"]) == ""
    assert serving.labels() == BOTH


def test_status_tells_of_the_processes(serving):
    """Which takes a capability, as the worker is not dumpable."""
    status = json.loads(serving.run(f"virtfs-proxyctl --json status {CONTROL}"))
    for process in ("monitor", "worker"):
        assert None not in status[process].values(), status[process]


@pytest.mark.parametrize("sandbox", ["namespace"], indirect=True)
def test_ids_are_mapped_as_far_as_the_kernel_can(loaded, sandbox):
    """The map is made. That the guest's tmpfs takes none is not the profile's doing."""
    options = f"-p /srv/share -s /run/virtfs/mapped.sock --sandbox={sandbox} --idmap both:0:0:1 --nodaemon"
    refused = loaded.attempt(f"virtfs-proxy-helper {options}")
    assert refused.status == 1 and "map the ids of the export's file systems (not every one can)" in refused.output
    assert loaded.denied() == []


@pytest.mark.parametrize("sandbox", ["chroot"], indirect=True)
def test_an_export_that_was_not_added_cannot_be_read(loaded, sandbox):
    """With this sandbox the profile tells the export from the rest of the host."""
    loaded.run("echo secret >/srv/other/file")
    loaded.start(f"-p /srv/other --sandbox={sandbox}", name="other")
    socket = "/run/virtfs/other.sock"
    for command in (f"cat {socket} /file", f"put {socket} /new /etc/passwd", f"call {socket} remove /file"):
        assert "EACCES" in loaded.call([command])
    loaded.stop("other")
    assert loaded.run("ls /srv/other") == "file"
    assert {re.search(r' name="(\S+)"', line)[1] for line in loaded.denied()} == {"/srv/other/file", "/srv/other/new"}


# What somebody may try who has the helper's process do as he likes, with all of root's capabilities and no other fence.
# The program under the helper's name is busybox, which does what its first argument, its name, says. And what is denied, in
# the kernel's words; what the profile says is denied is not logged.
TRIES = {
    "exec": ("sh -c 'exec /bin/busybox true'", 'operation="exec" '),
    "signal": ("kill -CONT $(pidof syslogd)", 'operation="signal" '),
    "ptrace": ("readlink /proc/1/exe", 'operation="ptrace" '),
    "capability": ("renice -n -5 $$", 'capname="sys_nice"'),
    "network": ("wget -q -O - http://127.0.0.1/passwd", None),
    "file": ("cat /etc/shadow", 'name="/etc/shadow" '),
}


@pytest.mark.parametrize("what", TRIES)
def test_what_is_not_the_helpers_is_denied(loaded, sandbox, what):
    command, logged = TRIES[what]
    name, arguments = command.split(" ", 1)
    assert loaded.attempt(f"exec -a {name} /bin/busybox {arguments}").status == 0, "it is the profile that denies it"
    tried = loaded.attempt(f"exec -a {name} /usr/local/bin/virtfs-proxy-helper {arguments}")
    denied = loaded.denied()
    if what == "file" and sandbox == "namespace":
        # As the head of the profile says: here it is the namespace that keeps the worker from the host's files.
        assert (tried, denied) == ((0, "secret\n"), [])
        return
    assert tried.status != 0, tried.output
    assert len(denied) == (1 if logged else 0) and all(logged in line for line in denied), denied
