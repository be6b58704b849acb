# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a scan in a cluster, and of the evaluation by pods."""

from __future__ import annotations

import dataclasses
import hashlib

from .._core.errors import InputError
from .._core.text import quoted
from .._images.references import parse_reference
from .._scanner.plan import CONTENT_FILE, GIVEN_LIMIT, TAILORING_FILE, PlannedCompliance, PodAccess
from .manifests import PodOptions, memory_bytes


@dataclasses.dataclass(frozen=True)
class ComplianceOptions:
    """Rules to evaluate in pods.

    ``profile`` and ``rules``: as ``_compliance.content.EvaluationRequest`` has them. ``content``: trimmed to them
    (``pack_trimmed``), empty: the image of the pods has it. ``tailoring``: the file. ``arf``: whether it is kept.
    ``max_image_size``: bytes of an image, unpacked. ``seconds``: of oscap, for one. ``memory``: of its container.
    ``chroot``: whether that may change its root. ``content_image``: reference, with a digest, of an image that is
    mounted for its content.
    """

    profile: str
    rules: tuple[str, ...] = ()
    content: bytes = dataclasses.field(default=b"", repr=False)
    tailoring: bytes = dataclasses.field(default=b"", repr=False)
    arf: bool = False
    max_image_size: int = 2 << 30
    seconds: int = 600
    memory: str = "512Mi"
    chroot: bool = False
    content_image: str = ""

    def __post_init__(self) -> None:
        memory_bytes(self.memory, "memory of compliance")
        if not 1 <= self.seconds <= 86_400:
            raise InputError(f"timeout of compliance is {self.seconds}; expected 1 to 86400 seconds")
        if not 1 << 20 <= self.max_image_size <= 1 << 40:
            raise InputError(f"max_image_size of compliance is {self.max_image_size}; expected 1 MiB to 1 TiB")
        if self.content_image and self.content:
            raise InputError("compliance has both content and content_image; content comes from one of them")
        if self.content_image and not parse_reference(self.content_image).digest:
            raise InputError(
                f"content_image of compliance is {quoted(self.content_image, 200)}, which has no digest",
                hint="results are kept under its name, so it must always mean the same content",
            )
        if sum(map(len, self.given.values())) > GIVEN_LIMIT:
            raise InputError(
                f"content and tailoring file of compliance have more than {GIVEN_LIMIT} bytes, trimmed and compressed",
                hint="put the content into the image of the pods, or choose fewer rules",
            )

    @property
    def given(self) -> dict[str, bytes]:
        """Files for the evaluator."""
        files = {CONTENT_FILE: self.content, TAILORING_FILE: self.tailoring}
        return {name: data for name, data in files.items() if data}

    def planned(self, image: str) -> PlannedCompliance:
        """Make the part of the plan for pods of this image."""
        digest = hashlib.sha256()
        for name, data in sorted(self.given.items()):
            digest.update(f"{name} {len(data)}\n".encode() + data)
        files_digest = digest.hexdigest() if self.given else ""
        image = "" if self.content else self.content_image or image
        return PlannedCompliance(
            self.profile, self.rules, files_digest, self.arf, self.max_image_size, self.seconds, image
        )


@dataclasses.dataclass(frozen=True)
class ScanOptions:
    """Options of a scan in a cluster.

    ``pods``: at once (one more while something is tried again). ``image_timeout``: seconds for one image.
    ``start_timeout``: seconds from the first sign that a pod cannot start until that is an error. ``ca``: PEM
    certificates for registries. ``registries``: how pods reach them. ``compliance``: None where no rule is evaluated.
    """

    namespace: str
    pod: PodOptions
    registries: PodAccess = dataclasses.field(default_factory=PodAccess)
    pods: int = 4
    images_per_pod: int = 100
    image_timeout: int = 300
    start_timeout: float = 20.0
    ca: bytes = b""
    compliance: ComplianceOptions | None = None

    def __post_init__(self) -> None:
        for name, least, most in (("pods", 1, 500), ("images_per_pod", 1, 1000), ("image_timeout", 1, 86_400)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"{name} is {getattr(self, name)}; expected {least} to {most}")
        if not 1 <= self.start_timeout <= 86_400:
            raise InputError(f"start_timeout is {self.start_timeout}; expected 1 to 86400 seconds")
