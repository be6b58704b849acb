# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image volumes: whether the server serves them, and what exactly is to be mounted."""

from __future__ import annotations

import dataclasses

from .._core.errors import InputError, RegistryError, ScanError
from .._images.access import Access
from .._images.model import Image, ImageIndex
from .._images.references import parse_reference
from .._images.targets import open_child, open_target
from .jobs import Jobs
from .manifests import PodOptions, volume_job
from .sharding import Item


def require_image_volumes(jobs: Jobs, options: PodOptions, run: str) -> None:
    """Raise ScanError where the server drops image volumes, which it does without a word."""
    image = "registry.invalid/imagescan/probe@sha256:" + "0" * 64
    name = f"imagescan-{run}-probe"
    job = volume_job(name, run, options, plan=name, shard=0, images=[image], annotations={}, pod_seconds=60)
    echo = jobs.create_job(job, dry_run=True)
    volumes = echo["spec"]["template"]["spec"].get("volumes") or ()
    if not any((volume.get("image") or {}).get("reference") == image for volume in volumes):
        raise ScanError(
            "this cluster does not serve image volumes",
            code="image-volume-unsupported",
            hint="use method: job without content_image, or a cluster of Kubernetes 1.35 or newer (1.33 with the "
            "feature gate ImageVolume)",
        )


class Resolver:
    """Asks registries what an image is. Safe to use from several threads; never raises."""

    def __init__(self, access: Access) -> None:
        # The kubelet pulls, not we: a registry that does not answer us is not a reason to wait.
        self._access = dataclasses.replace(access, retries=1, deadline=min(access.deadline, 30.0))
        self._silent: set[str] = set()
        self._indexes: dict[str, ImageIndex] = {}

    def open(self, item: Item) -> Image | ImageIndex | ScanError:
        """The opened image, or why it could not be."""
        host = parse_reference(item.target).registry
        if host in self._silent:
            return RegistryError(f"{host} does not answer", code="registry-unavailable", subject=item.target)
        try:
            if item.index in self._indexes:
                index = self._indexes[item.index]
                child = next((descriptor for descriptor in index.children if descriptor.digest == item.digest), None)
                if child is not None:
                    return open_child(index, child, self._access)
            opened = open_target(item.target, self._access)
        except ScanError as error:
            if isinstance(error, RegistryError) and error.code == "registry-unavailable":
                self._silent.add(host)
            return error
        if isinstance(opened, ImageIndex):
            self._indexes[opened.digest] = opened
            return opened
        if isinstance(opened, Image):
            return opened
        return InputError("it is not an image of a registry", subject=item.target)


def unresolved(item: Item, error: ScanError) -> ScanError:
    """The error of an image that cannot be mounted since nobody knows what exactly it is."""
    if isinstance(error, RegistryError) and error.status == 404:
        return error
    gap = "what kind of image it is" if item.digest else "which digest the tag means"
    return ScanError(
        f"image volumes need a digest, and the registry does not say {gap}: {error.message}",
        code="digest-needed",
        hint="hand on what image_info found, or let this host reach the registry, or use method: job",
        subject=item.references[0] if item.references else item.target,
    )
