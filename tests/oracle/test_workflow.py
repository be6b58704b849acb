# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook against a real registry with TLS and a password: what it asks for, keeps and tells."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.registry import running_registry
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT
from ansible_collections.imagescan.openshift.tests.support.servers import faulty_proxy

USER, PASSWORD = "auditor", "canary/4711+secret"
IMAGES = ("shop-frontend", "payments", "tools")


class Shop(t.NamedTuple):
    """A registry with some of the example fleet, and how to reach it."""

    registry: str
    requests: list[t.Any]
    layers: set[str]
    fleet: Path
    authority: Authority
    auth_file: Path


@pytest.fixture
def shop(tmp_path: Path) -> t.Iterator[Shop]:
    """The registry behind a proxy that writes down what is asked of it."""
    skopeo = require_program("skopeo")
    fleet = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples" / "fleet" / "build.py", fleet], check=True)
    authority = Authority.create(tmp_path / "authority")
    with running_registry(tmp_path / "registry", tls=authority, login=(USER, PASSWORD)) as registry:
        layers = set()
        for name in IMAGES:
            target = f"docker://{registry.host}/fleet/{name}:1"
            login = ["--dest-creds", f"{USER}:{PASSWORD}", "--dest-tls-verify=false"]
            copy = [skopeo, "copy", "--quiet", *login, f"oci:{fleet}/images:{name}", target]
            subprocess.run(copy, check=True)
            read = [skopeo, "inspect", "--raw", "--creds", f"{USER}:{PASSWORD}", "--tls-verify=false", target]
            manifest = json.loads(subprocess.run(read, check=True, capture_output=True).stdout)
            layers.update(layer["digest"] for layer in manifest["layers"])
        with faulty_proxy(registry.host, [], tls=authority) as proxy:
            auth_file = tmp_path / "auth.json"
            secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            auth_file.write_text(json.dumps({"auths": {proxy.host: {"auth": secret}}}), encoding="utf-8")
            yield Shop(proxy.host, proxy.requests, layers, fleet, authority, auth_file)


def scan(shop: Shop, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook over the whole catalogue of the registry."""
    variables = {
        "scan_registry": [{"host": shop.registry, "repositories": ["fleet/.*"]}],
        "scan_registries": {
            "registry_auth_file": str(shop.auth_file),
            "registry_ca_cert": str(shop.authority.ca_file),
        },
        "scan_feed": str(shop.fleet / "feed"),
        "scan_repository_map": str(shop.fleet / "repository-to-cpe.json"),
        "scan_policies": str(shop.fleet / "policies.yml"),
        "scan_dir": str(shop.fleet / "scan"),
    }
    playbook = Path(sys.executable).parent / "ansible-playbook"
    command = [playbook, "-vvv", "-i", "localhost,", "imagescan.openshift.scan", "-e", json.dumps(variables), *more]
    environment = {**os.environ, "PATH": f"{playbook.parent}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)


def blobs(requests: t.Iterable[t.Any]) -> list[str]:
    """Digests of the blobs that were asked for."""
    return [one.target.rpartition("/")[2] for one in requests if "/blobs/" in one.target]


def test_an_unchanged_fleet_is_not_fetched_again_and_the_password_is_in_nothing(shop: Shop) -> None:
    first = scan(shop)
    assert first.returncode == 0, first.stdout + first.stderr
    assert shop.layers <= set(blobs(shop.requests))
    report = (shop.fleet / "scan" / "report" / "report.json").read_bytes()
    verdicts = {one["reference"].split("/")[2]: one["verdict"] for one in json.loads(report)["images"]}
    assert verdicts == {"shop-frontend:1": "passed", "payments:1": "failed", "tools:1": "inconclusive"}

    kept = [path.read_bytes() for path in (shop.fleet / "scan").rglob("*") if path.is_file()]
    assert len(kept) >= 4
    everything = first.stdout.encode() + first.stderr.encode() + b"".join(kept)
    secrets = {
        PASSWORD.encode(),
        urllib.parse.quote(PASSWORD, safe="").encode(),
        base64.b64encode(PASSWORD.encode()).rstrip(b"="),
        base64.b64encode(f"{USER}:{PASSWORD}".encode()).rstrip(b"="),
    }
    assert not [secret for secret in secrets if secret in everything]

    shop.requests.clear()
    second = scan(shop)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "changed=0 " in second.stdout
    assert not shop.layers & set(blobs(shop.requests))
    assert (shop.fleet / "scan" / "report" / "report.json").read_bytes() == report


@pytest.mark.full  # tests/unit/test_mistakes.py has the message of each mistake
def test_a_wrong_password_is_one_message_before_anything_is_fetched(shop: Shop) -> None:
    shop.auth_file.write_text(json.dumps({"auths": {shop.registry: {"auth": "YTpi"}}}), encoding="utf-8")
    references = ",".join(f"{shop.registry}/fleet/{name}:1" for name in IMAGES)
    named = {"scan_registry": [], "scan_references": references}
    told = scan(shop, "-e", json.dumps(named))
    assert told.returncode != 0
    assert told.stdout.count("fatal: ") == 1
    assert f"none of the images ({len(IMAGES)}) can be read; the first: {shop.registry}/fleet/" in told.stdout
    assert "it was asked with the credentials file" in told.stdout
    assert "log in again" in told.stdout
    assert not blobs(shop.requests)
    assert not (shop.fleet / "scan" / "report").exists()

    # Whoever wants to go on has a report of it.
    assert scan(shop, "-e", json.dumps({**named, "scan_fail_on": "none"})).returncode == 0
    report = json.loads((shop.fleet / "scan" / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["counts"] == {"passed": 0, "failed": 0, "inconclusive": 0, "error": len(IMAGES)}
    for image in report["images"]:
        assert image["reasons"][0]["code"] == "registry-unauthorized"
        assert image["reference"].rpartition("/")[2].partition(":")[0] in image["reasons"][0]["message"]
