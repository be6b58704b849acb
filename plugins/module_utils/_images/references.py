# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: what a person writes to name an image, in the grammar of the distribution project.

``[registry[:port]/]repository[:tag][@digest]``. Short names mean Docker Hub, as every container engine reads them. The
canonical text of a reference is the form that container runtimes report, so that both can be compared as text.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from .._core.errors import InputError
from .._core.text import quoted

DOCKER_HUB = "docker.io"
#: What stands before the colon of a target that is not in a registry: see ``targets``.
TRANSPORTS = ("oci", "oci-archive", "docker-archive", "rootfs")
_DOCKER_HUB_ALIASES = frozenset({"docker.io", "index.docker.io"})

REPOSITORY_LIMIT = 255
_HOST_LIMIT = 253
_TAG_LIMIT = 128
_TEXT_LIMIT = 1024

_DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]*")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NOT_PRINTABLE = re.compile(r"[^!-~]")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A parsed reference. ``registry`` is ``host[:port]``; of ``tag`` and ``digest`` one or both are given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """Tag or digest to ask a registry for: the digest where there is one, since it is exact, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Parse a reference; without tag and digest the tag is ``latest``. InputError says where it is wrong, and how."""
    return _Parser(text).reference()


def is_digest(text: str) -> bool:
    """True if ``text`` is a digest that we can verify: ``sha256:`` or ``sha512:`` and lower-case hexadecimal digits."""
    algorithm, colon, digits = text.partition(":")
    return bool(colon) and len(digits) == _DIGEST_LENGTHS.get(algorithm) and _HEX.fullmatch(digits) is not None


def is_repository(text: str) -> bool:
    """Return whether ``text`` is a repository name as a registry has it, without the registry."""
    return 0 < len(text) <= REPOSITORY_LIMIT and all(_COMPONENT.fullmatch(part) for part in text.split("/"))


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a tag."""
    return len(text) <= _TAG_LIMIT and _TAG.fullmatch(text) is not None


def parse_registry(text: str) -> str:
    """Check ``host[:port]`` and give it in its canonical form. Raises InputError."""
    parser = _Parser(text)
    if not text:
        parser.fail(0, "it is empty; expected a registry, host[:port]")
    parser.check_characters()
    return parser.registry(text)


class _Parser:
    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise InputError(f"an image reference must be text, not {type(text).__name__}")
        self.text = text

    def fail(self, position: int, message: str) -> t.NoReturn:
        raise InputError(f"image reference {quoted(self.text)}, character {position + 1}: {message}")

    def check_characters(self) -> None:
        if len(self.text) > _TEXT_LIMIT:
            self.fail(_TEXT_LIMIT, f"{len(self.text)} characters are too many; expected at most {_TEXT_LIMIT}")
        strange = _NOT_PRINTABLE.search(self.text)
        if strange:
            self.fail(strange.start(), f"{strange.group()!a} is not allowed; expected printable ASCII")

    def check_text(self) -> None:
        text = self.text
        if not text:
            self.fail(0, "it is empty; expected [registry/]repository[:tag][@digest]")
        self.check_characters()
        if "://" in text:
            self.fail(text.index("://"), "a scheme is not part of a reference; expected registry/repository:tag")
        if _IMAGE_ID.fullmatch(text):
            self.fail(0, "64 digits alone are a local image's ID; expected a repository")

    def reference(self) -> Reference:
        self.check_text()
        named, at, digest = self.text.partition("@")
        if at:
            self.check_digest(digest, len(named) + 1)
        registry, path, start = self.split_registry(named)
        path, colon, tag = path.partition(":")
        if colon:
            self.check_tag(tag, start + len(path) + 1)
        self.check_repository(path, start)
        if registry == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if len(path) > REPOSITORY_LIMIT:
            self.fail(start, f"the repository has {len(path)} characters; expected at most {REPOSITORY_LIMIT}")
        if not tag and not digest:
            tag = "latest"
        return Reference(registry, path, tag, digest)

    def split_registry(self, named: str) -> tuple[str, str, int]:
        """Registry, rest, and where the rest starts. The first part is a registry if it can be nothing else."""
        first, slash, path = named.partition("/")
        is_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
        if not slash or not is_host:
            return DOCKER_HUB, named, 0
        return self.registry(first), path, len(first) + 1

    def registry(self, host: str) -> str:
        if host.startswith("["):
            name, bracket, port = host[1:].partition("]")
            self.check_address(name, bool(bracket))
            port_at = len(name) + 2
            if port and not port.startswith(":"):
                self.fail(port_at, "unexpected text after the address; expected ':' and a port, or '/'")
        else:
            name, colon, port = host.partition(":")
            port_at = len(name)
            port = colon + port
            self.check_host(name)
        if port and not (port[1:].isdecimal() and len(port) <= 6 and 0 < int(port[1:]) < 65536):
            self.fail(port_at + 1, f"{quoted(port[1:])} is not a port; expected a number from 1 to 65535")
        return DOCKER_HUB if host.lower() in _DOCKER_HUB_ALIASES else host

    def check_address(self, name: str, closed: bool) -> None:
        try:
            ipaddress.IPv6Address(name)
            valid = closed and "%" not in name
        except ValueError:
            valid = False
        if not valid:
            self.fail(1, f"{quoted(name)} is not an IPv6 address; expected one in brackets, like [::1]:5000")

    def check_host(self, name: str) -> None:
        if not name:
            self.fail(0, "the registry has no host; expected host[:port]")
        if len(name) > _HOST_LIMIT:
            self.fail(0, f"the host has {len(name)} characters; expected at most {_HOST_LIMIT}")
        position = 0
        for label in name.split("."):
            if not _LABEL.fullmatch(label):
                self.fail(
                    position,
                    f"{quoted(label)} is not a part of a host name; expected letters, digits and inner hyphens",
                )
            position += len(label) + 1

    def check_repository(self, path: str, start: int) -> None:
        if not path:
            self.fail(start, "the repository is missing; expected [registry/]repository[:tag][@digest]")
        position = start
        for component in path.split("/"):
            good = _COMPONENT.match(component)
            if not component:
                self.fail(position, "a part of the repository is empty; expected lower-case letters or digits")
            end = good.end() if good else 0
            if end != len(component):
                wrong = component[end]
                if wrong.isupper():
                    self.fail(position + end, f"{wrong!r} is upper case; expected a lower-case repository name")
                self.fail(
                    position + end,
                    f"{wrong!r} is not allowed here; expected lower-case letters and digits, "
                    "separated by one '.', one or two '_' or any '-'",
                )
            position += len(component) + 1

    def check_tag(self, tag: str, start: int) -> None:
        good = _TAG.match(tag)
        if len(tag) > _TAG_LIMIT:
            self.fail(start, f"the tag has {len(tag)} characters; expected at most {_TAG_LIMIT}")
        if good is None or good.end() != len(tag):
            position = good.end() if good else 0
            wrong = f"{tag[position]!r} is not allowed in a tag" if tag else "the tag is empty"
            self.fail(start + position, f"{wrong}; expected letters, digits, '_', and inside also '.' and '-'")

    def check_digest(self, digest: str, start: int) -> None:
        algorithm, colon, digits = digest.partition(":")
        length = _DIGEST_LENGTHS.get(algorithm)
        if not colon or length is None:
            self.fail(
                start,
                f"{quoted(algorithm, 40)} is not a digest algorithm that we verify; expected sha256:... or sha512:...",
            )
        good = _HEX.match(digits)
        end = good.end() if good else 0
        start += len(algorithm) + 1
        if end != len(digits):
            self.fail(start + end, f"{digits[end]!r} is not a lower-case hexadecimal digit; expected {length} of them")
        if len(digits) != length:
            self.fail(start + end, f"the digest has {len(digits)} digits; {algorithm} has {length}")
