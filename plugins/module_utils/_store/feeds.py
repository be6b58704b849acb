# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vulnerability data that a run of judging has, and the form in which the store keeps what is known of a feed."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import InputError
from .._packages.model import Inventory
from .._vulnerabilities.matching.matcher import Matcher
from .._vulnerabilities.model import FeedInfo

if t.TYPE_CHECKING:
    from .._vulnerabilities.index.reader import FeedIndex


class Feeds:
    """The vulnerability data at hand: one index a distribution. Raises InputError where two speak for the same."""

    def __init__(self, indexes: t.Sequence[FeedIndex]) -> None:
        self._indexes = tuple(indexes)
        self._matchers = [(Matcher(index), index.info) for index in indexes]
        speakers: dict[str, FeedIndex] = {}
        for index in indexes:
            for name in index.info.distributions:
                speaker = speakers.setdefault(name, index)
                if speaker is not index:
                    raise InputError(
                        f"the indexes {speaker.path} and {index.path} both speak for {name}; which of them counts?",
                        code="index-twice",
                        hint="give one index for each distribution",
                    )

    def check_unchanged(self) -> None:
        """Raise CorruptData if an index was overwritten while it was read; what it said must not be kept."""
        for index in self._indexes:
            index.check_unchanged()

    @property
    def only(self) -> FeedInfo | None:
        """Return what is known of the data where there is one index alone."""
        return self._matchers[0][1] if len(self._matchers) == 1 else None

    def matcher(self, inventory: Inventory) -> Matcher | None:
        """That of the image's distribution. Of others the first, which says that it does not cover the image.

        An image that does not name its distribution may be made of Red Hat's packages, as its micro images are.
        """
        for distribution in (inventory.os.id, "rhel"):
            for matcher, info in self._matchers:
                if distribution in info.distributions:
                    return matcher
        return self._matchers[0][0] if self._matchers else None


def feed_to_dict(feed: FeedInfo | None) -> dict[str, t.Any] | None:
    """Return what the store keeps of a feed: all but the list of names, which may be as long as the feed."""
    if feed is None:
        return None
    return {**dataclasses.asdict(feed), "names": []}


def feed_from_dict(values: t.Mapping[str, t.Any] | None) -> FeedInfo | None:
    """The feed that ``feed_to_dict`` kept; fields that this version does not know are left out."""
    if values is None:
        return None
    names = {field.name for field in dataclasses.fields(FeedInfo)}
    fields: dict[str, t.Any] = {key: value for key, value in values.items() if key in names}
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return FeedInfo(**{**fields, **lists, "names": ()})
