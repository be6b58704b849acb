# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the records of a pod to outcomes: a pod may report what it was given, once, and nothing else."""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from .._compliance.codec import results_from_dict
from .._compliance.model import Results as RuleResults
from .._core.errors import ScanError
from .._images.manifests import CHILD_LIMIT
from .._images.model import Descriptor
from .._images.platforms import platform_of
from .._packages.codec import inventory_from_dict
from .._packages.inventory import of_mounted_root
from .._packages.model import Inventory
from .._scanner.ledger import Ledger
from .._scanner.model import ScanOutcome
from .sharding import Item

REFUSED = "result-refused"
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+){0,8}")
_TEXT_LIMIT = 2000


@dataclasses.dataclass
class ShardState:
    """A shard at work. ``items``: number -> image, of those that this run asked for; ``open``: without a result yet.

    ``pod``: UID of the pod that has it, empty before there is one.
    ``children``: number of an index -> its images that are still missing, digest -> (names, platform).
    ``told``: number -> outcomes that came of it. ``early``: number of an index -> what came of its images before the
    index itself, as it does after a repair.
    """

    key: str = dataclasses.field(repr=False)
    items: dict[int, Item]
    open: set[int]
    children: dict[int, dict[str, tuple[tuple[str, ...], str]]] = dataclasses.field(default_factory=dict)
    indexes: dict[int, str] = dataclasses.field(default_factory=dict)
    told: dict[int, list[ScanOutcome]] = dataclasses.field(default_factory=dict)
    early: dict[int, list[t.Mapping[str, t.Any]]] = dataclasses.field(default_factory=dict)
    pod: str = ""
    ended: bool = False


class RecordReceiver:
    """Takes records and finishes images in the ledger."""

    def __init__(self, ledger: Ledger, new_number: t.Callable[[], int]) -> None:
        self._ledger = ledger
        self._new_number = new_number
        #: image_volume: digest -> labels of the config, which no pod can see; None where nobody could.
        self.labels: dict[str, t.Mapping[str, str] | None] = {}
        self.needs_labels = False
        #: Whether rules were to be evaluated.
        self.needs_rules = False
        #: image_volume: digests of images that have no layer, so that nothing can be mounted.
        self.bare: set[str] = set()
        #: Records that a pod was not asked for.
        self.uncalled = 0

    def take(self, shard: ShardState, kind: str, body: t.Mapping[str, t.Any]) -> None:
        """Use a record of the kinds ``index`` and ``image``."""
        number = body["number"]
        if number not in shard.open:
            # Of an adopted Job, images that this run was not asked for; else a pod that says more than it may.
            self.uncalled += number not in shard.items
            return
        if kind == "index":
            self._index(shard, number, body)
        else:
            self._image(shard, number, body)

    def fail(self, item: Item, error: ScanError) -> ScanOutcome:
        """Finish an image without a result."""
        if not error.subject:
            error = ScanError(error.message, code=error.code, hint=error.hint, subject=_name(item))
        outcome = ScanOutcome(item.digest, item.references, "error", item.platform, item.index, error=error)
        self._ledger.finish(outcome)
        return outcome

    def rest(self, shard: ShardState) -> list[tuple[int, Item]]:
        """List the images that a shard still owes, with their numbers; of an opened index, each missing image."""
        owed = []
        for number in sorted(shard.open):
            item = shard.items[number]
            if number not in shard.children:
                owed.append((number, item))
                continue
            for digest, (names, platform) in shard.children[number].items():
                child = dataclasses.replace(
                    item,
                    number=self._new_number(),
                    target=names[0],
                    digest=digest,
                    references=names,
                    index=shard.indexes[number],
                    platform=platform,
                    size=0,
                )
                owed.append((number, child))
        return owed

    def _index(self, shard: ShardState, number: int, body: t.Mapping[str, t.Any]) -> None:
        item = shard.items[number]
        if number in shard.children:
            self.uncalled += 1
            return
        is_unexpected = (item.digest and body["digest"] != item.digest) or item.index or item.kind == "image"
        if is_unexpected or len(body["children"]) > CHILD_LIMIT:
            self._refuse(shard, number, f"it reports the index {body['digest']}")
            return
        children = [Descriptor("", digest, 0, platform_of(platform)) for digest, platform in body["children"]]
        if item.digest:
            self._ledger.release(item.digest)
        fresh = self._ledger.open_index(body["digest"], item.references, _name(item), children)
        shard.indexes[number] = body["digest"]
        shard.children[number] = {child.digest: (names, str(child.platform or "")) for child, names in fresh}
        if not fresh:
            shard.open.discard(number)
        for early in shard.early.pop(number, ()):
            if number in shard.open:
                self._image(shard, number, early)

    def _image(self, shard: ShardState, number: int, body: t.Mapping[str, t.Any]) -> None:
        item, children = shard.items[number], shard.children.get(number)
        digest, platform = body["digest"], body["platform"] or item.platform
        if children is not None:
            # It may be an image of the index that somebody else has, or one that the index does not list.
            if body["index"] == shard.indexes[number] and digest in children:
                names, listed = children.pop(digest)
                child = Item(item.number, names[0], digest, names, body["index"], platform or listed)
                self._record(shard, number, child, body)
                if not children:
                    shard.open.discard(number)
            return
        self._single_image(shard, number, body)

    def _single_image(self, shard: ShardState, number: int, body: t.Mapping[str, t.Any]) -> None:
        """Take an image that is not known to be one of an index."""
        item, digest, platform = shard.items[number], body["digest"], body["platform"] or shard.items[number].platform
        if body["index"] and not item.index:
            early = shard.early.setdefault(number, [])
            if len(early) < CHILD_LIMIT:
                early.append(body)
            return
        if body["index"] or (digest and item.digest and digest != item.digest):
            self._refuse(shard, number, f"it reports {digest or 'an image of an index'}")
            return
        shard.open.discard(number)
        shard.told[number] = []
        if digest and not item.digest and not self._ledger.claim(digest, item.references):
            return
        self._record(shard, number, dataclasses.replace(item, digest=digest or item.digest, platform=platform), body)

    def _record(self, shard: ShardState, number: int, item: Item, body: t.Mapping[str, t.Any]) -> None:
        shard.told.setdefault(number, []).append(self._outcome(item, body))

    def _outcome(self, item: Item, body: t.Mapping[str, t.Any]) -> ScanOutcome:
        """Finish an image with what a pod told of it."""
        if body["state"] == "error":
            return self.fail(item, _error_of(item, body["error"]))
        try:
            inventory = self._complete(item, inventory_from_dict(body["inventory"]))
        except ScanError as error:
            return self.fail(item, ScanError(f"the pod's inventory is none: {error.message}", code=REFUSED))
        try:
            rules, arf, compliance_error = self._rules(item, body)
        except (ScanError, ValueError) as cause:
            return self.fail(item, ScanError(f"the pod's results of rules are none: {cause}", code=REFUSED))
        outcome = ScanOutcome(
            item.digest,
            item.references,
            "scanned" if compliance_error is None else "error",
            item.platform,
            item.index,
            inventory=inventory,
            compliance=rules,
            compliance_error=compliance_error,
            arf=arf,
        )
        self._ledger.finish(outcome)
        return outcome

    def _rules(
        self, item: Item, body: t.Mapping[str, t.Any]
    ) -> tuple[RuleResults | None, bytes | None, ScanError | None]:
        """Results of rules with their ARF, or why there are none. Raises ScanError and ValueError."""
        if not self.needs_rules:
            return None, None, None
        if "compliance_error" in body:
            return None, None, _error_of(item, body["compliance_error"])
        arf = base64.b64decode(body["arf"], validate=True) if "arf" in body else None
        return results_from_dict(body.get("compliance")), arf, None

    def distrusted(self, shard: ShardState) -> tuple[list[Item], list[str]]:
        """Take back all that came of a shard: images to ask for once more, and digests of which nothing may be kept.

        They are asked for as they were at first: what a tag means and what an index lists may be forged as well.
        """
        items: list[Item] = []
        forged: list[str] = []
        for number in sorted({*shard.told, *shard.indexes}):
            item, outcomes = shard.items[number], shard.told.get(number, [])
            if number in shard.indexes:
                # Where the shard has ended, what it still owed is in the queue already.
                owed = shard.children.pop(number) if number in shard.open else {}
                for child in owed:
                    self._ledger.release(child)
                self._ledger.close_index(shard.indexes[number], len(outcomes) + len(owed))
                forged.append(shard.indexes[number])
            elif not outcomes:
                self._ledger.total += 1  # It was said to be an image that the run has already.
            for outcome in outcomes:
                self._ledger.take_back(outcome)
                forged.append(outcome.digest)
            if item.digest:
                self._ledger.claim(item.digest, item.references)
            shard.open.discard(number)
            if item.again:
                message = "somebody else spoke for both pods that had it"
                self.fail(item, ScanError(message, code=REFUSED, hint="look into who may read the ConfigMaps of scans"))
            else:
                items.append(dataclasses.replace(item, number=self._new_number(), alone=True, again=True, cause=None))
        shard.told.clear()
        shard.indexes.clear()
        return items, [digest for digest in dict.fromkeys(forged) if digest]

    def _complete(self, item: Item, inventory: Inventory) -> Inventory:
        if not self.needs_labels:
            return inventory
        if item.digest in self.bare:
            problems = tuple(problem for problem in inventory.problems if problem.code != "root-empty")
            inventory = dataclasses.replace(inventory, problems=problems)
        return of_mounted_root(inventory, self.labels.get(item.digest))

    def _refuse(self, shard: ShardState, number: int, claim: str) -> None:
        shard.open.discard(number)
        item = shard.items[number]
        message = f"the pod's answer is refused: {claim}, and was asked for {item.digest or item.target}"
        hint = "somebody changes what the pod sends; please look into it"
        shard.told[number] = [self.fail(item, ScanError(message, code=REFUSED, hint=hint))]


def _error_of(item: Item, fields: t.Mapping[str, str]) -> ScanError:
    code = fields["code"] if _CODE.fullmatch(fields["code"]) else "scan-error"
    texts = {name: fields[name][:_TEXT_LIMIT] for name in ("message", "hint")}
    return ScanError(texts["message"], code=code, hint=texts["hint"], subject=_name(item))


def _name(item: Item) -> str:
    return item.references[0] if item.references else item.target
