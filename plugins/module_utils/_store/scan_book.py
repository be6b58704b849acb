# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The book of a scan: its results go into the store at once, its summaries into the result of the module."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._compliance.codec import results_to_dict
from .._compliance.model import RULE_RESULTS
from .._compliance.model import SCHEMA_VERSION as RESULTS_VERSION
from .._core.errors import InputError, ScanError
from .._core.progress import Progress
from .._core.times import exact_now_text, now_text, read_time
from .._images.sightings import REGISTRY, Sighting, pinned_digest
from .._packages.codec import inventory_to_dict
from .._packages.model import SCHEMA_VERSION
from .._scanner.model import IndexOutcome, JobRecord, ScanOutcome
from .._scanner.targets import Request, request_of
from .._verdicts.precedence import CLOCK_ERROR
from .model import Asked, StoredChild, StoredImage, unresolved_key
from .store import Store

#: Problems of one image that travel in the result; the store has all of them.
PROBLEMS_SHOWN = 20


class StoreBook:
    """Keeps what a scan finds in the store at once, and remembers summaries for the result."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        *,
        max_age: float | None,
        platforms: list[str],
        asked: Asked | None = None,
        arf: bool = False,
    ) -> None:
        self.store = store
        self.asked = asked
        self.arf = arf
        self.progress = progress
        self.platforms = platforms
        present = datetime.now(timezone.utc)
        self.oldest = present - timedelta(days=max_age) if max_age is not None else None
        self.latest = present + CLOCK_ERROR
        self.images: dict[tuple[str, str], dict[str, t.Any]] = {}
        self.missing: list[dict[str, t.Any]] = []
        self.changed = False
        self.told: dict[str, set[str]] = {}  # name -> digests that the requests say it has, which nobody here asks for
        # Read once: asking for each of 10,000 known images, and noting that nothing is new, would take minutes.
        self.stored = {image.key: image for image in store.images.all()}
        self.known = store.inventories.known(key for key, image in self.stored.items() if image.scanned_at)
        self.evaluated = store.evaluations.known(asked.question) if asked is not None else {}

    def take_names(self, requests: t.Iterable[Request]) -> None:
        """Keep who told of the names of images whose digest is known. Whatever the order, all count alike."""
        sightings = [sighting for request in requests for sighting in request.sightings]
        for sighting in sightings:
            self.told.setdefault(sighting.reference, set()).add(sighting.digest)
        if not self.store.read_only:
            self.changed |= self.store.images.record_names(sightings, now=exact_now_text())

    def _keep_names(self, digest: str, names: t.Iterable[str]) -> list[str]:
        """Keep those of the names of an image that this run resolved itself. Gives those that hold its digest."""
        own_names = sorted({name for name in names if digest not in self.told.get(name, ())})
        stored = self.stored.get(digest)
        fresh = [
            name for name in own_names if not pinned_digest(name) and not (stored and self._leads_there(stored, name))
        ]
        if fresh:
            now = exact_now_text()
            self.changed |= self.store.images.record_names(
                [Sighting(name, digest, REGISTRY, now) for name in fresh], now=now
            )
        return [name for name in own_names if pinned_digest(name)]

    def is_current(self, digest: str) -> bool:
        """Tell whether the inventory is there, in the current form and young enough, and so are the rules asked for."""
        inventory = self.known.get(digest)
        if inventory is None or inventory.schema_version != SCHEMA_VERSION or not self._young(inventory.scanned_at):
            return False
        if self.asked is None:
            return True
        rules = self.evaluated.get(digest)
        return (
            rules is not None
            and rules.schema_version == RESULTS_VERSION
            and (rules.arf or not self.arf)
            and self._young(rules.evaluated_at)
        )

    def _young(self, moment: str) -> bool:
        """Return whether a scan is young enough; one from far in the future was stamped by a clock that was wrong."""
        time = read_time(moment)
        return time is not None and time <= self.latest and (self.oldest is None or time >= self.oldest)

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        """Images of a known index (digest, platform), in its order; None where it is not known to be one."""
        children = self.store.images.children([digest]).get(digest)
        return None if children is None else tuple((child.digest, child.platform) for child in children)

    def record_index(self, outcome: IndexOutcome) -> None:
        """Keep what an index lists."""
        if outcome.missing:
            self.missing.append(
                {"digest": outcome.digest, "reference": outcome.references[0], "platforms": list(outcome.missing)}
            )
        if self.store.read_only:
            return
        children = [StoredChild(*child) for child in outcome.children]
        stored = self.stored.get(outcome.digest)
        for reference in self._keep_names(outcome.digest, outcome.references) or [""]:
            if (
                stored is not None
                and self._leads_there(stored, reference)
                and not stored.error_code
                and stored.wanted_platforms == tuple(sorted(self.platforms))
                and self.children_of(outcome.digest) == outcome.children
            ):
                continue
            self.changed |= self.store.images.record_index(
                outcome.digest, reference, children, wanted_platforms=self.platforms, now=now_text()
            )

    def record(self, outcome: ScanOutcome) -> None:
        """Keep what became of an image."""
        packages, problems = 0, []
        if outcome.inventory is not None:
            packages = len(outcome.inventory.packages)
            problems = [{"code": problem.code, "message": problem.message} for problem in outcome.inventory.problems]
        elif outcome.state == "current":
            inventory = self.known[outcome.digest]
            packages = inventory.packages
            problems = (
                [] if inventory.complete else (self.store.inventories.get(outcome.digest) or {}).get("problems", [])
            )
        counts: dict[str, int] = {}
        if outcome.compliance is not None:
            counts = outcome.compliance.counts
            problems += [{"code": problem.code, "message": problem.message} for problem in outcome.compliance.problems]
        elif outcome.state == "current" and self.asked is not None:
            rules = self.evaluated[outcome.digest]
            counts = rules.counts
            if not rules.complete:
                stored = self.store.evaluations.get(outcome.digest, self.asked.question)
                problems = [*problems, *((stored.results if stored else None) or {}).get("problems", [])]
        for error in (outcome.error, outcome.compliance_error):
            if error is not None:
                problems = [{"code": error.code, "message": str(error)}]
        self._write(outcome)
        if outcome.state == "same":
            return
        self.images[(outcome.references[0], outcome.digest)] = {
            "digest": outcome.digest,
            "reference": outcome.references[0],
            "platform": outcome.platform,
            "index": outcome.index,
            "state": outcome.state,
            "packages": packages,
            **({"rules": {**dict.fromkeys(RULE_RESULTS, 0), **counts}} if counts else {}),
            "problems": problems[:PROBLEMS_SHOWN],
        }

    def _write(self, outcome: ScanOutcome) -> None:
        if self.store.read_only:
            # An image that failed before is tried again, which most likely changes nothing.
            stored = self.stored.get(outcome.digest)
            self.changed |= outcome.state == "planned" and not (stored is not None and stored.error_code)
            if outcome.state == "current" and self.asked is not None:
                self.changed |= not self.evaluated[outcome.digest].in_force
            return
        store = self.store
        pinned = self._keep_names(outcome.digest, outcome.references) if outcome.digest else []
        first = pinned[0] if pinned else "" if outcome.digest else outcome.references[0]
        if outcome.error is not None:
            self.changed |= store.images.record_error(outcome.digest, first, outcome.error, now=now_text())
        elif outcome.inventory is not None:
            self.changed |= store.inventories.record(
                outcome.digest,
                first,
                inventory_to_dict(outcome.inventory),
                platform=outcome.platform,
                scanned_at=now_text(),
            )
        self._write_rules(outcome)
        written = outcome.error is not None or outcome.inventory is not None
        for name in pinned[1:] if written else pinned or [""]:
            if outcome.digest and not self._is_noted(outcome, name):
                self.changed |= store.images.record(
                    outcome.digest,
                    name,
                    now=now_text(),
                    kind="" if outcome.state == "same" else "image",
                    platform=outcome.platform,
                    settled=outcome.state == "current",
                )

    def _write_rules(self, outcome: ScanOutcome) -> None:
        store, asked = self.store, self.asked
        if asked is None:
            return
        if outcome.compliance_error is not None:
            error = outcome.compliance_error
            self.changed |= store.evaluations.record_error(outcome.digest, asked.question, error, now=now_text())
        elif outcome.compliance is not None:
            results = results_to_dict(outcome.compliance)
            self.changed |= store.evaluations.record(
                outcome.digest, asked, results, arf=outcome.arf or None, now=now_text()
            )
        elif outcome.state == "current" and not self.evaluated[outcome.digest].in_force:
            self.changed |= store.evaluations.put_in_force(outcome.digest, asked.question, now=now_text())

    def _is_noted(self, outcome: ScanOutcome, name: str) -> bool:
        """Return whether the store says all of this already. An empty name: of the image itself."""
        stored = self.stored.get(outcome.digest)
        return (
            stored is not None
            and self._leads_there(stored, name)
            and not stored.error_code
            and (not outcome.platform or outcome.platform == stored.platform)
        )

    def _leads_there(self, stored: StoredImage, name: str) -> bool:
        """Return whether it is known of a name already, and nobody in this run tells otherwise."""
        return not name or (
            name in stored.references
            and name not in stored.unconfirmed
            and name not in self.told
            and unresolved_key(name) not in self.stored
        )

    def forget(self, digest: str) -> None:
        """Drop what was kept of an image in this run or before: it is forged."""
        self.store.images.forget(digest)
        self.known.pop(digest, None)
        self.evaluated.pop(digest, None)
        self.stored.pop(digest, None)
        self.images = {key: value for key, value in self.images.items() if key[1] != digest}
        self.missing = [index for index in self.missing if index["digest"] != digest]

    def record_job(self, job: JobRecord) -> None:
        """Keep that a Job exists, for whoever comes after us."""
        self.store.jobs.record(job)

    def forget_job(self, uid: str) -> None:
        """Drop what is known of a Job."""
        self.store.jobs.forget(uid)

    def jobs(self, server: str, namespace: str) -> list[JobRecord]:
        """The Jobs on record."""
        return self.store.jobs.of_namespace(server, namespace)

    def beat(self, line: str) -> None:
        """Show how far the scan is."""
        self.progress.beat(line)


def read_requests(images: t.Iterable[t.Any], book: StoreBook) -> list[Request]:
    """Read the images of the option: text, or dictionaries of image_info.

    Those that discovery could not identify, and text that is not a reference, are kept as errors of their own.
    """
    requests = []
    for image in images:
        if isinstance(image, dict) and image.get("code") and not image.get("digest"):
            error = ScanError(str(image.get("message", "it could not be resolved")), code=str(image["code"]))
            book.record(ScanOutcome("", (str(image.get("reference", "")),), "error", error=error))
            continue
        try:
            requests.append(request_of(image))
        except InputError as error:
            if not isinstance(image, str):
                raise
            book.record(ScanOutcome("", (image,), "error", error=error))
    book.take_names(requests)
    return requests
