# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of ``image_scan`` by a playbook, as people make them, and what they leave in the store."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment

SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Stored:
    """What the store says of one image, without times. ``inventory`` is None where it was never scanned."""

    references: tuple[str, ...]
    platform: str
    kind: str
    error: str
    children: tuple[tuple[str, str], ...]
    inventory: dict[str, t.Any] | None


@dataclasses.dataclass(frozen=True)
class Scans:
    """One playbook with a call of ``image_scan`` for each name; each has a store of its own in ``home``."""

    home: Path
    calls: t.Mapping[str, t.Mapping[str, t.Any]]

    def write(self) -> Path:
        """Write the playbook."""
        tasks: list[dict[str, t.Any]] = []
        for name, call in self.calls.items():
            arguments = {**call, "store": self.store(name)}
            tasks.append({"name": name, "imagescan.openshift.image_scan": arguments, "register": "found"})
            written = {"content": "{{ found | to_json }}", "dest": str(self.home / f"{name}.json"), "mode": "0600"}
            keep = {"name": f"Keep the result of {name}", "ansible.builtin.copy": written, "check_mode": False}
            tasks.append(keep)
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        playbook = self.home / "scans.yml"
        playbook.write_text(json.dumps([play]), encoding="utf-8")  # JSON is YAML
        return playbook

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it. What it prints is in ``output``."""
        with (self.home / "output").open("wb") as stream:
            return subprocess.Popen(
                self.command(*options),
                env=ansible_environment(self.home),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def command(self, *options: str) -> list[str]:
        """How it is run in ``ansible_environment(home)``."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(self.write())]
        return [*command, "-e", f"ansible_python_interpreter={sys.executable}", *options]

    def run(self, *options: str) -> None:
        """Run it to its end; it must not fail nor warn."""
        assert self.start(*options).wait(SECONDS) == 0, self.output
        assert "WARNING" not in self.output, self.output

    @property
    def output(self) -> str:
        """What ansible-playbook printed so far."""
        return (self.home / "output").read_text(encoding="utf-8", errors="replace")

    def result(self, name: str) -> dict[str, t.Any]:
        """What the module returned."""
        return dict(json.loads((self.home / f"{name}.json").read_text(encoding="utf-8")))

    def store(self, name: str) -> str:
        """Where a call keeps what it finds: a file in ``home``, unless it says otherwise."""
        return str(self.calls[name].get("store") or self.home / f"{name}.db")

    def stored(self, name: str) -> dict[str, Stored]:
        """Digest (or what stands for it) -> what is in the store."""
        with open_store(self.store(name), read_only=True) as store:
            children = store.images.children(image.key for image in store.images.all())
            return {
                image.key: Stored(
                    tuple(sorted(image.references)),
                    image.platform,
                    image.kind,
                    image.error_code,
                    tuple((child.digest, child.platform) for child in children.get(image.key, ())),
                    store.inventories.get(image.key),
                )
                for image in store.images.all()
            }


def by_pods(
    cluster: KubernetesCluster, accounts: Accounts, scanner_image: str, method: str, **options: t.Any
) -> dict[str, t.Any]:
    """Options of ``image_scan`` for pods, as the account for scans, patient on a slow machine."""
    return {
        "method": method,
        "kubeconfig": str(accounts.scan),
        "namespace": accounts.namespace,
        "scanner_image": scanner_image,
        "plain_http_registries": [cluster.registry],
        "pod_cpu": "50m",  # of a node of two processors; what pods use is not limited by it
        "start_timeout": 180,
        "image_timeout": 600,
        "timeout": 120,
        **options,
    }


def left_of_scans(cluster: KubernetesCluster, namespace: str, *, going: bool = True) -> list[str]:
    """What scans made in a namespace and is still there; without ``going``, only what is not being deleted."""
    selector = "--selector=app.kubernetes.io/managed-by=imagescan.openshift,app.kubernetes.io/component=scanner"
    found = cluster.get("jobs,pods,configmaps", f"--namespace={namespace}", selector)["items"]
    return [
        f"{one['kind']}/{one['metadata']['name']}"
        for one in found
        if going or "deletionTimestamp" not in one["metadata"]
    ]


def check_nothing_is_left(cluster: KubernetesCluster, namespace: str) -> None:
    """When a run ends, all that it made is gone or going, and soon gone."""
    assert left_of_scans(cluster, namespace, going=False) == []
    end = time.monotonic() + 60
    while left := left_of_scans(cluster, namespace):
        assert time.monotonic() < end, left
        time.sleep(0.2)


def write_images(folder: Path, built: t.Mapping[str, t.Callable[[images.Blobs], images.Json]]) -> dict[str, str]:
    """Write images, each made into the blobs that it is given, as one OCI layout. Tag -> digest."""
    blobs: images.Blobs = {}
    tags = {tag: build(blobs) for tag, build in built.items()}
    images.write_folder(folder, images.layout_files(blobs, tags))
    return {tag: str(descriptor["digest"]) for tag, descriptor in tags.items()}
