# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as they appear: what is known already, what waits to be handed on, and what is remembered over a restart.

An image is new under a name: where one that is known gets another tag, the deny list has to learn that tag as well.
What was handed on is known once somebody took it, so what a kill interrupts is handed on again.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
import typing as t
from pathlib import Path

from .._core.errors import InputError, ScanError
from .._core.files import write_whole
from .._core.text import printable, quoted
from .._images.sightings import HOLDERS, pinned_digest
from .model import Arrival

SCHEMA_VERSION = 1
#: Names that are remembered; the ones that were seen least recently are forgotten first. 8 MB as a file.
KNOWN_LIMIT = 200_000
#: Bytes of a state file.
STATE_LIMIT = 64 << 20
#: Characters of one text in an event. References have at most 1024.
TEXT_LIMIT = 1200
_BRACES = str.maketrans("{}", "()")
_PRINT, _LOOKED = re.compile(r"[0-9a-f]{32}"), re.compile(r".{0,300}")


@dataclasses.dataclass
class State:
    """What a source remembers. ``known``: prints, that seen longest ago first. ``looked``: lists read once whole."""

    known: dict[str, None] = dataclasses.field(default_factory=dict)
    looked: set[str] = dataclasses.field(default_factory=set)

    def learn(self, prints: t.Iterable[str]) -> None:
        """Remember prints, each as the newest."""
        for text in prints:
            self.known.pop(text, None)
            self.known[text] = None
        while len(self.known) > KNOWN_LIMIT:
            del self.known[next(iter(self.known))]


def read_state(path: Path) -> State:
    """The state in a file; an empty one where there is none. Raises InputError where the file is something else."""
    document = _read_document(path)
    if document is None:
        return State()
    version = document.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"the state file {quoted(str(path))} is of a newer version ({version})", hint="upgrade this collection"
        )
    known: t.Any = document.get("known")
    looked: t.Any = document.get("looked")
    if version != SCHEMA_VERSION or not (_are_texts(known, _PRINT) and _are_texts(looked, _LOOKED)):
        raise InputError(
            f"{quoted(str(path))} is not a state file of this event source",
            hint="name another one, or remove it: then all images count as new",
        )
    state = State(looked=set(looked))
    state.learn(known)
    return state


def _read_document(path: Path) -> dict[str, t.Any] | None:
    """The JSON object in a file, an empty one where it holds something else; None where there is no file."""
    try:
        with path.open("rb") as source:
            data = source.read(STATE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the state file {quoted(str(path))} cannot be read: {error.strerror or error}") from error
    try:
        document = json.loads(data) if len(data) <= STATE_LIMIT else None
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {}


def _are_texts(value: t.Any, form: re.Pattern[str]) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) and form.fullmatch(text) for text in value)


def write_state(path: Path, state: State) -> None:
    """Keep the state as a whole, for its owner alone."""
    document = {"schema_version": SCHEMA_VERSION, "looked": sorted(state.looked), "known": list(state.known)}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, json.dumps(document, separators=(",", ":")).encode())
    except OSError as error:
        raise ScanError(
            f"the state file {quoted(str(path))} cannot be written: {error.strerror or error}",
            code="state-not-written",
            hint="check the folder, its rights and the space on it",
        ) from error


class Backlog:
    """Arrivals that wait. Watches offer from their threads, one reader takes. ``changed`` is called for both.

    A batch that was taken stays in hand until ``done``: what is offered again meanwhile is not news.
    """

    def __init__(self, state: State, changed: t.Callable[[], None] = lambda: None) -> None:
        self._state = state
        self._changed = changed
        self._lock = threading.Lock()
        self._waiting: dict[str, Arrival] = {}
        self._in_hand: dict[str, Arrival] = {}
        self._since: float | None = None
        self._unsaved = False
        self._leads_to: dict[str, str] = {}  # name -> the digest that its holder told last

    def offer(self, arrivals: t.Iterable[Arrival], *, known: bool = False) -> None:
        """Tell of images; those that are known already are not news. ``known``: all of them count as known."""
        offered = {arrival.print: arrival for arrival in arrivals}
        with self._lock:
            moved = self._moved(offered)
            self._state.learn(key for key in offered if known or key in self._state.known)
            news = {key: arrival for key, arrival in offered.items() if key in moved or self._is_new(key)}
            self._waiting.update(news)
            if news and self._since is None:
                self._since = time.monotonic()
        if news:
            self._changed()

    def _is_new(self, key: str) -> bool:
        return not any(key in prints for prints in (self._state.known, self._in_hand, self._waiting))

    def _moved(self, offered: t.Mapping[str, Arrival]) -> set[str]:
        """Forget what is known again under a name that led elsewhere: a tag that was moved back is news."""
        moved = set()
        for key, arrival in offered.items():
            if arrival.told not in HOLDERS:
                continue
            if self._leads_to.setdefault(arrival.reference, arrival.digest) != arrival.digest:
                self._leads_to[arrival.reference] = arrival.digest
                self._state.known.pop(key, None)
                moved.add(key)
        if len(self._leads_to) > KNOWN_LIMIT:
            self._leads_to.clear()
        return moved

    def looked(self, name: str) -> None:
        """A list was read whole."""
        with self._lock:
            self._unsaved = self._unsaved or name not in self._state.looked
            self._state.looked.add(name)
        self._changed()

    def has_looked(self, name: str) -> bool:
        """Return whether a list was read whole before, in this run or an earlier one."""
        with self._lock:
            return name in self._state.looked

    @property
    def has_new_look(self) -> bool:
        """True if a list was read whole for the first time since the last save."""
        with self._lock:
            return self._unsaved

    @property
    def waiting(self) -> tuple[int, float]:
        """Number of waiting arrivals, and seconds for which the first has waited."""
        with self._lock:
            return len(self._waiting), 0.0 if self._since is None else time.monotonic() - self._since

    def take(self, most: int) -> list[Arrival]:
        """The images that came first, all their names together; ``most`` of them."""
        with self._lock:
            chosen: dict[str, Arrival] = {}
            images: set[str] = set()
            for key, arrival in self._waiting.items():
                name = arrival.digest or key
                if name in images or len(images) < most:
                    images.add(name)
                    chosen[key] = arrival
            for key in chosen:
                del self._waiting[key]
            self._in_hand = chosen
            self._since = time.monotonic() if self._waiting else None
            return list(chosen.values())

    def done(self) -> None:
        """Somebody took the batch."""
        with self._lock:
            self._state.learn(self._in_hand)
            self._in_hand = {}

    def save(self, path: Path | None) -> None:
        """Keep what is known."""
        with self._lock:
            copied = State(dict(self._state.known), set(self._state.looked))
            self._unsaved = False
        if path is not None:
            write_state(path, copied)


def event_of(arrivals: t.Iterable[Arrival], batch: str, reason: str = "") -> dict[str, t.Any]:
    """An event: its images, each once with all its names. ``reason``: why there is none, or why not all are there."""
    images: dict[str, dict[str, t.Any]] = {}
    for arrival in arrivals:
        entry = images.setdefault(
            arrival.digest or arrival.print,
            {
                "reference": harmless(arrival.reference),
                "digest": harmless(arrival.digest),
                "source": harmless(arrival.source),
                "namespace": harmless(arrival.namespace),
            },
        )
        if arrival.code:
            entry.update(code=harmless(arrival.code), message=harmless(arrival.message))
        name = harmless(arrival.reference)
        if arrival.told and arrival.digest and not pinned_digest(arrival.reference):
            told = {"reference": name, "source": harmless(arrival.told), "seen": harmless(arrival.seen)}
            told.update({"cluster": harmless(arrival.cluster)} if arrival.cluster else {})
            entry.setdefault("names", []).append(told)
        if name not in (entry["reference"], *entry.get("references", ())):
            entry.setdefault("references", [entry["reference"]]).append(name)
    event: dict[str, t.Any] = {"images": list(images.values()), "count": len(images), "batch": batch}
    if reason:
        event["reason"] = harmless(reason)
    return {"imagescan": event}


def harmless(text: str) -> str:
    """Foreign text for an event. A rulebook hands it to a playbook as a variable, where braces would be a template."""
    return printable(text[:TEXT_LIMIT].translate(_BRACES))
