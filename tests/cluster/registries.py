# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many images at once in the test cluster's registry, and a registry before it that counts what is fetched, slowly."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import http.client
import re
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import fleet, images, rpmdb
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, ask, running_server

_MANIFEST = re.compile(r"/v2/.*/manifests/(sha256:[0-9a-f]{64})")


@dataclasses.dataclass
class CountingRegistry:
    """``host``: as pods reach it. ``delay``: seconds before each answer; may change at any time."""

    host: str
    requests: list[Request]
    delay: float = 0.0

    def fetched(self) -> collections.Counter[str]:
        """Digest -> how often its manifest was fetched: the first thing that a pod does with an image."""
        found = [_MANIFEST.fullmatch(request.target) for request in list(self.requests) if request.method == "GET"]
        return collections.Counter(match[1] for match in found if match)


@contextlib.contextmanager
def counting_registry(cluster: KubernetesCluster, delay: float = 0.0) -> t.Iterator[CountingRegistry]:
    """Run it before the registry of a cluster of our own, in this process; plain HTTP, for pulls alone."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test counts at a registry that its pods can reach")

    def forward(request: Request) -> Answer:
        time.sleep(counting.delay)
        return ask(http.client.HTTPConnection(cluster.registry, timeout=60), request)

    counting = CountingRegistry("", [], delay)
    with running_server(forward, address=cluster.registry.partition(":")[0]) as running:
        counting.host, counting.requests = running.host, running.requests
        yield counting


def push_images(
    cluster: KubernetesCluster, folder: Path, repository: str, contents: t.Iterable[t.Sequence[images.Layer]]
) -> list[str]:
    """Push an image of these layers for each element, all by one index. Digests, in their order."""
    blobs: images.Blobs = {}
    made = [images.image(blobs, layers, labels={"number": str(n)}) for n, layers in enumerate(contents)]
    index = images.index(blobs, [(one, "linux/amd64") for one in made])
    images.write_folder(folder, images.layout_files(blobs, {"all": index}))
    cluster.push(f"oci:{folder}:all", f"{repository}:all")
    return [str(one["digest"]) for one in made]


def different_images(count: int, packages: int) -> t.Iterator[list[images.Layer]]:
    """The layers of ``count`` images with as many packages each, of which a tenth is the image's own."""
    common = [rpmdb.header(_package("common", number)) for number in range(packages - packages // 10)]
    for image in range(count):
        own = [rpmdb.header(_package(f"image{image}", number)) for number in range(packages // 10)]
        yield [fleet.rpm_layer(t.cast("t.Any", [*common, *own]), *fleet.red_hat_root("9", "4"))]


def _package(prefix: str, number: int) -> rpmdb.Rpm:
    """A package that packs worse than real ones do."""
    digest = hashlib.sha256(f"{prefix}/{number}".encode()).hexdigest()
    version, release = f"{number % 9}.{number % 17}.{number}", f"{digest[8:24]}.el9"
    source = f"{prefix}-{digest[:6]}-{version}-{release}.src.rpm"
    return rpmdb.Rpm(f"{prefix}-{digest[:8]}", version, release, source=source, license=digest[24:])
