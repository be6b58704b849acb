# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the verdicts in the store were made by the policies that somebody gives now.

Whoever acts on a part of the verdicts, beside the runs that judge everything, must not go by policies of his own.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._verdicts.policies import Policy
from .._verdicts.subject import Subject
from .model import StoredImage
from .store import Store

#: Verdicts whose documents are in memory at once.
_PART = 100


@dataclasses.dataclass(frozen=True, order=True)
class PolicyUse:
    """One policy, told by its sha256: one of those given now, or one that made verdicts.

    ``judged``: number of images whose verdict it was part of; ``missing``: of those with a verdict that it selects and
    was not part of. Indexes are not counted, since their verdicts are made of those of their images.
    """

    name: str
    sha256: str
    given: bool
    judged: int
    missing: int

    @property
    def differs(self) -> bool:
        """Return whether going by the policies given is something else than what made the verdicts."""
        return self.missing > 0 if self.given else self.judged > 0


def compare_policies(store: Store, images: t.Sequence[StoredImage], policies: t.Sequence[Policy]) -> list[PolicyUse]:
    """The policies given, and those by which the images were judged; ordered by name. Images without a verdict do not
    count. Raises what ``Store.verdicts`` and ``Store.inventory`` do."""
    names = {policy.sha256: policy.name for policy in policies}
    judged: collections.Counter[str] = collections.Counter()
    missing: collections.Counter[str] = collections.Counter()
    singles = [image for image in images if image.kind != "index"]
    for start in range(0, len(singles), _PART):
        part = {image.key: image for image in singles[start : start + _PART]}
        for verdict in store.verdicts.in_force(part):
            made_by = {entry["sha256"]: entry["name"] for entry in verdict.document["policies"]}
            judged.update(made_by.keys())
            names = {**made_by, **names}
            for policy in policies:
                if policy.sha256 not in made_by and _selects(store, policy, part[verdict.key]):
                    missing[policy.sha256] += 1
    keys = {policy.sha256 for policy in policies}
    return sorted(PolicyUse(name, key, key in keys, judged[key], missing[key]) for key, name in names.items())


def _selects(store: Store, policy: Policy, image: StoredImage) -> bool:
    """As ``judge`` asks it. The inventory, which has the labels, is read only for a policy that asks for some."""
    inventory = store.inventories.get(image.digest) if policy.images.labels and image.digest else None
    subject = Subject(
        image.digest,
        image.reference,
        image.references,
        image.platform,
        labels=inventory["labels"] if inventory is not None else {},
    )
    return policy.images.selects(subject.names or ("",), subject.platform, subject.labels)
