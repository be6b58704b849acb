# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, interrupted, or meet another run: the next one finishes them, and scans nothing twice.

Each run is a real ansible-playbook with the account for scans. What was scanned is counted twice: in the store, and by
a registry that only the pods ask. IMAGESCAN_TEST_SEED repeats the moments of a run that failed.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.registries import (
    CountingRegistry,
    counting_registry,
    different_images,
    push_images,
)
from ansible_collections.imagescan.openshift.tests.cluster.scans import (
    Scans,
    by_pods,
    check_nothing_is_left,
    left_of_scans,
)
from ansible_collections.imagescan.openshift.tests.support.postgresql import PASSWORD, running_postgresql

pytestmark = pytest.mark.full

KILLS = 10
IMAGES = 60
REPOSITORY = "interruption/app"
#: A module has stopped after 15 s at most, and its clean-up takes 6 s; the machine may be busy.
PATIENCE = 60.0
How = t.Literal["all of it", "its parent alone"]


@pytest.fixture(scope="module")
def digests(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Digests of 60 images, in the registry."""
    return push_images(cluster, tmp_path_factory.mktemp("images"), REPOSITORY, different_images(IMAGES, 40))


@pytest.fixture
def registry(cluster: KubernetesCluster) -> t.Iterator[CountingRegistry]:
    with counting_registry(cluster) as counting:
        yield counting


class Runs:
    """Runs of one playbook, with a folder of its own, over some of the images. ``options``: of image_scan."""

    def __init__(
        self,
        cluster: KubernetesCluster,
        accounts: Accounts,
        registry: CountingRegistry,
        home: Path,
        digests: t.Sequence[str],
        **options: t.Any,
    ) -> None:
        home.mkdir(exist_ok=True)
        references = [f"{registry.host}/{REPOSITORY}@{digest}" for digest in digests]
        call = by_pods(cluster, accounts, cluster.scanner_reference, "job", images=references, **options)
        call["plain_http_registries"] = [registry.host]
        self.scans = Scans(home, {"scan": call})
        self.store = self.scans.store("scan")
        self._password = str(options.get("store_password", ""))
        self.digests = digests

    def start(self) -> subprocess.Popen[bytes]:
        return self.scans.start()

    def finish(self) -> None:
        """Run to the end: every image has an inventory now."""
        self.scans.run()
        result = self.scans.result("scan")
        assert sorted(image["digest"] for image in result["images"]) == sorted(self.digests)
        assert result["counts"]["error"] == 0

    def kept(self) -> dict[str, str]:
        """Digest -> when it was scanned, of what is in the store now."""
        with contextlib.suppress(ScanError), open_store(self.store, self._password, read_only=True) as store:
            return {image.key: image.scanned_at for image in store.images.all() if image.scanned_at}
        return {}


def until(holds: t.Callable[[], t.Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def until_nothing_is_left(cluster: KubernetesCluster, accounts: Accounts) -> None:
    with contextlib.suppress(AssertionError):
        until(lambda: not left_of_scans(cluster, accounts.namespace), "objects of a run are left over")
    assert left_of_scans(cluster, accounts.namespace) == []


def tree(root: int) -> list[int]:
    """A process and all that it started, by process id, which may have become leaders of sessions of their own."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def living(processes: t.Iterable[int]) -> list[int]:
    """Those that have not ended."""
    found = []
    for one in processes:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(one)
    return found


def kill(process: subprocess.Popen[bytes], how: How) -> None:
    """SIGKILL for ansible-playbook, and, as when a machine loses power, for all that it started."""
    family = [process.pid] if how == "its parent alone" else tree(process.pid)
    for one in family if process.poll() is None else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()


def test_ten_kills(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    registry: CountingRegistry,
    digests: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    seed = int(os.environ.get("IMAGESCAN_TEST_SEED") or secrets.randbelow(1 << 32))
    print(f"IMAGESCAN_TEST_SEED={seed}")
    chance = random.Random(seed)
    registry.delay = 0.05

    def runs(name: str) -> Runs:
        return Runs(cluster, shared_accounts, registry, tmp_path / name, digests)

    undisturbed = runs("undisturbed")
    process = undisturbed.start()
    until(Path(undisturbed.store).exists, "the module does not begin")
    began = time.monotonic()
    assert process.wait(300) == 0, undisturbed.scans.output
    span = time.monotonic() - began
    expected = undisturbed.scans.stored("scan")
    assert registry.fetched() == dict.fromkeys(digests, 1)

    for number in range(KILLS):
        how: How = "its parent alone" if number % 2 else "all of it"
        # One in each tenth of a run, so that no phase is left out.
        moment = (number + chance.random()) / KILLS * span
        attempt = 0
        while True:
            attempt += 1
            run = runs(f"{number}-{attempt}")
            registry.requests.clear()
            process = run.start()
            until(Path(run.store).exists, "the module does not begin")
            time.sleep(moment)
            over = process.poll() is not None
            kill(process, how)
            if not over:
                break
            moment *= 0.9  # It was faster than the first.
        kept, seen, there = run.kept(), len(registry.fetched()), len(left_of_scans(cluster, shared_accounts.namespace))
        began = time.monotonic()
        run.finish()
        assert run.scans.stored("scan") == expected
        # The parent's module may be at its own clean-up still.
        until_nothing_is_left(cluster, shared_accounts)
        fetched, afterwards = registry.fetched(), run.kept()
        print(
            f"kill {number} of {how} after {moment:.1f} of {span:.1f} s: {seen} fetched, {len(kept)} kept, {there} "
            f"objects; the next run took {time.monotonic() - began:.1f} s, "
            f"fetched twice: {sum(times > 1 for times in fetched.values())}"
        )
        assert {digest: afterwards[digest] for digest in kept} == kept
        assert {digest for digest, times in fetched.items() if times > 1}.isdisjoint(kept)
        if how == "all of it":
            # The pods went on, and the next run took over all that they found.
            assert fetched == dict.fromkeys(digests, 1)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "timeout"])
def test_an_interrupted_run_leaves_nothing_and_the_next_one_goes_on(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    registry: CountingRegistry,
    digests: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = Runs(cluster, shared_accounts, registry, tmp_path / "run", digests[:12], pods=2)
    settings = tmp_path / "run" / ".ansible.cfg"
    if how == "timeout":
        settings.write_text("[defaults]\ntask_timeout = 15\n", encoding="utf-8")
    registry.delay = 1.5
    process = run.start()
    try:
        until(lambda: run.kept() or process.poll() is not None, "the run keeps nothing")
        family = tree(process.pid)
        if how == "timeout":
            assert process.wait(PATIENCE) != 0
            assert "timed out" in run.scans.output.lower().replace("timeout", "timed out"), run.scans.output
        else:
            interrupt(process, getattr(signal, how))
        until(lambda: not living(family), f"processes of the run do not end: {run.scans.output}")
    finally:
        kill(process, "all of it")
    until_nothing_is_left(cluster, shared_accounts)
    kept = run.kept()
    assert len(kept) < 12, "it was interrupted"
    settings.unlink(missing_ok=True)
    registry.delay = 0.0
    run.finish()
    fetched, afterwards = registry.fetched(), run.kept()
    assert {digest: afterwards[digest] for digest in kept} == kept
    assert all(fetched[digest] == 1 for digest in kept)
    check_nothing_is_left(cluster, shared_accounts.namespace)


def interrupt(process: subprocess.Popen[bytes], number: int) -> None:
    """As a terminal does it: for all processes of the group. The workers of newer versions have left it."""
    # About once in ten times ansible-core 2.19 misses an interrupt that comes while it shows a line. A person presses
    # again.
    for _attempt in range(3):
        for one in tree(process.pid):
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(one) == os.getpgid(process.pid):
                    os.kill(one, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
    raise AssertionError("it does not end")


def test_two_runs_at_once_leave_each_other_alone(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    registry: CountingRegistry,
    digests: list[str],
    tmp_path: Path,
) -> None:
    registry.delay = 1.5
    long = Runs(cluster, shared_accounts, registry, tmp_path / "long", digests[:20], pods=2)
    process = long.start()
    try:
        until(lambda: len(registry.fetched()) > 1, "the pods begin")
        with counting_registry(cluster) as fast:
            Runs(cluster, shared_accounts, fast, tmp_path / "short", digests[:5], pods=1).finish()
            assert fast.fetched() == dict.fromkeys(digests[:5], 1)
        assert process.poll() is None, "the long one ended first, so nothing was shown"
        assert left_of_scans(cluster, shared_accounts.namespace), "the end of one run took the objects of the other"
        registry.delay = 0.0
        assert process.wait(300) == 0, long.scans.output
    finally:
        kill(process, "all of it")
    assert "WARNING" not in long.scans.output
    assert long.scans.result("scan")["counts"]["scanned"] == 20
    assert registry.fetched() == dict.fromkeys(digests[:20], 1)
    until_nothing_is_left(cluster, shared_accounts)


@pytest.fixture
def small_disk(tmp_path: Path) -> t.Iterator[Path]:
    """A folder on a file system of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "imagescan-test", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_full_in_the_middle(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    registry: CountingRegistry,
    digests: list[str],
    tmp_path: Path,
    small_disk: Path,
) -> None:
    store = {"store": str(small_disk / "scan.db")}
    Runs(cluster, shared_accounts, registry, tmp_path / "run", digests[:1], **store).finish()
    free = os.statvfs(small_disk)
    (small_disk / "other").write_bytes(bytes(free.f_bavail * free.f_frsize - 100_000))

    run = Runs(cluster, shared_accounts, registry, tmp_path / "run", digests, **store)
    process = run.start()
    assert process.wait(300) != 0
    assert "store-full" in run.scans.output, run.scans.output
    assert "make room on the disk and run again" in run.scans.output
    kept = run.kept()
    assert 1 < len(kept) < IMAGES
    until_nothing_is_left(cluster, shared_accounts)

    (small_disk / "other").unlink()
    run.finish()
    afterwards = run.kept()
    assert {digest: afterwards[digest] for digest in kept} == kept
    assert all(registry.fetched()[digest] == 1 for digest in kept)
    check_nothing_is_left(cluster, shared_accounts.namespace)


def test_a_server_with_the_store_that_goes_away_in_the_middle(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    registry: CountingRegistry,
    digests: list[str],
    tmp_path: Path,
) -> None:
    with running_postgresql() as server:
        store = {"store": f"postgresql://scanner@{server.address}/postgres", "store_password": PASSWORD}
        run = Runs(cluster, shared_accounts, registry, tmp_path / "run", digests[:12], pods=2, **store)
        registry.delay = 1.0
        process = run.start()
        try:
            until(lambda: run.kept() or process.poll() is not None, "the run keeps nothing")
            server.stop()
            assert process.wait(300) != 0
        finally:
            kill(process, "all of it")
        assert "store-unreachable" in run.scans.output, run.scans.output
        assert PASSWORD not in run.scans.output
        until_nothing_is_left(cluster, shared_accounts)
        # While it is away, nothing is made that nobody could keep.
        before = len(registry.requests)
        assert run.start().wait(300) != 0
        assert "store-unreachable" in run.scans.output, run.scans.output
        check_nothing_is_left(cluster, shared_accounts.namespace)
        assert len(registry.requests) == before

        server.start()
        kept = run.kept()
        assert 0 < len(kept) < 12
        registry.delay = 0.0
        run.finish()
        afterwards = run.kept()
    assert {digest: afterwards[digest] for digest in kept} == kept
    assert all(registry.fetched()[digest] == 1 for digest in kept)
    check_nothing_is_left(cluster, shared_accounts.namespace)
