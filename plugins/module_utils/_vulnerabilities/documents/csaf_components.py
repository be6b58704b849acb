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

from ..._errors import CorruptData
from .advisories import TEXT_LIMIT
from .csaf_json import CsafFields
from .model import UNKNOWN_MODULE

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_EPOCH = re.compile(r"[0-9]{1,10}")
_ARCH = re.compile(r"[A-Za-z0-9_]{1,32}")
_VERSION_RELEASE = re.compile(r"[A-Za-z0-9._+~^]{1,128}-[A-Za-z0-9._+~^]{1,128}")
#: A build by its id. Ids of the newer feed have no architecture but that of sources, and a release has dots, too, so
#: architectures are told by name: those of rpm's rpmrc.
NEVRA = re.compile(
    r"(?P<name>.+)-(?P<epoch>[0-9]{1,10}):(?P<evr>[^-:/]+-[^-:/]+?)"
    r"(?:\.(?P<arch>src|nosrc|noarch|x86_64(?:_v[2-4])?|amd64|em64t|ia32e|i[3-6]86|athlon|geode|pentium[34]|aarch64"
    r"|arm[a-z0-9]*|ppc[a-z0-9]*|s390x?|ia64|alpha[a-z0-9]*|sparc[a-z0-9]*|mips[a-z0-9]*|riscv(?:32|64)|loongarch64))?"
)
MODULE_NAME = re.compile(r"(?P<module>[^:/@]+:[^:/@]+)/(?P<name>[^/:]+)")
MODULE_ID = re.compile(r"(?P<module>[^:/@]+:[^:/@]+):[0-9]{8,}:[0-9a-f]{6,}")
MODULE_BUILD = re.compile(r"\.module[+_]([A-Za-z0-9.]+\+[0-9]+\+[0-9a-f]+)")
_MODULE = re.compile(r"[A-Za-z0-9._+-]{1,100}:[A-Za-z0-9._+-]{1,100}")
UNREADABLE = "?"

#: Types of package URLs that are no RPM packages (github.com/package-url/purl-spec, and Red Hat's own for modules). Any
#: other is taken for a damaged one, of which the id tells the rest.
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


class CsafComponent(t.NamedTuple):
    name: str
    arch: str
    module: str
    evr: str


class ComponentReader:
    """Tells the RPM behind an id. ``products``: the identification helpers of the document's products by id."""

    def __init__(self, fields: CsafFields, products: t.Mapping[str, dict[str, t.Any]]) -> None:
        self.fields = fields
        self.products = products

    def module_of(self, identity: str) -> str:
        """``name:stream`` when the id is that of a module's build, else empty."""
        match = MODULE_ID.fullmatch(identity)
        told = self.module_name(match["module"]) if match else ""
        purl = self.products.get(identity, {}).get("purl")
        if isinstance(purl, str) and purl.startswith("pkg:rpmmod/"):
            path = urllib.parse.unquote(purl[len("pkg:rpmmod/") :].partition("?")[0])
            name, at, stream = path.rpartition("/")[2].partition("@")
            module = self.module_name(f"{name}:{stream}" if at else name)
            if told not in ("", module) and UNKNOWN_MODULE not in (told, module):
                raise CorruptData(f"{self.fields.where}: {ascii(identity)[:100]} and its package URL name two modules")
            return told if told and module == UNKNOWN_MODULE else module
        return told

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

    def component_of_purl(self, purl: str, identity: str) -> CsafComponent | str:
        path, _mark, rest = purl[len("pkg:rpm/") :].partition("#")[0].partition("?")
        namespace, slash, last = path.rpartition("/")
        readable = not slash or all(map(_NAME.fullmatch, namespace.split("/")))
        foreign = bool(slash) and namespace.casefold() != "redhat"
        name, _at, version = last.partition("@")
        qualifiers: dict[str, str] = {}
        if rest:
            for pair in rest.split("&"):
                key, _is, value = pair.partition("=")
                qualifiers[key.lower()] = urllib.parse.unquote(value) if "%" in value else value
        if "%" in name:
            name = urllib.parse.unquote(name)
        if "%" in version:
            version = urllib.parse.unquote(version)
        epoch = qualifiers.get("epoch", "")
        if ":" in version:
            epoch, _colon, version = version.partition(":")
        # It is a package of another vendor only where all else can be read: the vendor may be damaged, too.
        damaged = foreign and version and not _VERSION_RELEASE.fullmatch(version)
        if damaged or not readable or not _NAME.fullmatch(name):
            component = self.component_of_name(identity)
            if not isinstance(component, str):
                self.fields.skipped["purl_malformed"] += 1
            return component
        arch, module = qualifiers.get("arch", ""), qualifiers.get("rpmmod", "")
        build, _mark, suffix = identity.partition("::")
        module = module or suffix
        nevra = NEVRA.fullmatch(build)
        if foreign:
            if nevra and (nevra["name"], nevra["evr"]) != (name, version or nevra["evr"]):
                raise self.two_packages(identity)
            return "other_namespace"
        if nevra:
            # The id says it once more. What the package URL lacks is that of the id; what differs is damaged in one.
            told = nevra["arch"] or ""
            if not _VERSION_RELEASE.fullmatch(version):
                epoch, version = nevra["epoch"], nevra["evr"]
            if not _EPOCH.fullmatch(epoch):
                epoch = nevra["epoch"]
            if not _ARCH.fullmatch(arch):
                arch = told
            said = nevra["name"], int(nevra["epoch"]), nevra["evr"], (told or arch).replace("nosrc", "src")
            if said != (name, int(epoch), version, arch.replace("nosrc", "src")):
                raise self.two_packages(identity)
        elif build == f"{name}.src":
            arch = arch or "src"
        if version and not epoch:
            # A package URL leaves out an epoch of 0, and some leave out any; the id tells.
            epoch, colon, _rest = identity[len(name) + 1 :].partition(":")
            if not (colon and identity.startswith(name + "-")):
                epoch = ""
        return self.component(name, arch, self.module_name(module) if module else "", epoch, version)

    def two_packages(self, identity: str) -> CorruptData:
        return CorruptData(f"{self.fields.where}: {ascii(identity)[:100]} and its package URL name two packages")

    def component_of_name(self, identity: str) -> CsafComponent | str:
        if len(identity) > 4 * TEXT_LIMIT:
            return "not_rpm"
        identity, mark, suffix = identity.partition("::")
        module = self.module_name(suffix) if mark else ""
        match = MODULE_NAME.fullmatch(identity)
        nevra = NEVRA.fullmatch(identity)
        if nevra:
            return self.component(nevra["name"], nevra["arch"] or "", module, nevra["epoch"], nevra["evr"])
        if match:
            identity, module = match["name"], self.module_name(match["module"])
        elif whole := self.module_of(identity):
            return CsafComponent(whole, "", whole, "") if ":" in whole else "module"
        name, dot, arch = identity.rpartition(".")
        if dot and arch == "src":
            return self.component(name, "src", module, "", "")
        return self.component(identity, "", module, "", "")

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
