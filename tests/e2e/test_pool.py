"""The pool: branches are clones in it, neither a reboot nor a restart of the engine loses it, and it goes only unused."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devenv.database import pool_disk
from devenv.database.pool import NAME_VARIABLE, Pool, find_pool, inhabitants, privileged_worker
from devenv.database.snapshots import SnapshotStore
from devenv.engine.docker import DockerEngine
from tests.e2e.support import LIVE, Stack, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = "2G"
STILL_BYTES = 4_000_000
"""Of a table that no test writes to."""
AS_ROOT = [] if os.getuid() == 0 else ["sudo", "-n"]
"""A second engine needs root."""


@dataclass
class Pooled:
    """A project, and a pool of a name of its own that it uses."""

    stack: Stack
    name: str
    engine: DockerEngine

    @property
    def pool(self) -> Pool:
        """The pool as the engine knows it, which must be there."""
        found = find_pool(self.engine, self.name)
        assert found is not None
        return found

    @property
    def is_mounted(self) -> bool:
        return pool_disk.room(self.engine, self.pool) is not None

    def unmount(self) -> None:
        """What a reboot does: the mount is gone, and with it the loop device."""
        disk = self.engine.create_volume(self.pool.disk, {})
        request = privileged_worker(
            self.pool, f"{self.name}-reboot", pool_disk.UNMOUNT_SCRIPT, {disk.name: "/disk"}
        )
        environment = {"FOLDER": disk.mountpoint, "TARGET": self.pool.folder}
        done = self.engine.run_to_end(replace(request, environment=environment))
        assert done.exit_status == 0, done.output
        assert not self.is_mounted

    def inside(self, script: str) -> str:
        """What a script with all rights writes that finds the pool at /pool and its disk at /disk."""
        mounts = {self.name: "/pool", self.pool.disk: "/disk"}
        done = self.engine.run_to_end(privileged_worker(self.pool, f"{self.name}-test", script, mounts))
        assert done.exit_status == 0, done.output
        return done.output

    def driver(self) -> str:
        return str(self.stack.run("status", "--json").ok().data["database"]["driver"])

    @property
    def seed(self) -> str:
        """The key of the seed's snapshot; none before the first `up`."""
        if not (self.stack.root / ".devenv/environment.json").exists():
            return ""
        return str(self.stack.memory.get("snapshot", ""))

    def remove(self) -> None:
        """Nothing of it stays: branches, snapshots, file system, loop device, disk."""
        self.stack.remove()
        for volume in inhabitants(self.engine, self.name):
            if volume.labels.get("devenv.kind") == "database":
                self.engine.remove_volume(volume.name)
        self.stack.run("--yes", "--json", "db", "pool", "remove")
        # The seed was for this test alone: nobody finds its snapshot again.
        store = SnapshotStore(self.engine, "")
        snapshot = store.find(self.seed)
        if snapshot is not None:
            store.delete(snapshot)
        assert not [one for one in self.engine.volumes("devenv.kind") if self.name in one.name]


@pytest.fixture
def pooled(new_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Iterator[Pooled]:
    """A project whose seed nobody has seen, with a pool that is made but empty."""
    stack = new_stack()
    rows = ", ".join(f"({number}, '{uuid.uuid4()}')" for number in range(100))
    stack.write(
        "fixtures/own.sql",
        f"CREATE TABLE kept (id INT PRIMARY KEY, word CHAR(36));\nINSERT INTO kept VALUES {rows};\n"
        "CREATE TABLE still (id INT PRIMARY KEY, text LONGTEXT);\n"
        "INSERT INTO still SELECT id, REPEAT('x', 40000) FROM kept;\n",
    )
    stack.configure(database={"seed": ["fixtures/own.sql"]})
    name = f"{stack.name}-pool"
    monkeypatch.setenv(NAME_VARIABLE, name)
    made = Pooled(stack, name, DockerEngine())
    try:
        stack.run("db", "pool", "create", "--size", SIZE, "--json").ok()
        yield made
    finally:
        made.remove()
        LIVE.remove(stack)


def test_branches_are_clones_that_leave_their_snapshot_as_it_was(pooled: Pooled) -> None:
    stack = pooled.stack
    stack.up("databasemaster")
    assert pooled.driver() == "reflink"
    stack.engine.mysql("UPDATE kept SET word = 'changed'")

    assert stack.run("reset-db", "--json").ok().data["driver"] == "reflink"

    assert stack.engine.mysql("SELECT COUNT(*) FROM kept WHERE word = 'changed'") == [["0"]]
    store = SnapshotStore(pooled.engine, stack.engine.service("databasemaster")["Config"]["Image"])
    snapshot = store.find(stack.memory["snapshot"])
    assert snapshot is not None
    assert snapshot.volume in {volume.name for volume in inhabitants(pooled.engine, pooled.name)}
    store.verify(snapshot)
    stack.engine.mysql("DELETE FROM kept WHERE id < 50")
    stack.run("snapshot", "save", "half").ok()
    stack.engine.mysql("DELETE FROM kept")
    assert stack.run("snapshot", "restore", "half", "--json").ok().data["driver"] == "reflink"
    assert stack.engine.count("kept") == 50
    # Three branches and two snapshots with one copy of the data: a file of a branch shares its blocks.
    shared = pooled.inside(f"xfs_io -r -c 'fiemap -v' /pool/{stack.name}_database_1/ibdata1")
    assert "0x2000" in shared.replace("0x2001", "0x2000"), shared
    # And what it shares with its snapshot does not count as its own.
    items = stack.run("gc", "--all", "--dry-run", "--json").ok().data["items"]
    own = {item["name"]: item["bytes"] for item in items}[f"{stack.name}_database_1"]
    whole = int(pooled.inside(f"du -s --block-size=1 /pool/{stack.name}_database_1").split()[0])
    assert 0 < own < whole - STILL_BYTES


def test_after_a_reboot_up_puts_it_back(pooled: Pooled) -> None:
    stack = pooled.stack
    stack.up("databasemaster")
    stack.engine.mysql("UPDATE kept SET word = 'written' WHERE id = 7")
    stack.run("stop").ok()
    pooled.unmount()
    # Without the pool nothing starts: an empty folder would look like an empty database.
    container = stack.engine.service("databasemaster")["Id"]
    failed = subprocess.run(["docker", "start", container], capture_output=True, check=False, text=True)
    assert "no such file or directory" in failed.stderr, failed
    checks = stack.run("doctor", "--json").data["checks"]
    assert next(one["verdict"] for one in checks if one["name"] == "pool") == "warning"

    stack.up("databasemaster")

    assert stack.engine.mysql("SELECT word FROM kept WHERE id = 7") == [["written"]]
    assert pooled.driver() == "reflink"
    # Every other command that needs it finds it too.
    stack.run("down").ok()
    pooled.unmount()
    assert stack.run("reset-db", "--json").ok().data["driver"] == "reflink"


def test_it_stays_while_a_branch_lives_in_it_and_goes_after(pooled: Pooled) -> None:
    stack = pooled.stack
    stack.up("databasemaster")
    key = stack.memory["snapshot"]
    before = pooled.inside("losetup --list --noheadings --output BACK-FILE")
    assert "/disk.img" in before

    refused = stack.run("--yes", "db", "pool", "remove", "--json")

    assert (refused.code, refused.error["code"]) == (6, "pool_in_use")
    assert stack.engine.count("kept") == 100
    stack.run("--yes", "down", "--volumes").ok()
    assert stack.run("--yes", "db", "pool", "remove", "--json").code == 6  # `undo` would bring them back
    for volume in stack.engine.database_volumes():
        pooled.engine.remove_volume(volume)
    asked = stack.run("db", "pool", "remove", "--json")
    assert (asked.code, asked.error["code"]) == (6, "confirmation_needed")
    removed = stack.run("--yes", "db", "pool", "remove", "--json").ok().data
    # The empty server's, that it goes on from, is with it if no other test had made that outside.
    assert key in removed["snapshots"]
    assert not [one for one in pooled.engine.volumes("devenv.kind") if pooled.name in one.name]
    # The environment goes on without it.
    stack.up("databasemaster")
    assert stack.engine.count("kept") == 100
    assert stack.run("db", "pool", "show", "--json").ok().data["name"] is None


def test_a_snapshot_from_before_the_pool_is_copied_in(pooled: Pooled) -> None:
    stack = pooled.stack
    pooled.stack.run("--yes", "db", "pool", "remove").ok()
    stack.up("databasemaster")
    key = stack.memory["snapshot"]
    stack.run("db", "pool", "create", "--size", SIZE).ok()

    assert stack.run("reset-db", "--json").ok().data["driver"] == "reflink"

    assert stack.memory["snapshot"] == key
    assert stack.engine.count("kept") == 100
    homes = {volume.name for volume in inhabitants(pooled.engine, pooled.name)}
    assert homes == {f"devenv_snapshot_{key}_data_{pooled.name}", f"{stack.name}_database_2"}
    store = SnapshotStore(pooled.engine, "")
    snapshot = store.find(key)
    assert snapshot is not None
    stack.remove()
    store.delete(snapshot)
    assert "devenv_snapshot" not in pooled.inside("ls -A /pool")


def test_a_full_pool_is_an_error_that_loses_nothing(pooled: Pooled) -> None:
    stack = pooled.stack
    stack.up("databasemaster")
    pooled.inside(
        "free=$(df --output=avail -B1M /pool | tail -n 1) && fallocate -l $((free - 50))M /pool/filling"
    )

    for arguments in (("reset-db",), ("snapshot", "save", "full")):
        failed = stack.run(*arguments, "--json")
        assert (failed.code, failed.error["code"]) == (1, "disk_full"), failed
        assert "devenv gc" in failed.error["hint"]

    assert stack.engine.count("kept") == 100
    pooled.inside("rm /pool/filling")
    assert stack.run("reset-db", "--json").ok().data["driver"] == "reflink"


def test_a_create_that_is_killed_leaves_no_pool_and_the_next_one_makes_it(pooled: Pooled) -> None:
    stack = pooled.stack
    stack.run("--yes", "db", "pool", "remove").ok()
    with stack.spawned("db", "pool", "create", "--size", SIZE) as process:
        process.err.until("making")
        process.kill()
    assert find_pool(pooled.engine, pooled.name) is None
    stack.run("db", "pool", "create", "--size", SIZE).ok()
    assert pooled.is_mounted


@contextmanager
def second_engine(folder: Path, *, isolated: bool) -> Iterator[str]:
    """An engine of its own in a network of its own, and where it is reached; with `isolated` its mounts end with it."""
    endpoint = f"unix://{folder}/sock"
    # Without a network namespace its own a second engine would take the first one's bridge down.
    namespaces = ["--net", *(["--mount", "--propagation", "private"] if isolated else [])]
    names = (f"--containerd-namespace={folder.name}", f"--containerd-plugins-namespace={folder.name}-plugins")
    command = [
        *("dockerd", "--host", endpoint, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false", *names),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*AS_ROOT, "unshare", *namespaces, *command], stdout=log, stderr=log)
    try:
        until(lambda: docker(endpoint, "version", "--format", "{{.Server.Version}}"), "a second engine")
        yield endpoint
    finally:
        subprocess.run([*AS_ROOT, "kill", str(process.pid)], check=False)
        process.wait(60)


def docker(endpoint: str, *arguments: str) -> str:
    """What the client writes, nothing where it fails."""
    argv = ["docker", "--host", endpoint, *arguments]
    done = subprocess.run(argv, capture_output=True, check=False, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.fixture
def engine_folder() -> Iterator[Path]:
    # With a short name: the path of a socket has at most 108 characters.
    folder = Path(tempfile.gettempdir(), f"e2e-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    yield folder
    # The engine mounts its data over themselves, and leaves them so.
    root = shlex.quote(str(folder))
    subprocess.run(
        [
            *AS_ROOT,
            "sh",
            "-c",
            f"umount {root}/data 2>/dev/null; chattr -R -i {root} 2>/dev/null; rm -rf {root}",
        ],
        check=True,
    )


def test_a_restart_of_the_engine_loses_nothing(pooled: Pooled, engine_folder: Path) -> None:
    stack, tools = pooled.stack, pooled.pool.image
    writing = "while :; do date >> /data/log; sleep 0.1; done"
    with second_engine(engine_folder, isolated=False) as endpoint, pytest.MonkeyPatch.context() as patch:
        save = f"docker save {tools} | docker --host {endpoint} load"
        subprocess.run(["sh", "-c", save], check=True, capture_output=True)
        patch.setenv("DOCKER_HOST", endpoint)
        patch.setenv(NAME_VARIABLE, f"{pooled.name}-2")
        stack.run("db", "pool", "create", "--size", SIZE).ok()
        second = find_pool(DockerEngine(), f"{pooled.name}-2")
        assert second is not None
        docker(endpoint, "run", "--rm", "-v", f"{second.name}:/pool", tools, "mkdir", "/pool/live")
        options = [word for item in second.options("live").items() for word in ("--opt", "=".join(item))]
        docker(endpoint, "volume", "create", *options, "live")
        run = ("run", "--detach", "--restart=always", "--network=none", "--name=live", "-v=live:/data")
        assert docker(endpoint, *run, tools, "sh", "-c", writing)
    with second_engine(engine_folder, isolated=False) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", endpoint)
        patch.setenv(NAME_VARIABLE, second.name)

        def length() -> int:
            return len(docker(endpoint, "exec", "live", "cat", "/data/log").splitlines())

        before = until(length, "the container runs again by itself")
        until(lambda: length() > before, "it goes on writing")
        assert stack.run("db", "pool", "show", "--json").ok().data["mounted"]
        docker(endpoint, "rm", "--force", "live")
        docker(endpoint, "volume", "rm", "live")
        stack.run("--yes", "db", "pool", "remove").ok()
    # An engine whose mounts end with it needs the pool put back.
    with second_engine(engine_folder, isolated=True) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", endpoint)
        patch.setenv(NAME_VARIABLE, second.name)
        stack.run("db", "pool", "create", "--size", SIZE).ok()
    with second_engine(engine_folder, isolated=True) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", endpoint)
        patch.setenv(NAME_VARIABLE, second.name)
        assert not stack.run("db", "pool", "show", "--json").ok().data["mounted"]
        again = stack.run("db", "pool", "create", "--size", SIZE, "--json").ok().data
        assert (again["mounted"], again["created"]) == (True, False)
        stack.run("--yes", "db", "pool", "remove").ok()
