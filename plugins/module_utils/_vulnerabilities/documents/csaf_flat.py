# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of the documents of Red Hat's ``vex-feed`` from those of its ``vex`` feed.

All products and components stand directly below the vendor, and builds have no architecture. A build is that of a
source package (``libtiff-0:4.4.0-12.el9`` in May 2026), of a binary (``httpd24-libcurl-0:7.61.1-1.el7`` in August), or
of a whole module (``python39-0:3.9-8100020240826142629.d47b87a4``: stream, version and context of its label). Only
``.src`` tells a source package; which one a build without it is, is left to the matcher. Where the document has
binaries, the qualifier ``upstream`` names their source and its module (``pki-core:10.6/pki-core``).

See docs/vex-ga-details.md of RedHatProductSecurity/security-data-guidelines.
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ..._core.errors import CorruptData
from .csaf_components import UNREADABLE, ComponentReader, CsafComponent
from .csaf_json import CsafFields
from .model import UNKNOWN_MODULE, UNTOLD_ARCH

_FLAT_GENERATOR = "csaf generator"
_LEGACY_GENERATOR = "red hat sdengine"
_LEGACY_BRANCHES = ("architecture", "product_family")
_BUILD_PURL = re.compile(r"pkg:rpm/[^?#]*@[^?#]+")
_ARCH = re.compile(r"[?&]arch=([^&#]+)")
_UPSTREAM = re.compile(r"[?&]upstream=([^&#]+)")
#: The build of a module as a koji build has it: the stream as version (with "_" for "-"), and version and context of
#: the module as release. The version ends in the time of the build; before it stands the platform (81000 for 8.10.0).
_MODULE_BUILD = re.compile(r"(?:[0-9]+:)?(?P<stream>[^-]+)-(?P<version>[0-9]{14,20})\.(?P<context>[0-9A-Za-z_]{1,64})")
_MODULE_PURL = re.compile(rb'"pkg:rpm/(?:[^/"]*/)*([^/"@?#]+)@([^"?#]+?)-[0-9]{14,20}\.')


def is_flat(
    fields: CsafFields, tracking: dict[str, t.Any], categories: t.Container[str], purls: t.Iterable[str]
) -> bool:
    """Return whether a document has the flat shape, by what made it, its branches and its builds.

    ``categories``: of the branches of its product tree. ``purls``: package URLs of its components. Raises CorruptData
    for a document that has something of both shapes.
    """
    flat: list[str] = []
    legacy: list[str] = []
    engine = fields.dict_of(fields.dict_of(tracking, "generator"), "engine")
    name = fields.text_of(engine, "name").strip()
    for own, traits in ((_FLAT_GENERATOR, flat), (_LEGACY_GENERATOR, legacy)):
        if name.casefold() == own:
            traits.append(f"its generator is {name}")
    legacy.extend(f"it has a branch of category {category}" for category in _LEGACY_BRANCHES if category in categories)
    for purl in filter(_BUILD_PURL.match, purls):
        arch = _ARCH.search(purl)
        if arch is None:
            flat.append(f"{ascii(purl)[:100]} has no architecture")
        elif arch[1] not in ("src", "nosrc"):
            legacy.append(f"{ascii(purl)[:100]} has an architecture")
    if flat and legacy:
        raise CorruptData(
            f"{fields.where} mixes the shapes of the feeds vex and vex-feed: {flat[0]}, and {legacy[0]}",
            code="csaf-mixed-shapes",
        )
    return bool(flat)


def _module_of_source(purl: str, parts: ComponentReader) -> str:
    """The module that stands with the source of a binary package; empty where none does."""
    upstream = _UPSTREAM.search(purl)
    module, slash, _source = urllib.parse.unquote(upstream[1] if upstream else "").rpartition("/")
    return parts.module_name(module) if slash else ""


def as_stated(component: CsafComponent, purl: str, parts: ComponentReader) -> CsafComponent:
    """Read a component by the rules of the flat shape. A component of the other shape stays what it is.

    The module of a binary stands with its source; the build of a module becomes a statement about the module, with the
    label ``name:stream:version:context`` for a build; of any other build without an architecture it is not told
    whether it is a source package.
    """
    source_module = "" if component.module else _module_of_source(purl, parts)
    if source_module:
        component = component._replace(module=source_module)
    if not component.evr or component.evr == UNREADABLE:
        return component
    arch = component.arch or UNTOLD_ARCH
    build = _MODULE_BUILD.fullmatch(component.evr)
    if build is None:
        return component._replace(arch=arch)
    module = component.module
    if module in ("", UNKNOWN_MODULE):
        module = parts.module_name(f"{component.name}:{build['stream']}")
    name, _colon, stream = module.partition(":")
    if koji_stream(stream) != koji_stream(build["stream"]):
        raise CorruptData(f"{parts.fields.where}: {ascii(purl)[:100]} names two streams of a module, or none")
    label = f"{module}:{build['version']}:{build['context']}"
    if component.name == name:
        return CsafComponent(module, "", module, label)
    return CsafComponent(component.name, arch, module, label)


def koji_stream(stream: str) -> str:
    """A module's stream as it stands in the version of a koji build, where "-" parts version and release."""
    return stream.replace("-", "_")


def modules_named(text: bytes) -> set[str]:
    """Modules (``name:stream``) of whose builds a document's text speaks, without reading it."""
    return {
        ":".join(urllib.parse.unquote(part.decode("utf-8", "replace")) for part in parts)
        for parts in _MODULE_PURL.findall(text)
    }
