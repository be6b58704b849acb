# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RPMs and modules that the ids and package URLs of a CSAF document stand for.

Package URLs are taken apart here and not by a library: a full feed has some ten million of them, and what is not
understood must be told apart from what is not RPM.
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ..._core.errors import CorruptData
from .advisories import TEXT_LIMIT
from .csaf_json import CsafFields
from .model import UNKNOWN_MODULE

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_EPOCH = re.compile(r"[0-9]{1,10}")
_ARCH = re.compile(r"[A-Za-z0-9_]{1,32}")
_VERSION_RELEASE = re.compile(r"[A-Za-z0-9._+~^]{1,128}-[A-Za-z0-9._+~^]{1,128}")
#: A release has dots, too, so architectures are told by name: those of rpm's rpmrc.
_ARCHES = (
    r"src|nosrc|noarch|x86_64(?:_v[2-4])?|amd64|em64t|ia32e|i[3-6]86|athlon|geode|pentium[34]|aarch64"
    r"|arm[a-z0-9]*|ppc[a-z0-9]*|s390x?|ia64|alpha[a-z0-9]*|sparc[a-z0-9]*|mips[a-z0-9]*|riscv(?:32|64)|loongarch64"
)
#: A build by its id. Ids of the newer feed have no architecture but that of sources.
_NEVRA = re.compile(rf"(?P<name>.+)-(?P<epoch>[0-9]{{1,10}}):(?P<evr>[^-:/]+-[^-:/]+?)(?:\.(?P<arch>{_ARCHES}))?")
#: Some advisories of modules name the file: ``ruby-2.5.9-111.module+el8.9.0+19193+435404ae.i686.rpm-ruby:2.5``.
_FILE = re.compile(rf"(?P<name>[^:/]+)-(?P<evr>[^-:/]+-[^-:/]+)\.(?P<arch>{_ARCHES})\.rpm-(?P<module>[^:/@]+:[^:/@]+)")
_IN_MODULE = re.compile(r"(?P<module>[^:/@]+:[^:/@]+)/")
_MODULE_VERSION = re.compile(r"(?<=[?&]rpmmod=)([^:&#%]+(?::|%3[Aa])[^:&#%]+)(?::|%3[Aa])[^&#]*")
MODULE_ID = re.compile(r"(?P<module>[^:/@]+:[^:/@]+):[0-9]{8,}:[0-9a-f]{6,}")
MODULE_BUILD = re.compile(r"\.module[+_]([A-Za-z0-9.]+\+[0-9]+\+[0-9a-f]+)")
_MODULE = re.compile(r"[A-Za-z0-9._+-]{1,100}:[A-Za-z0-9._+-]{1,100}")
UNREADABLE = "?"

#: Types of package URLs that are not RPM packages (github.com/package-url/purl-spec, and Red Hat's own for modules).
#: Any other is taken for a damaged one, of which the id tells the rest.
_OTHER_TYPES = frozenset(
    [
        "alpm",
        "apk",
        "bitbucket",
        "bitnami",
        "cargo",
        "cocoapods",
        "composer",
        "conan",
        "conda",
        "cpan",
        "cran",
        "deb",
        "docker",
        "gem",
        "generic",
        "github",
        "golang",
        "hackage",
        "hex",
        "huggingface",
        "julia",
        "luarocks",
        "maven",
        "mlflow",
        "npm",
        "nuget",
        "oci",
        "opam",
        "otp",
        "pub",
        "pypi",
        "qpkg",
        "rpmmod",
        "swid",
        "swift",
        "vscode-extension",
        "yocto",
    ]
)


class BuildId(t.NamedTuple):
    """Parts of the id of a build. ``epoch``, ``arch`` and ``module`` are empty where it does not tell them."""

    name: str
    epoch: str
    evr: str
    arch: str
    module: str


def parse_build_id(identity: str) -> BuildId | None:
    """Read the id of a build; None for any other, which may name a package without a version.

    Forms: ``name-epoch:version-release.arch``, also with ``::module:stream`` behind it or ``module:stream/`` and, of a
    binary, ``source/`` before it, and ``name-version-release.arch.rpm-module:stream``.
    """
    match = _FILE.fullmatch(identity)
    if match:
        return BuildId(match["name"], "", match["evr"], match["arch"], match["module"])
    base, _mark, module = identity.partition("::")
    prefix = _IN_MODULE.match(base)
    if prefix:
        base, module = base[prefix.end() :], prefix["module"]
    match = _NEVRA.fullmatch(base)
    if match is None:
        return None
    return BuildId(match["name"].rpartition("/")[2], match["epoch"], match["evr"], match["arch"] or "", module)


def parse_name_id(identity: str) -> tuple[str, str, str]:
    """Read the id of a package without a version: name, ``src`` or no architecture, module or none.

    Forms: ``name``, ``name.src``, also with ``::module:stream`` behind it or ``module:stream/`` and, of a binary,
    ``source/`` before it.
    """
    name, _mark, module = identity.partition("::")
    prefix = _IN_MODULE.match(name)
    if prefix:
        name, module = name[prefix.end() :].rpartition("/")[2], prefix["module"]
    if name.endswith(".src"):
        return name[: -len(".src")].rpartition("/")[2], "src", module
    return name, "", module


class RpmPurl(t.NamedTuple):
    """A package URL of an RPM, as far as it can be read.

    ``readable``: whether the namespace is. Which one it is says nothing: the product of a statement says whose it is.
    """

    name: str
    epoch: str
    evr: str
    arch: str
    module: str
    readable: bool


def parse_rpm_purl(text: str) -> RpmPurl:
    """Take apart a package URL that begins with ``pkg:rpm/``. ``evr``: without the epoch."""
    path, _mark, query = text[len("pkg:rpm/") :].partition("#")[0].partition("?")
    namespace, slash, last = path.rpartition("/")
    readable = not slash or bool(_NAME.fullmatch(namespace))
    name, _at, version = last.partition("@")
    qualifiers: dict[str, str] = {}
    if query:
        for pair in query.split("&"):
            key, _is, value = pair.partition("=")
            qualifiers[key.lower()] = urllib.parse.unquote(value) if "%" in value else value
    if "%" in name:
        name = urllib.parse.unquote(name)
    if "%" in version:
        version = urllib.parse.unquote(version)
    epoch = qualifiers.get("epoch", "")
    if ":" in version:
        epoch, _colon, version = version.partition(":")
    arch, module = qualifiers.get("arch", ""), qualifiers.get("rpmmod", "")
    return RpmPurl(name, epoch, version, arch, module, readable)


def same_package(first: t.Mapping[str, t.Any], second: t.Mapping[str, t.Any]) -> bool:
    """True if two identification helpers are of one package. One build may be in several builds of its module."""

    def without_version(helper: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        purl = helper.get("purl")
        return {**helper, "purl": _MODULE_VERSION.sub(r"\1", purl)} if isinstance(purl, str) else dict(helper)

    return first == second or without_version(first) == without_version(second)


class CsafComponent(t.NamedTuple):
    name: str
    arch: str
    module: str
    evr: str


def _is_same_build(purl: RpmPurl, build: BuildId) -> bool:
    same = (purl.name, purl.evr) == (build.name, build.evr)
    same = same and (not build.epoch or int(purl.epoch) == int(build.epoch))
    return same and (not build.arch or purl.arch.replace("nosrc", "src") == build.arch.replace("nosrc", "src"))


class ComponentReader:
    """Tells the RPM behind an id. ``products``: the identification helpers of the document's products by id.

    ``flat``: whether ids are those of the flat shape, in which the source of a binary stands before its name.
    """

    def __init__(self, fields: CsafFields, products: t.Mapping[str, dict[str, t.Any]]) -> None:
        self.fields = fields
        self.products = products
        self.flat = False

    def module_of(self, identity: str) -> str:
        """``name:stream`` when the id is that of a module's build, else empty."""
        match = MODULE_ID.fullmatch(identity)
        stated = self.module_name(match["module"]) if match else ""
        purl = self.products.get(identity, {}).get("purl")
        if isinstance(purl, str) and purl.startswith("pkg:rpmmod/"):
            path = urllib.parse.unquote(purl[len("pkg:rpmmod/") :].partition("?")[0])
            name, at, stream = path.rpartition("/")[2].partition("@")
            module = self.module_name(f"{name}:{stream}" if at else name)
            if stated not in ("", module) and UNKNOWN_MODULE not in (stated, module):
                raise self.differ(identity, "modules")
            return stated if stated and module == UNKNOWN_MODULE else module
        return stated

    def module_name(self, text: str) -> str:
        """``name:stream`` out of ``name:stream[:version[:context]]``."""
        module = ":".join(text.split(":")[:2])
        if _MODULE.fullmatch(module):
            return module
        self.fields.skipped["module_malformed"] += 1
        return UNKNOWN_MODULE

    def component_of(self, identity: str) -> CsafComponent | str:
        """The RPM that a component's id stands for, or the reason why it is none."""
        purl = self.products.get(identity, {}).get("purl")
        if isinstance(purl, str) and purl:
            if purl.startswith("pkg:rpm/"):
                return self.component_of_purl(purl, identity)
            if purl.startswith("pkg:rpmmod/") and ":" in (module := self.module_of(identity)):
                return CsafComponent(module, "", module, "")
            if purl.partition(":")[2].partition("/")[0] in _OTHER_TYPES and purl.startswith("pkg:"):
                return "not_rpm"
            self.fields.skipped["purl_malformed"] += 1
        return self.component_of_name(identity)

    def component_of_purl(self, text: str, identity: str) -> CsafComponent | str:
        purl = parse_rpm_purl(text)
        if not purl.readable or not _NAME.fullmatch(purl.name):
            component = self.component_of_name(identity)
            if not isinstance(component, str):
                self.fields.skipped["purl_malformed"] += 1
            return component
        build = parse_build_id(identity)
        if build:
            purl = self.checked(purl, build, identity)
            module = build.module
        else:
            name, arch, module = parse_name_id(identity)
            if name == purl.name:
                purl = purl._replace(arch=purl.arch or arch)
        return self.component(purl.name, purl.arch, self.module_told(purl.module, module), purl.epoch, purl.evr)

    def checked(self, purl: RpmPurl, build: BuildId, identity: str) -> RpmPurl:
        """A package URL beside the id of a build, which says it once more.

        The package URL lacks an epoch of 0. What else it lacks is that of the id; what differs is damaged in one.
        """
        if not _VERSION_RELEASE.fullmatch(purl.evr):
            purl = purl._replace(epoch=build.epoch or purl.epoch, evr=build.evr)
        if build.epoch and not _EPOCH.fullmatch(purl.epoch):
            purl = purl._replace(epoch=build.epoch)
        if not _ARCH.fullmatch(purl.arch):
            purl = purl._replace(arch=build.arch)
        if not _is_same_build(purl, build):
            raise self.differ(identity, "packages")
        return purl

    def module_told(self, stated: str, hint: str) -> str:
        """The module by a package URL's qualifier and by an id; empty for none, unknown where they differ."""
        if not stated or not hint:
            return self.module_name(stated or hint) if stated or hint else ""
        modules = {self.module_name(stated), self.module_name(hint)} - {UNKNOWN_MODULE}
        if len(modules) == 1:
            return modules.pop()
        self.fields.skipped["module_malformed"] += 1
        return UNKNOWN_MODULE

    def differ(self, identity: str, things: str) -> CorruptData:
        return CorruptData(f"{self.fields.where}: {ascii(identity)[:100]} and its package URL name two {things}")

    def component_of_name(self, identity: str) -> CsafComponent | str:
        if len(identity) > 4 * TEXT_LIMIT:
            return "not_rpm"
        build = parse_build_id(identity)
        if build:
            module = self.module_name(build.module) if build.module else ""
            return self.component(build.name, build.arch, module, build.epoch, build.evr)
        if whole := self.module_of(identity):
            return CsafComponent(whole, "", whole, "") if ":" in whole else "module"
        name, arch, module = parse_name_id(identity)
        if self.flat:
            name = name.rpartition("/")[2]
        return self.component(name, arch, self.module_name(module) if module else "", "", "")

    def component(self, name: str, arch: str, module: str, epoch: str, version: str) -> CsafComponent | str:
        if not _NAME.fullmatch(name):
            return "not_rpm"
        if arch and not _ARCH.fullmatch(arch):
            self.fields.skipped["arch_malformed"] += 1
            arch = ""
        evr = ""
        if version:
            if _VERSION_RELEASE.fullmatch(version) and (not epoch or _EPOCH.fullmatch(epoch)):
                evr = f"{int(epoch)}:{version}" if epoch else version
            else:
                self.fields.skipped["version_malformed"] += 1
                evr = UNREADABLE
        return CsafComponent(name, arch, module, evr)
