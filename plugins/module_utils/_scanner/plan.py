# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of a scanner pod: its images, how to reach them, and its bounds. JSON in a ConfigMap.

Equal plans give equal bytes, so that the checksum of a plan tells whether a Job is the one that is on record.
Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._core.errors import CorruptData, InputError
from .._core.safe_json import read_object
from .._core.shapes import Reader, Shapes
from .._core.text import quoted
from .._images.mirrors import Mirror
from .._images.platforms import parse_platform
from .._images.references import is_digest, parse_reference, parse_registry
from .targets import is_local

SCHEMA_VERSION = 1
METHODS = ("job", "image_volume")
#: Of one ConfigMap.
PLAN_LIMIT = 1 << 20
#: Image volumes of one pod: a kubelet paces pulls that are more.
VOLUME_LIMIT = 4
_TEXT_LIMIT = 4096
_RUN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[0-9a-f]{64}")
_MOUNT = re.compile(r"/images/[0-9]")
#: Code of the error where the container that runs oscap is gone.
LOST = "evaluator-lost"
#: The argument with which the program is that container's.
EVALUATE = "evaluate"
#: Its variable that names the folder of an image with content; without it that is the image of the container.
CONTENT_VARIABLE = "IMAGESCAN_CONTENT"
#: Names in the folder of what a person gave to evaluate with.
CONTENT_FILE, TAILORING_FILE = "content", "tailoring.xml"
#: Of both together: they are in one ConfigMap.
GIVEN_LIMIT = 950_000
_SHA256 = re.compile(r"([0-9a-f]{64})?")
_COMPLIANCE_BOUNDS = {"bytes": (1 << 20, 1 << 40), "seconds": (1, 86_400)}
_BOUNDS = {"parallel": (1, 64), "memory": (32 << 20, 1 << 40), "seconds": (1, 86_400), "cache": (0, 1 << 40)}


@dataclasses.dataclass(frozen=True)
class PlannedImage:
    """One image. ``target``: reference, pinned by digest where that is known, or the mount path ``/images/N``.

    ``digest``: what must be found there; empty only where a tag is all that is known. ``environment``: of the image's
    config, NAME=VALUE each, where the pod cannot see that and needs it.
    """

    target: str
    digest: str
    environment: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ScanShard:
    """The images of one pod. ``key``: 64 hex digits, the secret of the pod's checksums. Never printed."""

    key: str = dataclasses.field(repr=False)
    images: tuple[PlannedImage, ...]


@dataclasses.dataclass(frozen=True)
class PodAccess:
    """How the pod reaches registries. Secrets, CA and token are files that are mounted, and not in here.

    ``login_registry``: host of the integrated registry, for which the projected token is good; empty without one. The
    other fields are those of ``Access``.
    """

    plain_http: tuple[str, ...] = ()
    token_realms: tuple[str, ...] = ()
    timeout: float = 20.0
    validate_certs: bool = True
    login_registry: str = ""
    mirrors: tuple[Mirror, ...] = ()


@dataclasses.dataclass(frozen=True)
class PlannedCompliance:
    """What oscap is to evaluate. ``profile`` and ``rules``: as ``_compliance.content.EvaluationRequest`` has them.

    ``given``: SHA-256, in hex, of content and tailoring file that are mounted beside the program; empty: nothing is.
    ``image``: name of the image that has the content, empty where that is given: other pods are not an answer to this
    plan. ``arf``: whether the ARF is sent, too. ``bytes``: of an image, unpacked, at most. ``seconds``: of oscap, for
    one.
    """

    profile: str
    rules: tuple[str, ...] = ()
    given: str = ""
    arf: bool = False
    bytes: int = 2 << 30
    seconds: int = 600
    image: str = ""


@dataclasses.dataclass(frozen=True)
class ScanPlan:
    """What all pods of one Job are given; a pod works through the shard whose number it has.

    ``platforms``: which images of an index count (empty: all). ``parallel``: images at once. ``memory`` (bytes) and
    ``seconds`` bound one image. ``cache``: bytes of layers that the pod may keep in its scratch folder, so that
    images with common layers fetch them once. ``compliance``: None where no rule is to be evaluated.
    """

    run: str
    method: str
    platforms: tuple[str, ...]
    access: PodAccess
    parallel: int
    memory: int
    seconds: int
    shards: tuple[ScanShard, ...]
    cache: int = 0
    compliance: PlannedCompliance | None = None

    @property
    def all_seconds(self) -> int:
        """Return what one image may take in all."""
        return self.seconds + (self.compliance.seconds if self.compliance is not None else 0)


def plan_to_json(plan: ScanPlan) -> bytes:
    """The plan as JSON; equal plans give equal bytes. Raises CorruptData for a plan that would not be taken."""
    value = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(plan)}
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    plan_from_json(data)
    return data


def plan_from_json(data: bytes) -> ScanPlan:
    """The plan that ``plan_to_json`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = read_object(data, "the plan", limit=PLAN_LIMIT)
    version = _SHAPES.count(top.pop("schema_version", None), "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the plan has schema version {version}; this program knows {SCHEMA_VERSION}",
            code="plan-too-new",
            hint="program and plan of a Job come from one version of the collection; start the run again",
        )
    method = top.get("method")
    plan = _READ[method if method in METHODS else METHODS[0]](top, "plan")
    if plan.compliance is not None and plan.parallel != 1:
        raise CorruptData("the plan wants several images evaluated at once; there is room for one")
    return plan


def _timeout(value: object, where: str) -> float:
    number = _SHAPES.number(value, where)
    if not 0 < number <= 3600:
        raise _SHAPES.invalid(f"{where} is {number}; expected more than 0 and at most 3600")
    return number


def _check_target(text: str) -> None:
    if is_local(text):
        raise InputError(f"{quoted(text, 80)} is not a reference to a registry")
    parse_reference(text)


def _plan(images: Reader) -> t.Callable[[object, str], ScanPlan]:
    """The reader of plans whose images are read by ``images``."""
    shard = _SHAPES.record(ScanShard, {"key": _SHAPES.matching(_KEY.fullmatch), "images": images})
    return _SHAPES.record(
        ScanPlan,
        {
            "run": _SHAPES.matching(_RUN.fullmatch),
            "method": _SHAPES.word(METHODS),
            "platforms": _SHAPES.many(_SHAPES.parsed(parse_platform, _TEXT)),
            "access": _ACCESS,
            "shards": _SHAPES.many(shard, 1),
            "compliance": _SHAPES.optional(_COMPLIANCE),
            **{name: _SHAPES.within(*bounds) for name, bounds in _BOUNDS.items()},
        },
    )


_SHAPES = Shapes(CorruptData.code)
_TEXT = _SHAPES.short(_TEXT_LIMIT)
_TEXTS = _SHAPES.many(_TEXT)
_REGISTRY = _SHAPES.parsed(parse_registry, _TEXT)
_MIRROR = _SHAPES.record(
    Mirror, {"source": _TEXT, "mirrors": _TEXTS, "pulls": _TEXT, "never_contact_source": _SHAPES.truth}
)
_ACCESS = _SHAPES.record(
    PodAccess,
    {
        "plain_http": _SHAPES.many(_REGISTRY),
        "token_realms": _SHAPES.many(_REGISTRY),
        "timeout": _timeout,
        "validate_certs": _SHAPES.truth,
        "login_registry": lambda value, where: value if value == "" else _REGISTRY(value, where),
        "mirrors": _SHAPES.many(_MIRROR),
    },
)
_COMPLIANCE = _SHAPES.record(
    PlannedCompliance,
    {
        "profile": _SHAPES.short(_TEXT_LIMIT, 1),
        "rules": _TEXTS,
        "given": _SHAPES.matching(_SHA256.fullmatch),
        "arf": _SHAPES.truth,
        "image": _TEXT,
        **{name: _SHAPES.within(*bounds) for name, bounds in _COMPLIANCE_BOUNDS.items()},
    },
)
_READ = {
    "job": _plan(
        _SHAPES.many(
            _SHAPES.record(
                PlannedImage,
                {
                    "target": _SHAPES.parsed(_check_target, _TEXT),
                    "digest": _SHAPES.matching(lambda text: not text or is_digest(text)),
                    "environment": _SHAPES.many(_TEXT, 0, 0),
                },
            ),
            1,
        )
    ),
    "image_volume": _plan(
        _SHAPES.many(
            _SHAPES.record(
                PlannedImage,
                {
                    "target": _SHAPES.matching(_MOUNT.fullmatch),
                    "digest": _SHAPES.matching(is_digest),
                    "environment": _SHAPES.many(_SHAPES.short(PLAN_LIMIT)),
                },
            ),
            1,
            VOLUME_LIMIT,
        )
    ),
}
