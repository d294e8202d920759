# SPDX-License-Identifier: MIT
"""Programs that ask much of a file system: fio, git, a build, tar. VPH_LONG=full builds this whole project."""

import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from support.fuse import FULL
from support.helper import ROOT, wait_for

ALICE, BOB = 1000, 1001


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(params=[0, 100000], ids=["plain", "mapped"])
def shift(request):
    """How much greater the owners' numbers are in the export than in the mount: if not 0, the helper maps them."""
    return request.param


def mapping(shift):
    return ("--idmap", f"both:0:{shift}:65536") if shift else ()


def open_site(start_site, shift):
    """A site whose export anyone may write to."""
    site = start_site(mapping(shift))
    os.chown(site.export, shift, shift)
    site.export.chmod(0o777)
    return site


def owners(path):
    return {(seen.st_uid, seen.st_gid) for seen in (below.lstat() for below in path.rglob("*"))}


FIO = ("fio", "--name=job", "--numjobs=2", f"--size={'256M' if FULL else '12M'}", "--verify=crc32c", "--verify_fatal=1",
       "--do_verify=1", "--output-format=terse")  # fmt: skip
WRITE = ("--bs_unaligned=0", "--fallocate=posix", "--randseed=7")


@pytest.mark.parametrize("pattern", ["randrw", "write"])
@pytest.mark.parametrize("engine", ["psync", "mmap"])
def test_fio_reads_what_it_wrote(start_site, shift, pattern, engine):
    needs("fio")
    site = open_site(start_site, shift)
    # At random, blocks of different sizes overlap, which fio itself takes for a fault, on any file system.
    blocks = "16k" if pattern == "randrw" else "4k-64k"
    output = site.run(*FIO, *WRITE, f"--rw={pattern}", f"--ioengine={engine}", f"--bs={blocks}")
    assert len(output.splitlines()) >= 2
    assert len(list(site.export.glob("job.*"))) >= 2
    assert owners(site.export) == {(site.user + shift, site.user + shift)}


@pytest.mark.parametrize("engine", ["psync", "mmap"])
def test_fio_verifies_files_of_an_export_that_is_read_only(start_site, shift, engine):
    """They were written through a helper that lets write. A spoilt byte is found, so the contents are read."""
    needs("fio")
    written, site = open_site(start_site, shift), start_site(("--readonly", *mapping(shift)))
    written.run(*FIO, *WRITE, "--rw=write", "--bs=16k")
    names = sorted(path.name for path in written.export.glob("job.*"))
    for name in names:
        (written.export / name).rename(site.export / name)
    assert owners(site.export) == {(site.user + shift, site.user + shift)}
    assert set(site.run("stat", "-c", "%u", *names).split()) == {str(site.user)}
    verify = (*FIO, "--rw=read", f"--ioengine={engine}", "--bs=16k")
    site.run(*verify)
    with open(site.export / names[-1], "r+b") as file:
        middle = os.fstat(file.fileno()).st_size // 2 + 5000
        byte = os.pread(file.fileno(), 1, middle)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 1]), middle)
        assert f"verify failed at file {names[-1]}" in site.run(*verify, status=1)
        os.pwrite(file.fileno(), byte, middle)
    site.run(*verify)
    refused = site.run(*FIO, *WRITE, "--rw=write", "--bs=16k", status=2)  # jobs that failed
    assert f"open({names[0]}), error=Read-only file system" in refused
    site.run(*verify)


def sources(directory):
    """A clean repository of what is built: this project as it lies here, or its library."""
    repository = directory / "repository"
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = listed.stdout.split("\0")[:-1]
    if listed.returncode != 0:  # unpacked from an archive
        relative = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [str(path) for path in relative if not path.parts[0].startswith("build")]
    if not FULL:
        names = [name for name in names if name.startswith("subprojects/libproxyfs/")]
    for name in names:
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    git = ["git", "-C", repository, "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "safe.directory=*"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    return repository


def give(path, owner):
    for each in (path, *path.rglob("*")):
        os.lchown(each, owner, owner)


def programs_environment(home):
    return {**os.environ, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


def build(site, source, built, environment):
    """Builds what is in a clone at `source`, and uses it."""
    # Its tests need root, most of them; that they can be built is the point.
    options = ["-Dtests=false"] if FULL else ["-Dtests=true"]
    site.run("meson", "setup", built, source if FULL else f"{source}/subprojects/libproxyfs", *options, env=environment)
    site.run("meson", "compile", "-C", built, env=environment)
    assert "no work to do" in site.run("ninja", "-C", built, env=environment)
    if FULL:
        assert "virtfs-proxy-helper" in site.run(f"{built}/src/virtfs-proxy-helper", "--version")
    else:
        site.run("meson", "test", "-C", built, "--no-rebuild", "codec", env=environment)
    assert site.run("git", "-C", source, "status", "--porcelain", env=environment) == ""


def test_clone_and_build(start_site, shift):
    needs("git", "meson", "ninja", "cc")
    site = open_site(start_site, shift)
    repository = sources(site.export.parent)
    give(repository, site.user)
    environment = programs_environment(site.path)
    site.run("git", "clone", "-q", "--no-hardlinks", repository, "clone", env=environment)
    assert site.run("git", "-C", "clone", "status", "--porcelain", env=environment) == ""
    site.run("git", "-C", "clone", "fsck", "--full", "--strict", env=environment)
    build(site, "clone", "built", environment)
    assert owners(site.export) == {(site.user + shift, site.user + shift)}


def test_clone_and_build_from_an_export_that_is_read_only(start_site, shift):
    """The sources are in the mount, and what is made of them elsewhere."""
    needs("git", "meson", "ninja", "cc")
    site = start_site(("--readonly", *mapping(shift)))
    os.chown(site.export, shift, shift)
    give(sources(site.export), site.user + shift)
    before = picture(site.export)
    elsewhere = site.export.parent / "elsewhere"
    elsewhere.mkdir()
    give(elsewhere, site.user)
    environment = programs_environment(elsewhere)
    site.run("git", "-C", "repository", "fsck", "--full", "--strict", env=environment)
    site.run("git", "clone", "-q", "--no-hardlinks", "repository", elsewhere / "clone", env=environment)
    assert site.run("git", "-C", elsewhere / "clone", "status", "--porcelain", env=environment) == ""
    assert "Read-only file system" in site.run("git", "clone", "-q", "repository", "clone", status=128, env=environment)
    build(site, "repository", elsewhere / "built", environment)
    assert picture(site.export) == before


def make_tree(root):
    """Files of all kinds, owners, modes, links, times and attributes, as far as a user's mount can have them."""
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/file").write_bytes(os.urandom(100_000))
    (root / "empty").touch()
    with open(root / "sparse", "wb") as file:
        file.truncate(1 << 20)
        os.pwrite(file.fileno(), b"x", 500_000)
    os.link(root / "dir/file", root / "hard")
    (root / "soft").symlink_to("dir/file")
    (root / "dangling").symlink_to("/nowhere/at all")
    os.mkfifo(root / "pipe", 0o640)
    for number in range(100):
        (root / f"dir/sub/{number}").write_text(str(number))
    os.setxattr(root / "dir/file", "user.color", b"blue\0\xff")
    owners = {"dir": (ALICE, BOB), "dir/file": (ALICE, 0), "soft": (BOB, BOB), "pipe": (1, 2), "dir/sub/7": (65534, 7)}
    for name, (uid, gid) in owners.items():
        os.lchown(root / name, uid, gid)
    for name, mode in {"dir": 0o3775, "dir/file": 0o4751, "empty": 0, "dir/sub": 0o700, "dir/sub/8": 0o2711}.items():
        os.chmod(root / name, mode)
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, ns=(10**18 + 123456789, 10**18 + 987654321), follow_symlinks=False)


def picture(root):
    """Everything about a tree that a copy has to have."""
    found, inodes = {}, {}
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        entry = [seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns]
        if stat.S_ISREG(seen.st_mode):
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
            entry += [path.read_bytes(), inodes.setdefault(seen.st_ino, str(path.relative_to(root))), attributes]
        elif path.is_symlink():
            entry += [os.readlink(path)]
        found[str(path.relative_to(root))] = entry
    return found


TAR = ("tar", "--xattrs", "--xattrs-include=user.*", "--sparse", "--numeric-owner", "--format=posix")


def shifted(found, shift):
    """The picture, with owners' numbers that much greater."""
    return {name: [mode, uid + shift, gid + shift, *rest] for name, (mode, uid, gid, *rest) in found.items()}


@pytest.mark.parametrize("mount", [(), ("--cache=auto",)], ids=["asked", "cached"])
def test_tar_and_back(start_site, shift, mount):
    """Unpacked through the mount as its root, a mount of root's, and packed again."""
    site = start_site(mapping(shift), mount, None)
    os.chown(site.export, shift, shift)
    original, again = site.export.parent / "original", site.export.parent / "again"
    original.mkdir()
    again.mkdir()
    make_tree(original)
    archive, packed = site.export.parent / "one.tar", site.export.parent / "two.tar"
    subprocess.run([*TAR, "-C", original, "-cf", archive, "."], check=True)
    site.run(*TAR, "-xpf", archive)
    assert picture(site.path) == picture(original)
    assert picture(site.export) == shifted(picture(original), shift)
    site.run(*TAR, "-cf", packed, ".")
    subprocess.run([*TAR, "-C", again, "-xpf", packed], check=True)
    assert picture(again) == picture(original)


def test_tar_from_an_export_that_is_read_only(start_site, shift):
    site = start_site(("--readonly", *mapping(shift)))
    make_tree(site.export)
    for path in (site.export, *site.export.rglob("*")):
        seen = path.lstat()
        mode = stat.S_IMODE(seen.st_mode)
        os.lchown(path, seen.st_uid + shift, seen.st_gid + shift)
        if not path.is_symlink():
            path.chmod(mode)  # lchown(2) takes set-id bits away
    # So that the helper's word is all that is in the way.
    site.export.chmod(0o777)
    os.chown(site.export / "hard", site.user + shift, site.user + shift)
    packed, again = site.export.parent / "two.tar", site.export.parent / "again"
    again.mkdir()
    with open(packed, "wb") as file:
        subprocess.run(site.command(*TAR, "-c", "."), stdout=file, check=True)
    subprocess.run([*TAR, "-C", again, "-xpf", packed], check=True)
    before = picture(site.export)
    assert shifted(picture(again), shift) == before
    site.python("""
fails(errno.EROFS, create, "new")
fails(errno.EROFS, os.mkdir, "new")
fails(errno.EROFS, os.unlink, "empty")
fails(errno.EROFS, os.rename, "empty", "new")
fails(errno.EROFS, os.chmod, "hard", 0o600)
fails(errno.EROFS, os.utime, "hard", (1, 1))
fails(errno.EROFS, os.truncate, "hard", 0)
fails(errno.EROFS, os.open, "hard", os.O_RDWR)
fails(errno.EROFS, os.setxattr, "hard", "user.x", b"")
fd = os.open("hard", os.O_RDONLY)
fails(errno.EROFS, os.fchmod, fd, 0o600)
fails(errno.EROFS, os.utime, fd, (1, 1))
""")
    assert picture(site.export) == before


def test_several_programs_at_once(site):
    """More than there are connections."""
    work = "mkdir in$0; cd in$0; for n in $(seq 40); do "
    work += "mkdir $0.$n && echo $n > $0.$n/f && mv $0.$n/f $0.$n/g && ln $0.$n/g $0-$n && rm -r $0.$n; done"
    running = [subprocess.Popen(site.command("sh", "-ec", work, str(number))) for number in range(20)]
    assert [process.wait(100) for process in running] == [0] * 20
    assert sum(len(os.listdir(path)) for path in site.export.iterdir()) == 20 * 40


def test_mount_leaves_no_descriptor_open(site):
    """What the kernel forgets, and what programs close, is closed."""
    site.run("sh", "-c", "for n in $(seq 300); do mkdir d$n; echo x > d$n/f; done; cat d*/f > all; ls -R > list")
    site.run("sh", "-c", "rm -r d* all list")
    pid = site.mount.pid
    wait_for(lambda: len(os.listdir(pathlib.Path(f"/proc/{pid}/fd"))) < 60, what="the mount's closing of descriptors")
