# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks with the real ansible-rulebook: from a push to a refused pod, by the event source and by a webhook.

Files and commands are those of docs/triggers/new_images.md, with what is another's name here replaced.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import operator
import re
import secrets
import socket
import subprocess
import sys
import textwrap
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import read_lists
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.enforced import Enforced, admin, pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.images import pause_program
from ansible_collections.imagescan.openshift.tests.cluster.scans import write_images
from ansible_collections.imagescan.openshift.tests.cluster.test_event_source import Fleet
from ansible_collections.imagescan.openshift.tests.support.examples import Runner, data_in, examples
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.verdict_store import VerdictStore

Json = dict[str, t.Any]
CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = "new_images"
JAVA = "/usr/lib/jvm/java-17-openjdk-amd64"
PORT = "imagescan_webhook_port: 5000"
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


def _lines(variables: Json) -> str:
    return yaml.safe_dump(variables) if variables else ""


class Rulebook:
    """A running ansible-rulebook. ``output`` is what it printed so far.

    It is begun as the page says. ``replaced``: of the page. ``inventory`` and ``variables``: beside those of the page.
    """

    def __init__(
        self, name: str, folder: Path, replaced: t.Mapping[str, str], inventory: Json, variables: Json
    ) -> None:
        if not (Path(sys.executable).parent / "ansible-rulebook").exists():
            missing("the program ansible-rulebook")
        folder.mkdir(exist_ok=True)
        self._file = folder / f"{name}-{secrets.token_hex(2)}.log"
        more = {
            "inventory.yml": textwrap.indent(_lines(inventory), " " * 4),
            "vars.yml": _lines(variables),
        }
        here = {
            JAVA: java_home(),
            "ansible-rulebook": "exec ansible-rulebook --verbose --print-events",
            **replaced,
        }
        runner = Runner(folder, {**ansible_environment(folder), "JAVA_HOME": java_home()}, here, more)
        files = [one for one in examples(name, PAGE) if one.file]
        assert [one.file for one in files] == ["inventory.yml", "vars.yml"]
        for one in files:
            runner.run(one)
        (command,) = (one for one in examples(name, PAGE) if not one.file)
        with self._file.open("wb") as out:
            self.process = runner.start(command, out)

    @property
    def output(self) -> str:
        """What it printed so far."""
        text = self._file.read_text(encoding="utf-8", errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")

    def events(self) -> list[Json]:
        """What came, with images or without."""
        found = re.findall(r"\[received event\] \*+\nRuleset: .*?^(\{.*?)^\*+$", self.output, re.MULTILINE | re.DOTALL)
        return [ast.literal_eval(one)["imagescan"] for one in found]

    def plays(self) -> list[str]:
        """The last line of each play that ended."""
        return re.findall(r"^localhost +: ok=.*$", self.output, re.MULTILINE)

    def until_ready(self) -> None:
        """Wait until it waits for events."""
        until(lambda: "Waiting for events" in self.output or self.process.poll() is not None, SECONDS)
        assert self.process.poll() is None, self.output

    def until_idle(self, plays: int = 1) -> None:
        """Wait until so many plays ended, all well, and no fewer than there were events with images."""

        def is_idle() -> bool:
            ended = len(self.plays())
            return ended >= plays and ended >= sum(bool(one["images"]) for one in self.events())

        until(lambda: is_idle() or self.process.poll() is not None, SECONDS)
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
    tenant: KubernetesClient
    home: Path

    @property
    def cluster(self) -> KubernetesCluster:
        """The cluster."""
        return self.enforced.cluster

    def push(self, tag: str) -> tuple[str, str]:
        """Push ``good`` or ``bad``; its name there, and its digest."""
        reference = self.cluster.push(f"oci:{self.home}/images:{tag}", f"{self.enforced.work}/{tag}:1")
        return reference, self.digest(tag)

    def digest(self, tag: str) -> str:
        """Of such an image."""
        layout = json.loads((self.home / "images/index.json").read_text(encoding="utf-8"))["manifests"]
        names = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
        return str(names[tag])

    def answer(self, name: str, reference: str, **params: str) -> str:
        """What the tenant is told who creates a pod; empty if it is made."""
        body = pod(name, reference)
        path = f"/api/v1/namespaces/{self.enforced.work}/pods"
        answer = self.tenant.attempt("POST", path, body, params)
        return "" if answer.status == 201 else str(answer.value.get("message"))

    def denied(self) -> set[str]:
        """The digests on our deny list."""
        return set(read_lists(admin(self.cluster), self.enforced.name).digests)

    def replaced(self, results: Path) -> dict[str, str]:
        """What of the page is another's here. Others test beside us, so only our namespace is watched."""
        return {
            "/etc/imagescan/kubeconfigs": str(self.accounts.folder),
            "/var/lib/imagescan": str(results),
            **data_in(self.home / "fleet"),
            "[images, streams, pods]": "[streams, pods]",
            "imagescan_namespaces: []": f"imagescan_namespaces: [{self.enforced.work}]",
        }

    def inventory(self, registry: str) -> Json:
        """Variables of the role scan, beside those of the page."""
        return {
            "imagescan_namespace": self.accounts.namespace,
            "imagescan_provider": self.enforced.name,
            "imagescan_plain_http_registries": [registry],
            "scan_scanner_image": self.cluster.scanner_reference,
            "scan_pods": {"start_timeout": 120, "pod_cpu": "50m"},
            "scan_policies": [str(self.home / "fleet/policies.yml")],
            "scan_max_new_flags": "100%",
            "scan_fail_on": "none",  # one of the images cannot be read
        }


@pytest.fixture(scope="module")
def shop(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Shop]:
    """Accounts and a policy as the roles setup and enforce make them."""
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
    with accounts_in(cluster, name, home, by_role=False) as accounts:
        try:
            enforced.install()
            yield Shop(enforced, accounts, enforced.user("tenant", enforced.work), home)
        finally:
            enforced.remove()
            for namespace in (enforced.work, enforced.strict, name):
                cluster.remove_namespace(namespace)


@contextlib.contextmanager
def watched(shop: Shop, results: Path) -> t.Iterator[Rulebook]:
    """The rulebook for new images, after it has scanned a good one."""
    variables = {"imagescan_namespace": shop.accounts.namespace, "imagescan_batch_delay": 0.5}
    inventory = shop.inventory(shop.cluster.registry)
    reference, _digest = shop.push("good")
    assert shop.answer("good", reference) == ""
    with Rulebook("scan_new_images", results, shop.replaced(results), inventory, variables) as rulebook:
        rulebook.until_ready()
        rulebook.until_idle()
        yield rulebook


def push_to_flag(shop: Shop, tag: str) -> float:
    """Push an image that fails and run it. Seconds until it is flagged."""
    start = time.monotonic()
    reference, digest = shop.push(tag)
    assert shop.answer(tag, reference) == ""
    until(lambda: digest in shop.denied(), SECONDS)
    return time.monotonic() - start


@pytest.mark.full
def test_a_new_image_that_fails_is_flagged_and_then_refused(shop: Shop, tmp_path: Path) -> None:
    unknown: Json = {"tag": "2", "conditions": [{"type": "ImportSuccess", "status": "False", "message": "not found"}]}
    unknown = {"status": {"tags": [unknown]}, "metadata": {"name": "web"}, "kind": "ImageStream"}
    shop.cluster.apply({"apiVersion": "image.openshift.io/v1", **unknown}, namespace=shop.enforced.work)
    with watched(shop, tmp_path) as rulebook:
        until(lambda: len(_images(rulebook.events())) == 2, SECONDS)
        rulebook.until_idle()
        _as_on_the_page(shop, rulebook.events())
        good, good_digest = shop.push("good")
        assert good_digest not in shop.denied()
        before = len(rulebook.plays())
        seconds = push_to_flag(shop, "bad")
        print(f"{seconds:.1f} s from the push to the flag")
        rulebook.until_idle(before + 1)
        assert shop.answer("again", good, dryRun="All") == ""
        bad, digest = shop.push("bad")
        until(lambda: shop.answer("again", bad, dryRun="All"), SECONDS)
        message = shop.answer("again", bad, dryRun="All")
    assert f"{shop.enforced.name}-deny" in message
    report = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert [(one["digest"], one["verdict"]) for one in report["images"]] == [(digest, "failed")]
    _the_source_alone(shop, tmp_path / "source")


def _images(events: t.Iterable[Json]) -> list[Json]:
    return [image for event in events for image in event["images"]]


def _as_on_the_page(shop: Shop, events: list[Json]) -> None:
    """What came is the event on the page."""
    (example,) = examples("event", PAGE)
    shown = yaml.safe_load(example.text)["imagescan"]
    here = {
        "registry.example.com": shop.cluster.registry,
        "shop": shop.enforced.work,
        "/app": "/good",
        shown["images"][0]["digest"]: shop.digest("good"),
    }
    shown = yaml.safe_load(Runner(shop.home, {}, here).here(example))["imagescan"]
    by_source = operator.itemgetter("source")
    images = _images(events)
    for name in (name for image in images for name in image.get("names", [])):
        # Nothing where the pod had its image, and had not started yet.
        assert re.fullmatch(r"|20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", name["seen"])
        name["seen"] = shown["images"][0]["names"][0]["seen"]
    assert sorted(images, key=by_source) == sorted(shown["images"], key=by_source)
    for event in [*events, shown]:
        assert event.keys() == shown.keys()
        assert event["count"] == len(event["images"])
        assert re.fullmatch("[0-9a-f]{32}", event["batch"])


def _the_source_alone(shop: Shop, folder: Path) -> None:
    """Its program prints events of the form on the page."""
    (example,) = examples("source", PAGE)
    folder.mkdir()
    replaced = {"extensions/eda": str(CHECKOUT / "extensions/eda"), "python ": "exec python "}
    access = {"K8S_AUTH_KUBECONFIG": str(shop.accounts.discover)}
    output = folder / "printed"
    with output.open("wb") as out:
        running = Runner(folder, {**ansible_environment(folder), **access}, replaced).start(example, out)
    try:
        until(lambda: b"\n" in output.read_bytes() or running.poll() is not None, SECONDS)
        assert running.poll() is None, output.read_text(encoding="utf-8")
        # What is known is written once it was taken.
        until((folder / "events.json").exists, SECONDS)
    finally:
        running.kill()
        running.wait(60)
    event = json.loads(output.read_text(encoding="utf-8").splitlines()[0])
    shown = yaml.safe_load(example.text.splitlines()[-1])
    assert list(event) == list(shown)
    assert list(event["imagescan"]) == list(shown["imagescan"])
    images = event["imagescan"]["images"]
    assert {image["source"] for image in images} == {"pods"}
    assert {shop.digest("good"), shop.digest("bad")} <= {image["digest"] for image in images}


def test_a_push_that_a_registry_tells_of_is_flagged_and_then_refused(shop: Shop, tmp_path: Path) -> None:
    if not isinstance(shop.cluster, Cluster):
        missing("a cluster of our own: the pods of another do not reach a registry of this test")
    port = _free_port()
    hook = {"https://events.example.com": f"http://127.0.0.1:{port}"}
    (notifications,) = examples("notifications", PAGE)
    settings = yaml.safe_load(Runner(tmp_path, {}, hook).here(notifications))
    address = shop.cluster.registry.partition(":")[0]
    with running_registry(tmp_path / "registry", address=address, more=settings) as registry:
        replaced = {**shop.replaced(tmp_path), "registry.example.com": registry.host, PORT: _port_line(port)}
        inventory = shop.inventory(registry.host)
        with Rulebook("scan_pushed_images", tmp_path, replaced, inventory, {}) as rulebook:
            rulebook.until_ready()
            until(lambda: not _refused(port), SECONDS)
            body = {"docker_url": "evil.example/a", "updated_tags": ["1"]}
            assert _post(port, body, "THE_TOKEN") == 200
            assert _post(port, {"{{ evil }}": "{{ evil }}"}, "THE_TOKEN") == 200
            assert _post(port, {**body, "docker_url": f"{registry.host}/a"}, "wrong") == 401
            pushed = f"{registry.host}/{shop.enforced.work}/pushed@{shop.digest('pushed')}"
            assert shop.answer("pushed", pushed, dryRun="All") == ""
            target = f"docker://{registry.host}/{shop.enforced.work}/pushed:1"
            options = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
            shop.cluster.run("skopeo", *options, f"oci:{shop.home}/images:pushed", target)
            until(lambda: shop.digest("pushed") in shop.denied(), SECONDS)
            until(lambda: shop.answer("pushed", pushed, dryRun="All"), SECONDS)
            assert f"{shop.enforced.name}-deny" in shop.answer("pushed", pushed, dryRun="All")
            rulebook.until_idle()
            assert len(rulebook.plays()) == 1
            assert "evil.example" in rulebook.output
            assert "none that Docker distribution, Quay or Harbor send" in rulebook.output


@pytest.mark.full
def test_a_registry_that_is_known_by_another_name(shop: Shop, tmp_path: Path) -> None:
    """The filter of the page in a copy of the rulebook, of which only the rule stays that runs nothing."""
    (example,) = examples("filter", PAGE)
    (ruleset,) = yaml.safe_load((CHECKOUT / "extensions/eda/rulebooks/scan_pushed_images.yml").read_text("utf-8"))
    ruleset["sources"][0].update(yaml.safe_load(example.text))
    ruleset["rules"] = [rule for rule in ruleset["rules"] if "debug" in rule["action"]]
    copy = tmp_path / "copy.yml"
    copy.write_text(yaml.safe_dump([ruleset]), encoding="utf-8")
    port = _free_port()
    replaced = {
        **shop.replaced(tmp_path),
        PORT: _port_line(port),
        "IMAGESCAN_WEBHOOK_REGISTRIES=registry.example.com ": "",
        "imagescan.openshift.scan_pushed_images": str(copy),
    }
    with Rulebook("scan_pushed_images", tmp_path, replaced, {}, {}) as rulebook:
        rulebook.until_ready()
        until(lambda: not _refused(port), SECONDS)
        for registry in ("registry.example.com", "registry.internal:5000"):
            body = {"docker_url": f"{registry}/shop/app", "updated_tags": ["1"]}
            assert _post(port, body, "THE_TOKEN") == 200
        until(lambda: len(rulebook.events()) == 2, SECONDS)
        assert [one["reference"] for one in _images(rulebook.events())] == ["registry.example.com/shop/app:1"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _port_line(port: int) -> str:
    return f"imagescan_webhook_port: {port}"


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
    replaced = {
        "/etc/imagescan/kubeconfigs": str(accounts.folder),
        "/var/lib/imagescan": str(home),
        "[images, streams, pods]": "[images]",
        # No pod is needed for what is scanned already.
        "scan_method: job": "scan_method: local",
    }
    variables = {
        "imagescan_batch_count": MANY,
        "imagescan_batch_delay": 900,
        "imagescan_event_steps": ["scan"],
    }
    with Rulebook("scan_new_images", home, replaced, {}, variables) as rulebook:
        until(lambda: "received event" in rulebook.output or rulebook.process.poll() is not None, SECONDS)
        start = time.monotonic()
        rulebook.until_idle(1)
        seconds = time.monotonic() - start
        counts = re.findall(r"'count': (\d+)", rulebook.output)
        assert counts == [str(MANY)]
        assert len(rulebook.plays()) == 1
    return seconds
