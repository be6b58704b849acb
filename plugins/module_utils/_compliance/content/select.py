# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the content for a distribution, and the rules that a profile of it selects, tailored or not.

Source: NISTIR 7275r4 (XCCDF 1.2). Standard library only: it runs in the pod.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import xml.parsers.expat
from pathlib import Path

from ..._core.errors import InputError
from ..._images.model import Problem
from ..._packages.model import OsRelease
from ..streaming import DEPTH_LIMIT
from .index import ContentIndex, ContentItem, is_true

#: Where distributions install the SCAP Security Guide.
FOLDERS = ("/usr/share/xml/scap/ssg/content",)
TAILORING_LIMIT = 8 << 20
_PROFILE_PREFIX = "xccdf_org.ssgproject.content_profile_"
_RULE_PREFIX = "xccdf_org.ssgproject.content_rule_"
_SSG_NAME = re.compile(r"ssg-([a-z0-9]+)-(?:ds|xccdf|ds-1\.[23]|xccdf-1\.[12])\.xml")
_CPE = re.compile(r"cpe:(?:/|2\.3:)o:([^:]+):([^:]+)(?::([^:]*))?")
#: ID of os-release -> the start of the content's name, to which the major version is added where it ends with "-".
_PRODUCTS: t.Mapping[str, str] = {
    **{name: f"{name}-" for name in ("rhel", "centos", "ol", "almalinux", "anolis", "alinux", "uos")},
    "sles": "sle-",
    "sled": "sle-",
    "opensuse-leap": "opensuse",
    "fedora": "fedora",
    "rhcos": "rhcos4",
}
#: Product in os-release -> in content.
_OTHER_NAMES = {"sles": "linux_enterprise_server", "sled": "linux_enterprise_desktop"}


@dataclasses.dataclass(frozen=True)
class EvaluationRequest:
    """Request of an evaluation. Paths are of this machine.

    ``profile``: id, whole or without the guide's prefix (``cis``). ``content``: a SCAP source data stream; empty:
    chosen by the image's os-release. ``tailoring``: an XCCDF tailoring file that has the profile; empty: none.
    ``rules``: ids, whole or without the guide's prefix, to evaluate only these of the profile; empty: all of them.
    """

    profile: str
    content: str = ""
    tailoring: str = ""
    rules: tuple[str, ...] = ()


def choose(os_release: OsRelease, folders: t.Sequence[str] = FOLDERS) -> Path | None:
    """The data stream of the SCAP Security Guide for a distribution, or None where there is none."""
    name = os_release.id
    start = _PRODUCTS.get(name, "")
    if not start:
        return None
    major = _major(os_release.version_id)
    if start.endswith("-"):
        if not major:
            return None
        start = f"cs{major}" if name == "centos" and int(major) > 8 else start[:-1] + major
    for folder in folders:
        path = Path(folder) / f"ssg-{start}-ds.xml"
        if path.is_file():
            return path
    return None


def fits(os_release: OsRelease, platforms: t.Sequence[str]) -> Problem | None:
    """Why a benchmark for these platforms is not for this distribution; None when it is.

    Content for another product or major version calls every rule not applicable, and exits with 0.
    """
    # Where a benchmark only names expressions of its own, oscap alone can tell: then nothing would be applicable.
    platforms = [cpe for cpe in platforms if not cpe.startswith("#")]
    if not platforms:
        return None
    product = _product(os_release.cpe_name) or _product_of_id(os_release)
    products = {_product(cpe) for cpe in platforms} - {None}
    if product in products:
        return None
    name = os_release.pretty_name or f"{os_release.id} {os_release.version_id}".strip() or "nothing that it names"
    return Problem("content-other-product", f"the content is for {', '.join(platforms[:3])}; the image is {name[:100]}")


def _product(cpe: str) -> tuple[str, str, str] | None:
    match = _CPE.match(cpe)
    return (match[1], _OTHER_NAMES.get(match[2], match[2]), _major(match[3] or "")) if match else None


def _product_of_id(os_release: OsRelease) -> tuple[str, str, str] | None:
    names = {
        "rhel": ("redhat", "enterprise_linux"),
        "centos": ("centos", "centos"),
        "fedora": ("fedoraproject", "fedora"),
        "ol": ("oracle", "linux"),
        "almalinux": ("almalinux", "almalinux"),
        "sles": ("suse", "linux_enterprise_server"),
        "sled": ("suse", "linux_enterprise_desktop"),
        "opensuse-leap": ("opensuse", "leap"),
    }
    product = names.get(os_release.id)
    return (*product, _major(os_release.version_id)) if product else None


def _major(version: str) -> str:
    match = re.match(r"\d{1,4}", version)
    return match[0] if match else ""


@dataclasses.dataclass
class Tailoring:
    href: str = ""
    benchmark: str = ""
    profiles: dict[str, ContentItem] = dataclasses.field(default_factory=dict)
    named: set[str] = dataclasses.field(default_factory=set)


def read_tailoring(data: bytes, where: str) -> Tailoring:
    tailoring = Tailoring()
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    depth = 0
    top = ""
    profile: ContentItem | None = None

    def wrong(damage: str) -> InputError:
        return InputError(f"the tailoring file {where} {damage}", code="tailoring-damaged")

    def refuse(*_details: object) -> None:
        raise wrong("has a document type")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, top, profile
        depth += 1
        local = name.rpartition(" ")[2]
        top = top or local
        if depth > DEPTH_LIMIT:
            raise wrong("is nested too deep")
        if local == "benchmark" and depth == 2:
            tailoring.href, tailoring.benchmark = attributes.get("href", ""), attributes.get("id", "")
        elif local == "Profile" and depth == 2:
            profile = ContentItem(attributes.get("id", ""), 0, extends=attributes.get("extends", ""))
            tailoring.profiles[profile.id] = profile
        elif profile is not None and depth == 3 and "idref" in attributes:
            tailoring.named.add(attributes["idref"])
            if local == "select":
                profile.selections.append((attributes["idref"], is_true(attributes.get("selected", ""))))

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except xml.parsers.expat.ExpatError as error:
        raise wrong(f"is not XML: {error}") from error
    if top != "Tailoring":
        raise wrong(f"begins with {top[:40]!r}, not with Tailoring")
    return tailoring


def check_tailoring(tailored: Tailoring, index: ContentIndex, where: str, content: str) -> None:
    """Raise InputError where a tailoring file is for another benchmark: its selections would do nothing."""

    def other(difference: str) -> InputError:
        return InputError(
            f"the tailoring file {where} is for another benchmark than {content}: {difference}",
            code="tailoring-mismatch",
            hint="tailor the benchmark that is evaluated",
        )

    benchmark = t.cast(ContentItem, index.benchmark)
    if tailored.benchmark and tailored.benchmark != benchmark.id:
        raise other(f"it names {tailored.benchmark[:200]}")
    tailored_name, content_name = _SSG_NAME.fullmatch(Path(tailored.href).name), _SSG_NAME.fullmatch(Path(content).name)
    if tailored_name and content_name and tailored_name[1] != content_name[1]:
        raise other(f"it names {Path(tailored.href).name}")
    clusters = {item.cluster for item in (*index.rules.values(), *index.groups.values())} - {""}
    identifiers = {*index.rules, *index.groups, *index.values, *clusters}
    strange = sorted(tailored.named - identifiers)
    if strange:
        raise other(f"{len(strange)} ids are not in it, {strange[0][:200]} among them")
    known_profiles = {"", *index.profiles, *tailored.profiles}
    for profile in tailored.profiles.values():
        if profile.extends not in known_profiles:
            raise other(f"it extends the profile {profile.extends[:200]}")


def find_profile(name: str, offered: t.Mapping[str, ContentItem], where: str) -> ContentItem:
    for identifier in (name, _PROFILE_PREFIX + name):
        if identifier in offered:
            return offered[identifier]
    ends = [item for identifier, item in offered.items() if identifier.endswith("_profile_" + name)]
    if len(ends) == 1:
        return ends[0]
    profiles = ", ".join(identifier.replace(_PROFILE_PREFIX, "") for identifier in list(offered)[:30])
    raise InputError(
        f"{where} has no profile {name[:200]!r}", code="profile-missing", hint=f"it has {profiles or 'none'}"
    )


def profile_chain(
    profile: ContentItem, offered: t.Mapping[str, ContentItem], base: t.Mapping[str, ContentItem]
) -> list[ContentItem]:
    """A profile and those that it extends, the basic one first. One of the tailoring file may extend its namesake."""
    chain = [profile]
    while chain[-1].extends:
        last = chain[-1]
        base_profile = offered.get(last.extends)
        if base_profile is None or any(base_profile is item for item in chain):
            base_profile = base.get(last.extends)
        if base_profile is None or any(base_profile is item for item in chain):
            raise InputError(
                f"the profile {last.id} extends {last.extends[:200]!r}, which does not exist", code="profile-missing"
            )
        chain.append(base_profile)
    return chain[::-1]


def _selections(items: t.Mapping[str, ContentItem], chain: t.Iterable[ContentItem]) -> dict[str, bool]:
    """Say of each item whether it is selected itself."""
    state = {identifier: item.selected for identifier, item in items.items()}
    clusters: dict[str, list[str]] = {}
    for identifier, item in items.items():
        if item.cluster:
            clusters.setdefault(item.cluster, []).append(identifier)
    for profile in chain:
        for name, selected in profile.selections:
            for identifier in clusters.get(name, (name,)):
                if identifier in state:
                    state[identifier] = selected
    return state


def selected_rules(index: ContentIndex, chain: t.Sequence[ContentItem]) -> set[str]:
    """Ids of the rules that a profile selects: itself and every group around it is selected, and what it requires.

    oscap evaluates no rule of which a condition does not hold: one of the items of each ``requires`` is selected, and
    none of a ``conflicts``.
    """
    state = _selections({**index.groups, **index.rules}, chain)
    return {
        identifier
        for identifier, item in index.rules.items()
        if state[identifier]
        and all(state[group] for group in item.groups)
        and all(any(state.get(name, False) for name in names) == required for required, names in item.conditions)
    }


def only_rules(names: t.Sequence[str], index: ContentIndex, selected: set[str], profile: str) -> set[str]:
    identifiers = set()
    for name in names:
        identifier = name if name in index.rules else _RULE_PREFIX + name
        if identifier not in index.rules:
            raise InputError(f"the benchmark has no rule {name[:200]!r}", code="rule-missing")
        if identifier not in selected:
            raise InputError(f"the profile {profile} does not select the rule {name[:200]!r}", code="rule-missing")
        identifiers.add(identifier)
    return identifiers
