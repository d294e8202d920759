# SPDX-License-Identifier: MIT
"""Under a real systemd, in a container: guests outlive a reload, a restart, and a crash of each process."""

import errno
import json
import shutil
import signal

import pytest
from support.container import container
from support.control import PROXYCTL
from support.expect import fails
from support.helper import OURS, wait_for
from support.units import SERVICE, SOCKET
from support.wire import Client, Op, request

UNIT = "virtfs-proxy@share.service"


class Service:
    """The service `share` in a container, made of contrib's units, with the programs that are tested."""

    def __init__(self, machine):
        self._machine = machine
        self.config = machine.root / "etc/virtfs-proxy/share.conf"
        self.export = machine.root / "srv/share"
        self.config.parent.mkdir(parents=True)
        self.export.mkdir()
        self.config.write_text("path /srv/share\n")
        for path in (SERVICE, SOCKET):
            shutil.copy(path, machine.root / "etc/systemd/system")
        for program in (OURS, PROXYCTL):
            shutil.copy(program, machine.root / "usr/local/bin")
        self.run("systemctl", "daemon-reload")
        done = machine.attempt("systemctl", "start", UNIT)
        assert done.returncode == 0, self.log()

    def run(self, *words):
        return self._machine.run(*words)

    def connect(self):
        return Client.connect(f"/proc/{self._machine.leader}/root/run/virtfs-proxy/share.sock", 30)

    def show(self, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", UNIT).strip()

    def signal(self, number, name):
        self.run("pkill", f"-{number.value}", "-x", name)

    def status(self):
        return json.loads(self.run("virtfs-proxyctl", "--json", "status", "/run/virtfs-proxy/share.control"))

    def log(self):
        return self.run("journalctl", "--no-pager", "-u", UNIT, "-o", "cat")

    def wait_until_up(self):
        wait_for(lambda: self.show("ActiveState") == "active" and self.show("SubState") == "running", what="the service", timeout=30)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with container(tmp_path_factory.mktemp("machine")) as machine:
        yield Service(machine)


@pytest.fixture
def client(service):
    with service.connect() as connected:
        connected.lstat("/")
        yield connected


@pytest.fixture(autouse=True)
def log_of_a_failure(service, request):
    """What the service has said, for whoever looks at a test that failed."""
    service.run("systemctl", "reset-failed", UNIT)  # the limit of starts is not what is tested
    yield
    print(service.log())


def stored(service):
    return int(service.show("NFileDescriptorStore"))


def test_what_is_kept_comes_and_goes_with_the_guests(service):
    assert stored(service) == 2
    with service.connect() as client, service.connect() as other:
        client.lstat("/"), other.lstat("/")
        wait_for(lambda: stored(service) == 4, what="two sockets in the store")
    wait_for(lambda: stored(service) == 2, what="none in the store")


def test_reload_takes_up_the_file_and_keeps_the_process(service, client):
    before = service.show("MainPID")
    service.config.write_text("path /srv/share\nreadonly\n")
    service.run("systemctl", "reload", UNIT)
    with fails(errno.EROFS):
        client.mkdir("//directory")
    service.config.write_text("path /srv/share\n")
    service.run("systemctl", "reload", UNIT)
    client.mkdir("//directory")
    client.remove("//directory")
    assert service.show("MainPID") == before
    service.config.write_text("nonsense\n")
    with pytest.raises(AssertionError, match="nonsense|failed"):
        service.run("systemctl", "reload", UNIT)
    assert service.show("ActiveState") == "active"
    client.lstat("/")
    service.config.write_text("path /srv/share\n")
    wait_for(lambda: stored(service) == 3, what="what is kept is what there is")


def test_restart_keeps_guests_and_their_requests(service, client):
    before = service.show("MainPID")
    client.mkdir("//one")
    for _ in range(3):
        service.run("systemctl", "restart", UNIT)
        client.lstat("//one")
    client.remove("//one")
    assert service.show("MainPID") != before
    assert "goes on" in service.log()
    with service.connect() as late:
        late.lstat("/")


def test_requests_that_come_during_a_restart_are_answered_after_it(service, client):
    for number in range(20):
        client.send_raw(request(Op.MKDIR, path=f"//{number}", mode=0o700, uid=0, gid=0))
        if number == 10:
            service.run("systemctl", "restart", UNIT)
    assert [client.recv_status() for _ in range(20)] == 20 * [None]
    for number in range(20):
        client.remove(f"//{number}")


@pytest.mark.parametrize("name", ["vph-monitor", "vph-worker"])
def test_crash_keeps_guests(service, client, name):
    service.signal(signal.SIGKILL, name)
    service.wait_until_up()
    assert client.lstat("/").nlink >= 2
    with service.connect() as late:
        late.lstat("/")


def test_crash_of_the_monitor_in_the_middle_of_requests_fails_some_and_loses_nobody(service):
    """Which of them were in flight nobody knows: each gets one answer, an error at worst."""
    clients = [service.connect() for _ in range(8)]
    for client in clients:
        client.lstat("/")  # so that it has been accepted
    for number, client in enumerate(clients):
        for step in range(10):
            client.send_raw(request(Op.MKDIR, path=f"//{number}-{step}", mode=0o700, uid=0, gid=0))
    service.signal(signal.SIGKILL, "vph-monitor")
    for number, client in enumerate(clients):
        for step in range(10):
            try:
                client.recv_status()
            except OSError as error:
                assert error.errno == errno.EIO
        for step in range(10):
            path = f"{number}-{step}"
            if (service.export / path).exists():
                client.remove(f"//{path}")
        client.close()
    service.wait_until_up()


def test_stop_resets_guests_and_forgets_them(service):
    with service.connect() as client:
        client.lstat("/")
        service.run("systemctl", "stop", UNIT)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.lstat("/")
    service.run("systemctl", "start", UNIT)
    assert stored(service) == 2
    with service.connect() as client:
        client.lstat("/")


def test_a_monitor_that_hangs_is_ended_by_the_watchdog_and_guests_go_on(service):
    drop_in = service.config.parents[1] / f"systemd/system/{SERVICE.name}.d/watchdog.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=1\n")
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "restart", UNIT)
    with service.connect() as client:
        client.lstat("/")
        before = service.show("MainPID")
        service.signal(signal.SIGSTOP, "vph-monitor")
        client.lstat("/")
        wait_for(lambda: service.show("MainPID") not in ("0", before), what="another monitor", timeout=30)
        service.wait_until_up()
        assert client.lstat("/").nlink >= 2
    assert "watchdog" in service.log().lower()
