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


@pytest.mark.parametrize("pattern", ["randrw", "write"])
@pytest.mark.parametrize("engine", ["psync", "mmap"])
def test_fio_reads_what_it_wrote(site, pattern, engine):
    needs("fio")
    size = "256M" if FULL else "12M"
    # At random, blocks of different sizes overlap, which fio itself takes for a fault, on any file system.
    blocks = "16k" if pattern == "randrw" else "4k-64k"
    output = site.run(
        "fio", "--name=job", "--numjobs=2", f"--rw={pattern}", f"--ioengine={engine}", f"--size={size}", f"--bs={blocks}",
        "--bs_unaligned=0", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--fallocate=posix",
        "--randseed=7", "--output-format=terse",
    )  # fmt: skip
    assert len(output.splitlines()) >= 2
    assert len(list(site.export.glob("job.*"))) >= 2


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


def test_clone_and_build(site):
    needs("git", "meson", "ninja", "cc")
    repository = sources(site.export.parent)
    for path in (repository, *repository.rglob("*")):
        os.lchown(path, site.user, site.user)
    environment = {**os.environ, "HOME": str(site.path), "GIT_CONFIG_NOSYSTEM": "1"}
    site.run("git", "clone", "-q", "--no-hardlinks", repository, "clone", env=environment)
    assert site.run("git", "-C", "clone", "status", "--porcelain", env=environment) == ""
    site.run("git", "-C", "clone", "fsck", "--full", "--strict", env=environment)
    source = "clone" if FULL else "clone/subprojects/libproxyfs"
    # Its tests need root, most of them; that they can be built is the point.
    options = ["-Dtests=false"] if FULL else ["-Dtests=true"]
    site.run("meson", "setup", "built", source, *options, env=environment)
    site.run("meson", "compile", "-C", "built", env=environment)
    assert "no work to do" in site.run("ninja", "-C", "built", env=environment)
    if FULL:
        assert "virtfs-proxy-helper" in site.run("built/src/virtfs-proxy-helper", "--version")
    else:
        site.run("meson", "test", "-C", "built", "--no-rebuild", "codec", env=environment)
    assert site.run("git", "-C", "clone", "status", "--porcelain", env=environment) == ""


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


@pytest.mark.parametrize("mount", [(), ("--cache=auto",)], ids=["plain", "cached"])
def test_tar_and_back(start_site, mount):
    """Unpacked through the mount as its root, a mount of root's, and packed again."""
    site = start_site((), mount, None)
    site.export.chmod(0o777)
    original, again = site.export.parent / "original", site.export.parent / "again"
    original.mkdir()
    again.mkdir()
    make_tree(original)
    archive, packed = site.export.parent / "one.tar", site.export.parent / "two.tar"
    subprocess.run([*TAR, "-C", original, "-cf", archive, "."], check=True)
    site.run(*TAR, "-xpf", archive)
    assert picture(site.export) == picture(original)
    site.run(*TAR, "-cf", packed, ".")
    subprocess.run([*TAR, "-C", again, "-xpf", packed], check=True)
    assert picture(again) == picture(original)


def test_tar_from_an_export_that_is_read_only(start_site):
    site = start_site(("--readonly",))
    make_tree(site.export)
    # So that the helper's word is all that is in the way.
    site.export.chmod(0o777)
    os.chown(site.export / "hard", site.user, site.user)
    packed, again = site.export.parent / "two.tar", site.export.parent / "again"
    again.mkdir()
    with open(packed, "wb") as file:
        subprocess.run(site.command(*TAR, "-c", "."), stdout=file, check=True)
    subprocess.run([*TAR, "-C", again, "-xpf", packed], check=True)
    before = picture(site.export)
    assert picture(again) == before
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


def test_ids_that_the_helper_maps(start_site):
    """The mount shows and takes the guest's ids; the files have the host's."""
    site = start_site(("--idmap", "both:0:100000:65536"), (), None)
    os.chown(site.export, 100000, 100000)
    original = site.export.parent / "original"
    original.mkdir()
    make_tree(original)
    archive = site.export.parent / "one.tar"
    subprocess.run([*TAR, "-C", original, "-cf", archive, "."], check=True)
    site.run(*TAR, "-xpf", archive)
    shown, there = picture(site.path), picture(site.export)
    assert shown == picture(original)
    for name, entry in there.items():
        assert entry[1] == shown[name][1] + 100000, name


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
