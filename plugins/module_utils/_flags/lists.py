# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content of the lists that admission reads, and the object of each entry.

A provider's deny list is one or more objects (shards) of at most 1 MB, since a server takes no more than 1.5 MB and
every object costs about half a millisecond an admission. Several runs may write at once, and none sees what another
does meanwhile. What keeps entries from getting lost all the same:

* An entry stays in its shard. Only where a longer text does not fit there any more, it goes to a shard with a *higher*
  number: first it is set there, then it is cleared here.
* Of several copies of an entry only those in lower shards are ever cleared as needless. So all runs agree on which
  stays. What must not be denied any more is cleared everywhere.
* Setting (before the annotations are written) and clearing (after it) are apart, and setting counts on no room that
  clearing would make.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._core.errors import InputError, LimitExceeded, ScanError
from .._core.text import quoted, visible
from .._images.references import is_digest, parse_reference

#: Bytes of JSON that a shard may have, with its metadata (etcd takes 1.5 MiB), and the share that new entries may fill:
#: the rest is for texts that grow.
SHARD_LIMIT = 1 << 20
_FILL = 0.98
#: Bytes of a shard that are not entries: metadata, labels, field ownership.
_OVERHEAD = 4096
#: Bytes of a patch that are not entries.
_PATCH_OVERHEAD = 200
#: Entries of one merge patch; 500 take a server less than half a second.
PATCH_ENTRIES = 500
TEXT_LIMIT = 1024
_REASON_LIMIT = 200
_BRIEF_LIMIT = 100
_NAMES_LIMIT = 120
_URL_LIMIT = 600
_KEY_LIMIT = 1024
_TEXT = re.compile(r"[^\n\r]*[^\s][^\n\r]*")
_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")

Kind = t.Literal["digests", "references"]
KINDS: tuple[Kind, Kind] = ("digests", "references")


@dataclasses.dataclass(frozen=True)
class Entry:
    """Why an image must not run, and until when what runs may be started again ("" for not at all; RFC 3339, UTC)."""

    text: str
    grace_until: str = ""


@dataclasses.dataclass(frozen=True)
class ListShard:
    """One DenyList object as it was read. ``number`` is that of its name, -1 for a name that we would not give.

    ``namespaces``: the annotation of that name, empty where there is none.
    """

    name: str
    number: int
    digests: t.Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    references: t.Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    resource_version: str = ""
    uid: str = ""
    namespaces: str = ""

    def entries(self, kind: Kind) -> t.Mapping[str, Entry]:
        """The digests or the references."""
        return self.digests if kind == "digests" else self.references

    @property
    def size(self) -> int:
        """Bytes of JSON that the server stores, rather too many than too few."""
        return _OVERHEAD + sum(entry_size(key, entry) for kind in KINDS for key, entry in self.entries(kind).items())


@dataclasses.dataclass(frozen=True)
class PassedShard:
    """One PassedList object: the digests that begin with ``prefixes``, each with its end ("" for none).

    ``required``: there are namespaces where nothing runs that is not on it.
    """

    name: str
    prefixes: tuple[str, ...]
    digests: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    resource_version: str = ""
    required: bool = False

    def speaks_for(self, digest: str) -> bool:
        """Return whether the digest is looked for in this shard."""
        return digest.partition(":")[2].startswith(self.prefixes)


@dataclasses.dataclass(frozen=True)
class ShardPatch:
    """One merge patch of one object. A value of None takes the entry away."""

    shard: str
    digests: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    references: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    grace: t.Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    def body(self) -> dict[str, t.Any]:
        """The content of the request."""
        parts = {"digests": self.digests, "references": self.references, "grace": self.grace}
        return {"spec": {name: dict(part) for name, part in parts.items() if part}}


@dataclasses.dataclass(frozen=True)
class ListPlan:
    """Changes to write: first ``creates`` (names of new shards) and ``sets``; at the end ``clears`` and ``deletes``.

    ``deletes`` are names of shards with nothing in them.
    """

    creates: tuple[str, ...] = ()
    sets: tuple[ShardPatch, ...] = ()
    clears: tuple[ShardPatch, ...] = ()
    deletes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.creates or self.sets or self.clears or self.deletes)


# Keys and texts.


def policy_key(image: str) -> str:
    """Make the key by which the policy looks up an image of a container or volume: its digest, or its full reference.

    Any text has a key; this is the policy's variable ``keyed`` in Python. The digest is what follows the last ``@``.
    Otherwise the registry is made explicit as container runtimes do it, host names are compared in lower case and
    without the port 443, and a missing tag is ``latest``.
    """
    key = image[image.rindex("@") + 1 :] if "@" in image else _with_registry(image)
    if key.startswith("index.docker.io/"):
        key = key.removeprefix("index.")
    if key.startswith("docker.io/") and key.count("/") == 1:
        key = f"docker.io/library/{key[10:]}"
    return key


def _with_registry(image: str) -> str:
    """A reference without a digest in full form, but for what is special of Docker Hub."""
    first, slash, _path = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != _lower(first))
    colon = image.rfind(":")
    key = _lower(image[:colon]) + image[colon:] if colon > image.rfind("/") else _lower(image) + ":latest"
    return ("" if is_host else "docker.io/") + key.replace(":443/", "/")


def _lower(text: str) -> str:
    """ASCII letters in lower case, as CEL's ``lowerAscii``."""
    return "".join(chr(ord(character) + 32) if "A" <= character <= "Z" else character for character in text)


def full_reference(text: str) -> str:
    """The reference by tag in the form in which it is listed: ``registry/repository:tag``; "" if it has only a digest.

    Where both are given, the tag counts. Raises InputError for what is not a reference.
    """
    reference = parse_reference(text)
    if not reference.tag:
        return ""
    return policy_key(f"{reference.name}:{reference.tag}")


def deny_text(policies: t.Sequence[str], reasons: t.Sequence[tuple[str, str]], url: str = "") -> str:
    """Compose the text for who is refused: the first reason, how many more, the policies, where to read on.

    ``reasons`` are pairs of code and message, the gravest first. One line of visible characters, at most 1,024, and
    usually near 120: every megabyte of texts is one more list that every pod of the cluster waits for. So where there
    is a place to read on (``url``), only the beginning of the reason is told, up to its first semicolon.
    """
    code, message = reasons[0] if reasons else ("", "the verdict is failed")
    message = " ".join(message.split())
    message = visible(message.partition("; ")[0], _BRIEF_LIMIT) if url else visible(message, _REASON_LIMIT)
    text = message.strip() or visible(code, 80).strip() or "no reason"
    if len(reasons) > 1:
        text += f" (+{len(reasons) - 1} more)"
    unnamed = [name for name in policies if f"'{name}'" not in message]
    names = visible(", ".join(" ".join(name.split()) for name in unnamed), _NAMES_LIMIT).strip()
    if names:
        text += f"; policy {names}"
    if url:
        text += f"; {visible(url, _URL_LIMIT).strip()}"
    return text


def entry_size(key: str, entry: Entry) -> int:
    """Bytes that an entry takes in the server's JSON, with its comma and its grace."""
    size = json_size(key) + json_size(entry.text) + 2
    if entry.grace_until:
        size += json_size(key) + json_size(entry.grace_until) + 2
    return size


def json_size(text: str) -> int:
    """Bytes of a string in the JSON that the API server stores: UTF-8, and ``<``, ``>``, ``&`` as escapes (as Go does).

    Lone surrogates, which no JSON has, count as the escapes that they would be sent as.
    """
    plain = len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    escaped = sum(5 * text.count(sign) for sign in "<>&") + sum(3 * text.count(sign) for sign in "\u2028\u2029")
    return plain + escaped


def _sent_size(text: str) -> int:
    """Bytes of a string in a request of ours, with what follows it; ``null`` has less."""
    return len(json.dumps(text)) + 5


# Plans.


def plan(
    shards: t.Sequence[ListShard],
    wanted_digests: t.Mapping[str, Entry],
    wanted_references: t.Mapping[str, Entry],
    *,
    provider: str,
    keep: t.Container[str] = frozenset(),
    full: t.Container[str] = frozenset(),
    taken: t.Container[str] = frozenset(),
    limit: int = SHARD_LIMIT,
    batch: int = PATCH_ENTRIES,
) -> ListPlan:
    """Plan the changes after which a provider's shards hold exactly what is wanted, and what of ``keep`` they hold now.

    ``keep`` are keys that stay as they are. ``full`` are names of shards that take nothing more, ``taken`` names that
    new shards cannot have. ``limit`` is in bytes of JSON, ``batch`` in entries. Raises InputError for keys or texts
    that the server would refuse.
    """
    entries: dict[Kind, t.Mapping[str, Entry]] = {"digests": wanted_digests, "references": wanted_references}
    _check(entries)
    room = _Room(shards, provider, full, taken, limit)
    changes = _Changes(batch, limit)
    clears = _Changes(batch, limit)
    counts = {shard.name: sum(len(shard.entries(kind)) for kind in KINDS) for shard in room.shards}
    for kind in KINDS:
        holders = _holders(room.shards, kind)
        for key in sorted(holders.keys() | entries[kind].keys()):
            own_shards = holders.get(key, [])
            entry = entries[kind].get(key)
            if entry is not None:
                needless = _set(changes, room, kind, key, entry, own_shards)
            else:
                needless = own_shards[:-1] if key in keep else own_shards
            for shard in needless:
                clears.clear(shard.name, kind, key, shard.entries(kind)[key])
                counts[shard.name] -= 1
    targets = changes.shards()
    deletes = [
        shard.name for shard in room.shards if shard.number > 0 and not counts[shard.name] and shard.name not in targets
    ]
    return ListPlan(tuple(room.created), changes.patches(), clears.patches(), tuple(deletes))


def _holders(shards: t.Iterable[ListShard], kind: Kind) -> dict[str, list[ListShard]]:
    holders: dict[str, list[ListShard]] = {}
    for shard in shards:
        for key in shard.entries(kind):
            holders.setdefault(key, []).append(shard)
    return holders


def _set(
    changes: _Changes, room: _Room, kind: Kind, key: str, entry: Entry, own_shards: list[ListShard]
) -> list[ListShard]:
    """Plan to set an entry in one shard. ``own_shards``: those that hold it; the result: those that need not then."""
    holder = own_shards[-1] if own_shards else None
    place = room.place(key, entry, holder, kind)
    if holder is None or place != holder.name:
        changes.set(place, kind, key, entry, None)
        return own_shards
    old = holder.entries(kind)[key]
    if old != entry:
        changes.set(place, kind, key, entry, old)
    return own_shards[:-1]


def plan_passed(
    shards: t.Sequence[PassedShard],
    ends: t.Mapping[str, str],
    *,
    keep: t.Container[str] = frozenset(),
    limit: int = SHARD_LIMIT,
    batch: int = PATCH_ENTRIES,
) -> ListPlan:
    """Plan the changes after which the shards hold exactly the digests of ``ends``, with these ends ("" for none).

    ``keep`` are digests that stay as they are. Here clearing is what is urgent, and comes first. Raises ScanError when
    no shard speaks for a digest, LimitExceeded when one would become too large: their number is fixed by the role
    ``enforce``.
    """
    for digest, until in ends.items():
        _check_digest(digest)
        _check_time(until)
    sets, clears = _Changes(batch, limit), _Changes(batch, limit)
    spoken: set[str] = set()
    for shard in shards:
        own_ends = {digest: until for digest, until in ends.items() if shard.speaks_for(digest)}
        spoken |= own_ends.keys()
        own_ends = {**{digest: until for digest, until in shard.digests.items() if digest in keep}, **own_ends}
        size = _OVERHEAD + sum(json_size(digest) + json_size(until) + 2 for digest, until in own_ends.items())
        if size > limit:
            raise LimitExceeded(
                f"{len(own_ends)} passed images take {size} bytes of the PassedList {shard.name}; at most {limit} fit",
                hint="give enforce_passed_shards a higher number and run the playbook imagescan.openshift.enforce",
                subject=shard.name,
            )
        for digest in sorted(shard.digests.keys() - own_ends.keys()):
            clears.clear(shard.name, "digests", digest, Entry(shard.digests[digest]))
        for digest in sorted(own_ends):
            if shard.digests.get(digest) != own_ends[digest]:
                sets.set(shard.name, "digests", digest, Entry(own_ends[digest]), None)
    silent = sorted(ends.keys() - spoken)
    if silent:
        raise ScanError(
            f"no PassedList speaks for {silent[0]}" + (f" and {len(silent) - 1} more" if len(silent) > 1 else ""),
            code="lists-missing",
            hint="run the playbook imagescan.openshift.enforce, which makes them",
        )
    return ListPlan((), sets.patches(), clears.patches(), ())


class _Room:
    """Room in the shards, and new shards."""

    def __init__(
        self, shards: t.Sequence[ListShard], provider: str, full: t.Container[str], taken: t.Container[str], limit: int
    ) -> None:
        self.shards = sorted(shards, key=lambda shard: (shard.number, shard.name))
        self.created: list[str] = []
        self._provider = provider
        self._taken = taken
        self._limit = limit
        self._fill = int(limit * _FILL)
        self._used = {shard.name: shard.size for shard in self.shards}
        self._ceiling = {shard.name: self._used[shard.name] if shard.name in full else limit for shard in self.shards}
        #: Names and numbers of where new entries may go, in their order.
        self._targets = [(shard.number, shard.name) for shard in self.shards if shard.number >= 0]

    def place(self, key: str, entry: Entry, holder: ListShard | None, kind: Kind) -> str:
        """The shard for an entry: where it is, or the first one with room, of a higher number than where it is."""
        size = entry_size(key, entry)
        holder_number = -1
        if holder is not None:
            growth = size - entry_size(key, holder.entries(kind)[key])
            if growth <= 0 or self._used[holder.name] + growth <= self._ceiling[holder.name]:
                self._used[holder.name] += max(0, growth)
                return holder.name
            holder_number = holder.number
        for number, name in self._targets:
            if number > holder_number and self._used[name] + size <= min(self._fill, self._ceiling[name]):
                self._used[name] += size
                return name
        return self._new(size)

    def _new(self, size: int) -> str:
        number = max((number for number, _name in self._targets), default=-1) + 1
        while f"{self._provider}-{number}" in self._taken:
            number += 1
        name = f"{self._provider}-{number}"
        self.created.append(name)
        self._targets.append((number, name))
        self._used[name] = _OVERHEAD + size
        self._ceiling[name] = self._limit
        return name


class _Changes:
    """Changes by shard, cut into patches."""

    def __init__(self, batch: int, limit: int) -> None:
        self._batch = batch
        self._limit = limit
        self._changes: dict[str, list[tuple[Kind, str, str | None, str | None, bool, int]]] = {}

    def set(self, shard: str, kind: Kind, key: str, entry: Entry, old: Entry | None) -> None:
        """Set an entry that was ``old`` there."""
        grace = entry.grace_until or None
        # A new entry must not find a grace of its key that somebody left there.
        touches_grace = old is None or grace != (old.grace_until or None)
        size = _sent_size(key) + _sent_size(entry.text) + (_sent_size(key) + _sent_size(entry.grace_until))
        change = (kind, key, entry.text, grace, touches_grace, size)
        self._changes.setdefault(shard, []).append(change)

    def clear(self, shard: str, kind: Kind, key: str, old: Entry) -> None:
        """Take an entry away that was ``old`` there."""
        change = (kind, key, None, None, bool(old.grace_until), 2 * _sent_size(key))
        self._changes.setdefault(shard, []).append(change)

    def shards(self) -> frozenset[str]:
        """The shards with changes."""
        return frozenset(self._changes)

    def patches(self) -> tuple[ShardPatch, ...]:
        """All changes, as few patches as the limits allow."""
        patches = []
        for shard, changes in self._changes.items():
            start, size = 0, _PATCH_OVERHEAD
            for position, change in enumerate(changes):
                if position - start == self._batch or (position > start and size + change[-1] > self._limit):
                    patches.append(_patch(shard, changes[start:position]))
                    start, size = position, _PATCH_OVERHEAD
                size += change[-1]
            patches.append(_patch(shard, changes[start:]))
        return tuple(patches)


def _patch(shard: str, changes: t.Sequence[tuple[Kind, str, str | None, str | None, bool, int]]) -> ShardPatch:
    digests = {key: text for kind, key, text, _grace, _touches, _size in changes if kind == "digests"}
    references = {key: text for kind, key, text, _grace, _touches, _size in changes if kind == "references"}
    grace = {key: until for _kind, key, _text, until, touches, _size in changes if touches}
    return ShardPatch(shard, digests, references, grace)


def _check(entries: t.Mapping[Kind, t.Mapping[str, Entry]]) -> None:
    for digest in entries["digests"]:
        _check_digest(digest)
    for reference in entries["references"]:
        if not 3 <= len(reference) <= _KEY_LIMIT or "@" in reference or ":" not in reference or "/" not in reference:
            raise InputError(f"{quoted(reference)} is not a full reference; expected registry/repository:tag")
    for kind in KINDS:
        for key, entry in entries[kind].items():
            _check_text(key, entry.text)
            _check_time(entry.grace_until)


def _check_text(key: str, text: str) -> None:
    if len(text) > TEXT_LIMIT or not _TEXT.fullmatch(text):
        raise InputError(
            f"the text for {quoted(key)} is not a line of 1 to {TEXT_LIMIT} characters: {quoted(text, 80)}"
        )


def _check_digest(digest: str) -> None:
    if not is_digest(digest):
        raise InputError(f"{quoted(digest)} is not a digest; expected sha256:... or sha512:...")


def _check_time(text: str) -> None:
    if text and not _TIME.fullmatch(text):
        raise InputError(f"{quoted(text, 40)} is not a time of the form 2026-01-31T12:00:00Z")
