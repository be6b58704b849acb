# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping what was read and found: bounded, and without Python's search for cycles."""

from __future__ import annotations

import collections
import contextlib
import gc
import typing as t

_K = t.TypeVar("_K", bound=t.Hashable)
_V = t.TypeVar("_V")


class Kept(t.Generic[_K, _V]):
    """A cache that is bounded by the weight of what it holds; what was not used for longest goes first.

    functools.lru_cache counts entries alone, and one kernel package weighs as much as a thousand others.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._entries: collections.OrderedDict[_K, tuple[_V, int]] = collections.OrderedDict()

    def get(self, key: _K) -> _V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: _K, value: _V, weight: int) -> _V:
        self._entries[key] = (value, weight + 1)
        self._weight += weight + 1
        while self._weight > self._limit and len(self._entries) > 1:
            _key, (_value, lost) = self._entries.popitem(last=False)
            self._weight -= lost
        return value


@contextlib.contextmanager
def without_collection(*, many: bool) -> t.Iterator[None]:
    """Without Python's search for cycles: what is read and kept here has none, and searching it took half the time.

    With ``many`` matches, cycles among what is new are then dropped, and what lives on is not searched again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and many:
            gc.collect(0)
            gc.freeze()
        if was_on:
            gc.enable()
