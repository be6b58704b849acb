# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks with the real ansible-rulebook: from a push to a refused pod, by the event source and by a webhook."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import secrets
import socket
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.client import Client
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.lists import read_lists
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in, environment
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, admin, pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.images import pause_program
from ansible_collections.imagescan.openshift.tests.cluster.scans import write_images
from ansible_collections.imagescan.openshift.tests.cluster.test_event_source import Fleet
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.verdict_store import VerdictStore

Json = dict[str, t.Any]
SECONDS = 900.0
MANY = 10_000

pytestmark = pytest.mark.timeout(3600)


def java_home() -> str:
    """Where Java 17 or newer is, which the rules run in."""
    found = sorted(Path("/usr/lib/jvm").glob("*/lib/server/libjvm.so"))
    found = [one for one in found if "17" in one.parts[4]] or found
    if not found:
        missing("Java 17 for ansible-rulebook (Debian: openjdk-17-jre-headless)")
    return str(found[0].parents[2])


class Rulebook:
    """A running ansible-rulebook. ``output`` is what it printed so far."""

    def __init__(self, name: str, home: Path, inventory: Json, variables: Json, **more: str) -> None:
        self._file = home / f"{name}-{secrets.token_hex(2)}.log"
        inventory_file, variables_file = home / "inventory.yml", home / "vars.yml"
        hosts = {"localhost": {"ansible_connection": "local"}}
        inventory_file.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": inventory}}), encoding="utf-8")
        variables_file.write_text(yaml.safe_dump(variables), encoding="utf-8")
        program = Path(sys.executable).parent / "ansible-rulebook"
        if not program.exists():
            missing("the program ansible-rulebook")
        command = [str(program), "--rulebook", f"imagescan.openshift.{name}", "--verbose", "--print-events"]
        command += ["--inventory", str(inventory_file), "--vars", str(variables_file)]
        settings = {"JAVA_HOME": java_home(), "EDA_MAX_CONCURRENT_ACTIONS": "1", **more}
        with self._file.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, cwd=home, env={**environment(home), **settings}
            )

    @property
    def output(self) -> str:
        """What it printed so far."""
        text = self._file.read_text(encoding="utf-8", errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")

    def plays(self) -> list[str]:
        """The last line of each play that ended."""
        return re.findall(r"^localhost +: ok=.*$", self.output, re.MULTILINE)

    def until_ready(self) -> None:
        """Wait until it waits for events."""
        until(lambda: "Waiting for events" in self.output or self.process.poll() is not None, SECONDS)
        assert self.process.poll() is None, self.output

    def until_idle(self, plays: int) -> None:
        """Wait until so many plays ended, all well."""
        until(lambda: len(self.plays()) >= plays or self.process.poll() is not None, SECONDS)
        assert self.process.poll() is None, self.output
        assert all("failed=0" in line for line in self.plays()), self.output

    def __enter__(self) -> Rulebook:
        return self

    def __exit__(self, *_details: object) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait(20)


@dataclasses.dataclass(frozen=True)
class Shop:
    """An installation of ``enforce`` with accounts, somebody who works there, images that run, and data to judge by."""

    enforced: Enforced
    accounts: Accounts
    tenant: Client
    home: Path

    @property
    def cluster(self) -> KubernetesCluster:
        """The cluster."""
        return self.enforced.cluster

    def push(self, tag: str) -> tuple[str, str]:
        """Push ``good`` or ``bad``; its name there, and its digest."""
        reference = self.cluster.push(f"oci:{self.home}/images:{tag}", f"{self.enforced.work}/{tag}:1")
        layout = json.loads((self.home / "images/index.json").read_text(encoding="utf-8"))["manifests"]
        names = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
        return reference, names[tag]

    def answer(self, name: str, reference: str, **params: str) -> str:
        """What the tenant is told who creates a pod; empty if it is made."""
        body = pod(name, reference)
        path = f"/api/v1/namespaces/{self.enforced.work}/pods"
        answer = self.tenant.attempt("POST", path, body, params)
        return "" if answer.status == 201 else str(answer.value.get("message"))

    def denied(self) -> set[str]:
        """The digests on our deny list."""
        return set(read_lists(admin(self.cluster), self.enforced.name).digests)

    def inventory(self, results: Path) -> Json:
        """The variables of the role scan."""
        return {
            "imagescan_kubeconfig_dir": str(self.accounts.folder),
            "imagescan_namespace": self.accounts.namespace,
            "imagescan_provider": self.enforced.name,
            "imagescan_plain_http_registries": [self.cluster.registry],
            "scan_method": "job",
            "scan_scanner_image": self.cluster.scanner_reference,
            "scan_start_timeout": 120,
            "scan_pod_cpu": "50m",
            "scan_feed": str(self.home / "fleet/feed"),
            "scan_repository_map": str(self.home / "fleet/repository-to-cpe.json"),
            "scan_max_new_flags": "100%",
            "scan_dir": str(results),
        }


@pytest.fixture(scope="module")
def shop(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    """The roles setup and enforce, run once."""
    cluster.install_openshift_kinds()
    with shop_in(cluster, tmp_path_factory.mktemp("shop")) as made:
        yield made


@contextlib.contextmanager
def shop_in(cluster: KubernetesCluster, home: Path) -> t.Iterator[Shop]:
    """An installation of its own, with its data in ``home``."""
    fleet.build(home / "fleet")
    installed = fleet.packages(fleet._BASE_9)
    old = fleet.packages("openssl-libs-1:3.0.7-27.el9")

    def runnable(blobs: images.Blobs, number: str, *layers: images.Layer) -> Json:
        program = images.layer([images.Entry("pause", pause_program(), mode=0o755)])

        def start(config: Json) -> None:
            config["config"] |= {"Entrypoint": ["/pause"], "Cmd": []}

        return images.image(blobs, [*layers, program], labels={"number": number}, change_config=start)

    root, unique = fleet.red_hat_root("9", "4"), secrets.token_hex(8)
    good = fleet.rpm_layer(installed, *root)
    bad = fleet.rpm_layer(fleet.with_changes(installed, old), *root)
    tags: dict[str, t.Callable[[images.Blobs], Json]] = {"good": lambda blobs: runnable(blobs, unique, good)}
    for name in ("bad", "worse", "worst", "pushed"):
        tags[name] = lambda blobs, name=name: runnable(blobs, f"{unique}-{name}", bad)  # type: ignore[misc]  # a lambda with a default has no type for mypy
    write_images(home / "images", tags)
    name = f"eda-{secrets.token_hex(4)}"
    enforced = Enforced(cluster, name, home)
    cluster.create_namespace(enforced.work)
    cluster.create_namespace(enforced.strict)
    with accounts_in(cluster, name, home) as accounts:
        try:
            assert enforced.do("enforce") > 0
            yield Shop(enforced, accounts, enforced.user("tenant", enforced.work), home)
        finally:
            enforced.remove()
            for namespace in (enforced.work, enforced.strict, name):
                cluster.remove_namespace(namespace)


@contextlib.contextmanager
def watched(shop: Shop, results: Path) -> t.Iterator[Rulebook]:
    """The rulebook for new images, after it has scanned a good one."""
    inventory = shop.inventory(results)
    variables = {
        "imagescan_kubeconfig_dir": inventory["imagescan_kubeconfig_dir"],
        "imagescan_namespace": shop.accounts.namespace,
        "imagescan_namespaces": [shop.enforced.work],
        "imagescan_state_file": str(results / "events.json"),
        "imagescan_batch_delay": 0.5,
    }
    reference, _digest = shop.push("good")
    assert shop.answer("good", reference) == ""
    with Rulebook("scan_new_images", shop.home, inventory, variables) as rulebook:
        rulebook.until_ready()
        rulebook.until_idle(1)
        yield rulebook


def push_to_flag(shop: Shop, tag: str) -> float:
    """Push an image that fails and run it. Seconds until it is flagged."""
    start = time.monotonic()
    reference, digest = shop.push(tag)
    assert shop.answer(tag, reference) == ""
    until(lambda: digest in shop.denied(), SECONDS)
    return time.monotonic() - start


def test_a_new_image_that_fails_is_flagged_and_then_refused(shop: Shop, tmp_path: Path) -> None:
    with watched(shop, tmp_path) as rulebook:
        good, good_digest = shop.push("good")
        assert good_digest not in shop.denied()
        seconds = push_to_flag(shop, "bad")
        print(f"{seconds:.1f} s from the push to the flag")
        rulebook.until_idle(2)
        assert shop.answer("again", good, dryRun="All") == ""
        bad, digest = shop.push("bad")
        until(lambda: shop.answer("again", bad, dryRun="All"), SECONDS)
        message = shop.answer("again", bad, dryRun="All")
    assert f"{shop.enforced.name}-deny" in message
    report = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert [(one["digest"], one["verdict"]) for one in report["images"]] == [(digest, "failed")]


def test_a_push_that_a_registry_tells_of_is_scanned(shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {"imagescan_webhook_port": port, "imagescan_webhook_token": "word"}
    known = {"IMAGESCAN_WEBHOOK_REGISTRIES": shop.cluster.registry}
    reference, digest = shop.push("pushed")
    with Rulebook("scan_pushed_images", shop.home, shop.inventory(tmp_path), variables, **known) as rulebook:
        rulebook.until_ready()
        until(lambda: not _refused(port), SECONDS)
        body = {"docker_url": reference.rpartition(":")[0], "updated_tags": ["1"]}
        assert _post(port, {**body, "docker_url": "evil.example/a"}, "word") == 200
        assert _post(port, {"{{ evil }}": "{{ evil }}"}, "word") == 200
        assert _post(port, body, "wrong") == 401
        assert _post(port, body, "word") == 200
        until(lambda: digest in shop.denied(), SECONDS)
        rulebook.until_idle(1)
        assert len(rulebook.plays()) == 1
        assert "evil.example" in rulebook.output
        assert "none that Docker distribution, Quay or Harbor send" in rulebook.output


def _refused(port: int) -> bool:
    with contextlib.closing(socket.socket()) as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0


def _post(port: int, body: Json, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/hook", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def many_in_one_event(cluster: KubernetesCluster, made: Fleet, accounts: Accounts, home: Path) -> float:
    """10,000 Image objects that are scanned already, told of in one event. Seconds from the event to the play's end."""
    digests = made.make(MANY)
    names = {f"registry.example.com/{made.name}/app@{digest}": digest for digest in digests}
    VerdictStore(home / "store.db").put(dict.fromkeys(digests, "passed"), names)
    inventory = {"imagescan_kubeconfig_dir": str(accounts.folder), "scan_dir": str(home)}
    variables = {
        "imagescan_kubeconfig_dir": str(accounts.folder),
        "imagescan_watch": ["images"],
        "imagescan_state_file": str(home / "events.json"),
        "imagescan_batch_count": MANY,
        "imagescan_batch_delay": 900,
        "imagescan_event_steps": ["scan"],
    }
    with Rulebook("scan_new_images", home, inventory, variables) as rulebook:
        until(lambda: "received event" in rulebook.output or rulebook.process.poll() is not None, SECONDS)
        start = time.monotonic()
        rulebook.until_idle(1)
        seconds = time.monotonic() - start
        counts = re.findall(r"'count': (\d+)", rulebook.output)
        assert counts == [str(MANY)]
        assert len(rulebook.plays()) == 1
    return seconds
