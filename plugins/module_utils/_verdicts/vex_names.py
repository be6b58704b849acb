# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How VEX names images, and packages in them: by package URLs, and how these are compared with what was scanned."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .selection import split_reference

#: Architectures of packages in images.
_ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x", "i686", "noarch")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
#: A package as findings name it.
PACKAGE = re.compile(r"(?P<name>.+)-(?P<epoch>\d+):(?P<build>[^-]+-[^-]+)\.(?P<arch>[^.-]+)")
#: os-release ID -> the namespaces that makers of package URLs write for it, ours first.
_NAMESPACES: t.Mapping[str, tuple[str, ...]] = {
    "rhel": ("redhat", "rhel"),
    "rhcos": ("redhat", "rhcos"),
    "almalinux": ("almalinux", "alma"),
    "rocky": ("rocky", "rockylinux"),
    "ol": ("oracle", "ol", "oraclelinux"),
    "amzn": ("amazon", "amzn"),
}
_KNOWN_NAMESPACES = frozenset(name for names in _NAMESPACES.values() for name in names)


def namespaces_of(distribution: str) -> tuple[str, ...]:
    """The namespaces of package URLs for an os-release ID, the one to write first; none for an empty one."""
    return _NAMESPACES.get(distribution, (distribution,) if distribution else ())


@dataclasses.dataclass(frozen=True)
class ImageName:
    """Which image a statement is about: by ``digest``, else by ``repository`` (``registry/path``) and maybe ``tag``."""

    digest: str = ""
    repository: str = ""
    tag: str = ""

    def names(self, digests: t.Container[str], references: t.Collection[str], *, widely: bool = False) -> bool:
        """Return whether an image is meant: by its digest (or that of an index it is in), or by every name that it has.

        ``widely``: by any of its names, of which one without a tag may have every tag.
        """
        if self.digest:
            return self.digest in digests
        fitting = (self._names(reference, widely) for reference in references)
        return any(fitting) if widely else bool(references) and all(fitting)

    def _names(self, reference: str, widely: bool) -> bool:
        registry, repository = split_reference(reference)
        tag = reference.partition("@")[0].rpartition("/")[2].partition(":")[2]
        same_tag = self.tag in ("", tag) or (widely and not tag)
        name = f"{registry}/{repository}"
        same_name = name.casefold() == self.repository.casefold() if widely else name == self.repository
        return bool(registry) and same_name and same_tag


@dataclasses.dataclass(frozen=True)
class PackageName:
    """Which package of an image; empty fields mean any. ``build``: ``version-release``."""

    name: str
    namespace: str = ""
    build: str = ""
    epoch: str = ""
    arch: str = ""

    def names(self, package: str, distribution: str, *, widely: bool = False) -> bool:
        """Return whether a package (``name-epoch:version-release.arch``) of a distribution (os-release ID) is meant.

        ``widely``: what is not a distribution, build or architecture of packages narrows nothing down, and the epoch,
        which makers leave out or write as 0, does not either. Upper and lower case are the same.
        """
        parts = PACKAGE.fullmatch(package)
        if parts is None:
            return widely
        if widely:
            return self._names_widely(parts, distribution)
        return (
            parts["name"] == self.name
            and (not self.namespace or self.namespace in namespaces_of(distribution))
            and self.build in ("", parts["build"])
            and self.epoch in ("", parts["epoch"])
            and self.arch in ("", parts["arch"])
        )

    def _names_widely(self, parts: re.Match[str], distribution: str) -> bool:
        foreign_namespaces = _KNOWN_NAMESPACES.difference(namespaces_of(distribution)) if distribution else ()
        build = self.build.casefold()
        return (
            parts["name"].casefold() == self.name.casefold()
            and self.namespace not in foreign_namespaces
            and (build == parts["build"].casefold() or not re.fullmatch(r"[^-]+-[^-]+", build))
            and (self.arch == parts["arch"] or self.arch not in _ARCHITECTURES)
        )


def image_of_purl(text: str) -> ImageName | None:
    """The image that a package URL (``pkg:oci/…``) names by digest or repository; None where it names none."""
    import packageurl

    try:
        url = packageurl.PackageURL.from_string(text)
    except ValueError:
        return None
    qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    if url.type not in ("oci", "docker"):
        return None
    if url.version and DIGEST.fullmatch(url.version.lower()):
        return ImageName(digest=url.version.lower())
    repository = qualifiers.get("repository_url", "")
    if url.type != "oci" or url.version or "/" not in repository or not _same_name(repository, url.name):
        return None
    return ImageName(repository=repository, tag=qualifiers.get("tag", ""))


def images_meant_by(text: str) -> list[ImageName]:
    """Every image that a package URL may mean, where ``image_of_purl`` asks for one that it names without doubt."""
    import packageurl

    try:
        url = packageurl.PackageURL.from_string(text)
    except ValueError:
        return []
    if url.type not in ("oci", "docker"):
        return []
    exact = image_of_purl(text)
    if exact is not None:
        return [exact]
    qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    # Some write the whole repository, some the registry alone; some write the tag as the version.
    base = qualifiers.get("repository_url", "").rpartition("://")[2].strip("/")
    if not base:
        return []
    path = "/".join(filter(None, (url.namespace, url.name)))
    return [ImageName(repository=name) for name in dict.fromkeys((base, f"{base}/{url.name}", f"{base}/{path}"))]


def _same_name(repository: str, name: str) -> bool:
    return repository.rpartition("/")[2].lower() == name.lower()


def package_of_purl(text: str) -> PackageName | None:
    """The package that a package URL (``pkg:rpm/…``) names; None where it names none, or a source package."""
    import packageurl

    try:
        url = packageurl.PackageURL.from_string(text)
    except ValueError:
        return None
    qualifiers = url.qualifiers if isinstance(url.qualifiers, dict) else {}
    if url.type != "rpm" or url.subpath or qualifiers.get("arch") == "src":
        return None
    epoch, colon, build = (url.version or "").rpartition(":")
    if colon and qualifiers.get("epoch", epoch) != epoch:
        return None
    return PackageName(
        url.name,
        (url.namespace or "").lower(),
        build,
        epoch or qualifiers.get("epoch", ""),
        qualifiers.get("arch", ""),
    )
