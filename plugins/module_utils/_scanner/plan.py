# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner pod is given: its images, how to reach them, and its bounds. JSON in a ConfigMap.

Equal plans give equal bytes, so that the checksum of a plan tells whether a Job is the one that is on record.
Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._core.errors import CorruptData, ScanError
from .._core.safe_json import read_object
from .._images.mirrors import Mirror
from .._images.platforms import parse_platform
from .._images.references import is_digest, parse_reference, parse_registry, shown
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
class Shard:
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
    """What oscap is to evaluate. ``profile`` and ``rules``: as ``_compliance.content.Wanted`` has them.

    ``given``: SHA-256, in hex, of content and tailoring file that are mounted beside the program; empty: nothing is.
    ``image``: name of the image that has the content, empty where that is given: other pods are no answer to this plan.
    ``arf``: whether the ARF is sent, too. ``bytes``: of an image, unpacked, at most. ``seconds``: of oscap, for one.
    """

    profile: str
    rules: tuple[str, ...] = ()
    given: str = ""
    arf: bool = False
    bytes: int = 2 << 30
    seconds: int = 600
    image: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
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
    shards: tuple[Shard, ...]
    cache: int = 0
    compliance: PlannedCompliance | None = None

    @property
    def all_seconds(self) -> int:
        """What one image may take in all."""
        return self.seconds + (self.compliance.seconds if self.compliance is not None else 0)


def plan_to_json(plan: Plan) -> bytes:
    """The plan as JSON; equal plans give equal bytes. Raises CorruptData for a plan that would not be taken."""
    value = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(plan)}
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    plan_from_json(data)
    return data


def plan_from_json(data: bytes) -> Plan:
    """The plan that ``plan_to_json`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = read_object(data, "the plan", limit=PLAN_LIMIT)
    version = _number(top.pop("schema_version", None), "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the plan has schema version {version}; this program knows {SCHEMA_VERSION}",
            code="plan-too-new",
            hint="program and plan of a Job come from one version of the collection; start the run again",
        )
    _exactly(top, Plan, "the plan")
    if not _RUN.fullmatch(_text(top["run"], "run")):
        raise _wrong("run")
    if top["method"] not in METHODS:
        raise _wrong("method")
    numbers = {name: _within(top[name], name, bounds) for name, bounds in _BOUNDS.items()}
    platforms = _texts(top["platforms"], "platforms")
    _checked(parse_platform, platforms, "platforms")
    shards = tuple(_shard(one, top["method"]) for one in _list(top["shards"], "shards"))
    if not shards:
        raise _wrong("shards")
    compliance = None if top["compliance"] is None else _compliance(top["compliance"])
    if compliance is not None and numbers["parallel"] != 1:
        raise CorruptData("the plan wants several images evaluated at once; there is room for one")
    return Plan(
        top["run"],
        top["method"],
        platforms,
        _access(top["access"]),
        shards=shards,
        compliance=compliance,
        **numbers,
    )


def _compliance(value: object) -> PlannedCompliance:
    found = _object(value, "compliance")
    _exactly(found, PlannedCompliance, "compliance")
    numbers = {name: _within(found[name], name, bounds) for name, bounds in _COMPLIANCE_BOUNDS.items()}
    profile, given = _text(found["profile"], "profile"), _text(found["given"], "given")
    if not profile:
        raise _wrong("profile")
    if not _SHA256.fullmatch(given):
        raise _wrong("given")
    if not isinstance(found["arf"], bool):
        raise _wrong("arf")
    image = _text(found["image"], "image")
    return PlannedCompliance(profile, _texts(found["rules"], "rules"), given, found["arf"], image=image, **numbers)


def _access(value: object) -> PodAccess:
    found = _object(value, "access")
    _exactly(found, PodAccess, "access")
    hosts = {name: _texts(found[name], name) for name in ("plain_http", "token_realms")}
    for name, one in hosts.items():
        _checked(parse_registry, one, name)
    login = _text(found["login_registry"], "login_registry")
    if login:
        _checked(parse_registry, [login], "login_registry")
    timeout = found["timeout"]
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 3600:
        raise _wrong("timeout")
    if not isinstance(found["validate_certs"], bool):
        raise _wrong("validate_certs")
    mirrors = tuple(map(_mirror, _list(found["mirrors"], "mirrors")))
    return PodAccess(
        timeout=float(timeout), validate_certs=found["validate_certs"], login_registry=login, mirrors=mirrors, **hosts
    )


def _mirror(value: object) -> Mirror:
    found = _object(value, "mirror")
    _exactly(found, Mirror, "mirror")
    if not isinstance(found["never_contact_source"], bool):
        raise _wrong("never_contact_source")
    texts = {name: _text(found[name], name) for name in ("source", "pulls")}
    try:
        return Mirror(
            mirrors=_texts(found["mirrors"], "mirrors"), never_contact_source=found["never_contact_source"], **texts
        )
    except ScanError as error:
        raise CorruptData(f"mirrors of the plan: {error.message}") from error


def _shard(value: object, method: str) -> Shard:
    found = _object(value, "shard")
    _exactly(found, Shard, "shard")
    # Not shown where it is wrong: it is a secret.
    if not _KEY.fullmatch(_text(found["key"], "key")):
        raise _wrong("key")
    images = tuple(_image(one, method) for one in _list(found["images"], "images"))
    if not images or (method == "image_volume" and len(images) > VOLUME_LIMIT):
        raise _wrong("images")
    return Shard(found["key"], images)


def _image(value: object, method: str) -> PlannedImage:
    found = _object(value, "image")
    _exactly(found, PlannedImage, "image")
    target, digest = _text(found["target"], "target"), _text(found["digest"], "digest")
    if digest and not is_digest(digest):
        raise _wrong("digest")
    environment = tuple(_text(one, "environment", PLAN_LIMIT) for one in _list(found["environment"], "environment"))
    if method == "image_volume":
        if not _MOUNT.fullmatch(target) or not digest:
            raise CorruptData(f"the plan wants {shown(target, 80)} read; expected a mount point /images/N and a digest")
        return PlannedImage(target, digest, environment)
    if environment:
        raise _wrong("environment")
    if is_local(target):
        raise CorruptData(f"the plan wants {shown(target, 80)} read, which is no reference to a registry")
    _checked(parse_reference, [target], "target")
    return PlannedImage(target, digest)


def _checked(parse: t.Callable[[str], object], texts: t.Iterable[str], where: str) -> None:
    for text in texts:
        try:
            parse(text)
        except ScanError as error:
            raise CorruptData(f"{where} of the plan: {error.message}") from error


def _wrong(where: str) -> CorruptData:
    return CorruptData(f"{where} of the plan has not the form that it must have")


def _exactly(found: t.Mapping[str, t.Any], kind: type, where: str) -> None:
    names = {field.name for field in dataclasses.fields(kind)}
    if found.keys() != names:
        wrong = ", ".join(ascii(name)[:40] for name in sorted(found.keys() ^ names)[:5])
        raise CorruptData(f"{where} has a field too many, or one is missing: {wrong}")


def _object(value: object, where: str) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise _wrong(where)
    return value


def _list(value: object, where: str) -> list[t.Any]:
    if not isinstance(value, list):
        raise _wrong(where)
    return value


def _text(value: object, where: str, limit: int = _TEXT_LIMIT) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise _wrong(where)
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    return tuple(_text(one, where) for one in _list(value, where))


def _within(value: object, where: str, bounds: tuple[int, int]) -> int:
    number = _number(value, where)
    if not bounds[0] <= number <= bounds[1]:
        raise CorruptData(f"{where} of the plan is {number}; expected {bounds[0]} to {bounds[1]}")
    return number


def _number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where)
    return value
