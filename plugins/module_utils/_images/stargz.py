# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the table of contents of an eStargz layer with the layer.

containerd's stargz snapshotter mounts what the table lists, and never looks at the rest of the tar that is read here
(github.com/containerd/stargz-snapshotter, docs/estargz.md). It does so only for a layer whose descriptor names the
table's digest. CRI-O falls back to unpacking unless it is told to trust any image
(``insecure_allow_unpredictable_image_contents``), also for zstd:chunked. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from .._core.safe_json import unique_keys
from .file_selection import Keeper
from .limits import Budget
from .overlay import Content, and_above, parent_of
from .tar import FILE, FOLDER, HARD_LINK, SPECIAL, SYMLINK, FileSink, Visit, clean_name

DIGEST_ANNOTATION = "containerd.io/snapshot/stargz/toc.digest"
NAME = "stargz.index.json"
_LIMIT = 50 << 20  # as the table of the largest layers that CRI-O takes
_KINDS = {
    "dir": FOLDER,
    "reg": FILE,
    "symlink": SYMLINK,
    "hardlink": HARD_LINK,
    **dict.fromkeys(("char", "block", "fifo"), SPECIAL),
}
_KEYS = ("name", "type", "size", "linkName", "chunkOffset", "chunkSize", "chunkDigest")
_LOWERED = {key.lower() for key in _KEYS}
_HEAD = re.compile(r'\s*\{\s*"version"\s*:\s*1\s*,\s*"entries"\s*:\s*\[\s*')
_TAIL = re.compile(r"\s*\}\s*")
_COMMA = re.compile(r"\s*(,|\])\s*")

_Entry = tuple[str, int, str]  # kind, size, link target
_Chunk = tuple[int, int, str]  # offset, size or 0, digest


class TableOfContents:
    """The table of one layer. ``digest``: the one that the layer's descriptor names."""

    def __init__(self, digest: str, budget: Budget) -> None:
        self._digest = digest
        self._budget = budget
        self._content: Content | None = None
        self._members: dict[str, _Entry] = {}

    def watch(self, visit: Visit) -> Visit:
        """A visitor that notes what the tar has, before ``visit`` sees it."""

        def watching(name: str, kind: str, size: int, link: str) -> FileSink | None:
            sink = visit(name, kind, size, link)
            if name == NAME and kind is FILE and size <= _LIMIT:
                self._budget.add_kept(size)
                self._content = Content(size)
                return Keeper(self._content)
            self._budget.add_index(200 + len(name) + len(link))
            self._members[name] = (kind, size, link)
            return sink

        return watching

    def difference(self, contents: t.Mapping[str, Content]) -> str:
        """Describe how the table differs from the tar, or why that cannot be told; empty if it does not.

        ``contents``: files of the layer that are read; of the others, name, kind, size and link target are compared.
        """
        if self._content is None or self._content.data is None:
            return f"the layer has no {NAME}, or one of more than {_LIMIT} bytes"
        data = bytes(self._content.data[:])
        if "sha256:" + hashlib.sha256(data).hexdigest() != self._digest:
            return f"{NAME} is not the one that the manifest names"
        try:
            listed, chunks = self._read(data)
        except (ValueError, LookupError, RecursionError) as error:
            return f"{NAME} cannot be read: {str(error)[:200]}"
        listed, members = (_with_folders(entries) for entries in (listed, self._members))
        for name in sorted({*listed, *members}):
            if listed.get(name) != members.get(name):
                return f"{name[:200]!r} is {_shown(listed.get(name))} there, and {_shown(members.get(name))} in the tar"
        return self._other_content(chunks, contents)

    def _other_content(self, chunks: t.Mapping[str, list[_Chunk]], contents: t.Mapping[str, Content]) -> str:
        for name, content in sorted(contents.items()):
            kept_data = content.data
            if name in chunks and kept_data is not None and not _holds(chunks[name], kept_data, content.size):
                return f"{name[:200]!r} has another content there than in the tar"
        return ""

    def _read(self, data: bytes) -> tuple[dict[str, _Entry], dict[str, list[_Chunk]]]:
        """Entries by name, and (offset, size or 0, digest) of their chunks. One entry at a time, to save memory."""
        text = data.decode("utf-8")
        decode = json.JSONDecoder(object_pairs_hook=unique_keys).raw_decode
        head = _HEAD.match(text)
        if head is None:
            raise ValueError("it does not begin as the tools of eStargz write it")
        entries: dict[str, _Entry] = {}
        chunks: dict[str, list[_Chunk]] = {}
        at, more = head.end(), not text.startswith("]", head.end())
        while more:
            entry, at = decode(text, at)
            name, kind, size, link, *chunk = _fields(entry)
            name = clean_name(name)
            self._budget.add_index(300 + len(name) + len(link))
            if kind == "reg":
                chunks[name] = []
            if kind != "chunk":
                entries[name] = (_KINDS[kind], size if kind == "reg" else 0, link)
            if kind == "chunk" or (kind == "reg" and size):
                chunks[name].append(tuple(chunk))
            separator = _COMMA.match(text, at)
            if separator is None:
                raise ValueError("its entries are not separated by commas")
            at, more = separator.end(), separator[1] == ","
        if not _TAIL.fullmatch(text, at if at > head.end() else at + 1):
            raise ValueError("it has more than entries")
        return entries, chunks


def _check_keys(entry: t.Any) -> None:
    if not isinstance(entry, dict):
        raise ValueError("an entry is not an object")
    if any(key not in _KEYS and key.lower() in _LOWERED for key in entry):
        raise ValueError("an entry has a key in other letters")


def _fields(entry: t.Any) -> list[t.Any]:
    """The values of an entry that matter. Raises ValueError for what Go would read otherwise."""
    _check_keys(entry)
    values: list[t.Any] = []
    for key in _KEYS:
        is_number = key in ("size", "chunkOffset", "chunkSize")
        value = entry.get(key, 0 if is_number else "")
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not (is_count if is_number else isinstance(value, str)):
            raise ValueError(f"an entry has a {key} that is not one")
        values.append(value)
    if values[1] not in _KINDS and values[1] != "chunk":
        raise ValueError(f"an entry has the unknown type {values[1][:40]!r}")
    return values


def _with_folders(entries: t.Mapping[str, _Entry]) -> dict[str, _Entry]:
    """The entries with all folders that they stand in: tools add those, or leave them out."""
    whole: dict[str, _Entry] = {}
    for name, entry in entries.items():
        if name:
            whole[name] = entry
            for above in and_above(parent_of(name)):
                if above in whole:
                    break
                whole[above] = entries.get(above, (FOLDER, 0, ""))
    return whole


def _holds(chunks: t.Sequence[tuple[int, int, str]], data: t.Any, size: int) -> bool:
    """Return whether chunks, in order, are the whole content."""
    expected = 0
    for offset, length, digest in chunks:
        end = offset + (length or size - offset)
        if offset != expected or end > size:
            return False
        if digest != "sha256:" + hashlib.sha256(data[offset:end]).hexdigest():
            return False
        expected = end
    return expected == size


def _shown(entry: _Entry | None) -> str:
    if entry is None:
        return "missing"
    kind, size, link = entry
    names = {FILE: f"a file of {size} bytes", FOLDER: "a folder", SPECIAL: "a device or pipe"}
    return names.get(kind, f"a link to {link[:200]!r}")
