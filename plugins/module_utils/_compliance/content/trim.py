# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut out of a data stream what a profile does not need.

A data stream of the SCAP Security Guide has 20 to 40 MB, most of it texts for readers and rules of other profiles.
``trim`` leaves them out by cutting bytes out of the document, never by writing it anew, so that what stays is what it
was. It adds one rule of ours, the canary: it passes only if oscap counts as many packages as we did and, searching the
file systems that it takes for local, finds a file that we wrote. What was trimmed is kept, since all images with the
same content and profile need it. Standard library only: it runs in the pod.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tempfile
import typing as t
import zlib
from pathlib import Path

from ..._core.errors import CorruptData, InputError
from .canary import CANARY_COMPONENT, CANARY_REFERENCE, CANARY_RULE_XML, CANARY_URI, PACKAGES_MARK, TOKEN_MARK
from .index import CONTENT_LIMIT, ContentIndex, ContentItem, read_index, read_limited
from .select import (
    TAILORING_LIMIT,
    EvaluationRequest,
    check_tailoring,
    find_profile,
    only_rules,
    profile_chain,
    read_tailoring,
    selected_rules,
)

_VERSION = 1  # of what is kept
_TOUCHING = re.compile(rb">(?=<[A-Za-z])")


@dataclasses.dataclass(frozen=True)
class Trimmed:
    """Content trimmed to one profile.

    ``profile``: its whole id. ``rules``: ids that the profile selects, without the canary. ``platforms``: CPEs that the
    benchmark is for; empty where it is for all. ``digest``: of the content as it was. ``tailoring``: the file's bytes.
    """

    digest: str
    benchmark: str
    version: str
    profile: str
    rules: tuple[str, ...]
    platforms: tuple[str, ...]
    document: bytes
    tailoring: bytes = b""

    def for_image(self, packages: int, token: str) -> bytes:
        """The document with the canary that expects this number of packages, and ``token`` in its file."""
        return self.document.replace(PACKAGES_MARK, b"%d" % packages).replace(TOKEN_MARK, token.encode("ascii"))


def trim(request: EvaluationRequest, content: Path, cache: Path | None = None) -> Trimmed:
    """The content trimmed to what is wanted of it, from ``cache`` (a folder that exists) where it is there.

    Raises InputError for a profile or rule that does not exist and a tailoring file of another benchmark, CorruptData
    and LimitExceeded for content that is unusable.
    """
    data = read_limited(content, "the content", CONTENT_LIMIT)
    tailoring = read_limited(request.tailoring, "the tailoring file", TAILORING_LIMIT) if request.tailoring else b""
    digest = hashlib.sha256(data).hexdigest()
    question = [_VERSION, digest, request.profile, sorted(request.rules), hashlib.sha256(tailoring).hexdigest()]
    # The content's name is part of what a tailoring file is checked against.
    question.append(content.name if tailoring else "")
    key = hashlib.sha256(json.dumps(question).encode()).hexdigest()
    trimmed = _load(cache / f"{key}.content") if cache is not None else None
    if trimmed is None:
        trimmed = _trim(data, digest, tailoring, request, content)
        if cache is not None:
            _save(trimmed, cache / f"{key}.content")
    return dataclasses.replace(trimmed, tailoring=tailoring)


def _trim(data: bytes, digest: str, tailoring: bytes, request: EvaluationRequest, content: Path) -> Trimmed:
    index = read_index(data, str(content))
    profiles: dict[str, ContentItem] = dict(index.profiles)
    tailored = None
    if tailoring:
        tailored = read_tailoring(tailoring, request.tailoring)
        check_tailoring(tailored, index, request.tailoring, str(content))
    offered = tailored.profiles if tailored else index.profiles
    profile = find_profile(request.profile, offered, request.tailoring or str(content))
    chain = profile_chain(profile, offered, profiles)
    rules = selected_rules(index, chain)
    if request.rules:
        rules = only_rules(request.rules, index, rules, profile.id)
    if not rules:
        raise InputError(f"the profile {profile.id} selects no rule", code="profile-empty")
    benchmark = t.cast(ContentItem, index.benchmark)
    return Trimmed(
        digest="sha256:" + digest,
        benchmark=benchmark.id,
        version=index.benchmark_version,
        profile=profile.id,
        rules=tuple(sorted(rules)),
        platforms=tuple(index.benchmark_platforms),
        document=_cut(index, rules, {item.id for item in chain}),
    )


def _checks_of(index: ContentIndex, rules: t.Iterable[str]) -> tuple[dict[str, set[str]], set[str]]:
    """Give the definitions that rules name in each component, and the components that they use whole."""
    checks: dict[str, set[str]] = {}
    whole: set[str] = set()
    for identifier in rules:
        for href, name in index.rules[identifier].checks:
            component = index.references.get(index.catalog.get(href, ("",))[0], ("",))[0]
            if name:
                checks.setdefault(component, set()).add(name)
            else:
                whole.add(component)
    return checks, whole


def _cut(index: ContentIndex, rules: set[str], profiles: set[str]) -> bytes:
    """The document without what these rules and profiles do not need, and with the canary."""
    cuts: list[tuple[int, int]] = []
    benchmark = t.cast(ContentItem, index.benchmark)
    cuts.extend(benchmark.cuts)
    # A rule that another one requires or excludes must be there, selected or not: oscap aborts without it.
    rules_kept = _closure(index.rules, rules)
    elements = (
        *((item, item.id in profiles) for item in index.profiles.values()),
        *((item, True) for item in (*index.groups.values(), *index.values.values())),
        *((item, item.id in rules_kept) for item in index.rules.values()),
    )
    for item, stays in elements:
        cuts.extend(item.cuts if stays else [(item.start, item.end)])
    checks, whole = _checks_of(index, rules_kept)
    platforms = _platform_components(index)
    for component, items in index.oval.items():
        if component in whole or component in platforms:
            continue
        needed = _closure(items, checks.get(component, set()))
        cuts.extend((item.start, item.end) for identifier, item in items.items() if identifier not in needed)
    cuts.extend(_unused_texts(index))
    inserts = [
        (index.catalog_end, CANARY_URI),
        (index.checks_end, CANARY_REFERENCE),
        (index.benchmark_end, CANARY_RULE_XML),
        (index.collection_end, CANARY_COMPONENT),
    ]
    return _assemble(index.data, cuts, inserts)


def _platform_components(index: ContentIndex) -> set[str]:
    """OVAL components that no rule names: they say what platforms are, and are small."""
    named = {index.references.get(target, ("",))[0] for target, _item in index.catalog.values()}
    return set(index.oval) - named


def _closure(items: t.Mapping[str, ContentItem], names: set[str]) -> set[str]:
    closure: set[str] = set()
    todo = [name for name in names if name in items]
    while todo:
        name = todo.pop()
        if name not in closure:
            closure.add(name)
            todo.extend(used for used in items[name].uses if used in items)
    return closure


def _unused_texts(index: ContentIndex) -> t.Iterator[tuple[int, int]]:
    """Questionnaires for people: the components, and all that refers to them."""
    for component in index.questionnaires:
        yield index.components[component].start, index.components[component].end
    unused = {name for name, (target, _item) in index.references.items() if target in index.questionnaires}
    for name in unused:
        yield index.references[name][1].start, index.references[name][1].end
    for target, uri in index.catalog.values():
        if target in unused:
            yield uri.start, uri.end


def _assemble(data: bytes, cuts: list[tuple[int, int]], inserts: list[tuple[int, bytes]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    marks = sorted([(start, 1, end, b"") for start, end in cuts] + [(place, 0, place, text) for place, text in inserts])
    for start, _order, end, text in marks:
        if start < at:
            continue  # inside something that is cut already
        parts.append(data[at:start])
        parts.append(text)
        at = end
    parts.append(data[at:])
    # oscap passes over an element that stands right behind some others, or aborts.
    return _TOUCHING.sub(b">\n", b"".join(parts))


def _save(trimmed: Trimmed, path: Path) -> None:
    """Keep it; where that fails (the disk is full) it will be trimmed again."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=".trim-", dir=path.parent)
        try:
            with open(handle, "wb") as out:
                out.write(_to_bytes(trimmed))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError:
        return


_KEPT = ("digest", "benchmark", "version", "profile", "rules", "platforms")


def _load(path: Path) -> Trimmed | None:
    try:
        return _of_bytes(path.read_bytes())
    except OSError:
        return None


def _to_bytes(trimmed: Trimmed) -> bytes:
    """All but the tailoring file, behind a checksum."""
    body = json.dumps({name: getattr(trimmed, name) for name in _KEPT}).encode() + b"\n" + trimmed.document
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _of_bytes(data: bytes) -> Trimmed | None:
    checksum, _line, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        return None  # cut, by a disk that was full perhaps
    head, _line, document = body.partition(b"\n")
    facts: dict[str, t.Any] = json.loads(head)
    facts.update({name: tuple(facts[name]) for name in ("rules", "platforms")})
    return Trimmed(document=document, **facts)


def pack_trimmed(trimmed: Trimmed) -> bytes:
    """Trimmed content without its tailoring file, to be sent elsewhere; equal content gives equal bytes."""
    return zlib.compress(_to_bytes(trimmed), 9)


def unpack_trimmed(data: bytes) -> Trimmed:
    """Return what ``pack_trimmed`` gave. Raises CorruptData."""
    try:
        trimmed = _of_bytes(zlib.decompress(data))
    except zlib.error as error:
        raise CorruptData(f"the content is damaged: {error}", code="content-kind") from error
    if trimmed is None:
        raise CorruptData("the content is damaged", code="content-kind")
    return trimmed
