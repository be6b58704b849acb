# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions: findings that somebody accepted, why, and until when."""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import re
import typing as t

from .documents import Field, read_document

_KEYS = ("id", "reason", "expires", "owner", "packages", "images")


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """One accepted finding. ``id``: of the finding, a shell pattern. ``expires``: last day on which it holds, UTC.

    ``packages``: patterns of package names or of whole ``name-epoch:version-release.arch``; ``images``: patterns of
    references or digests (all references of an image must be named, or its digest); empty tuples mean all.
    """

    id: str
    reason: str
    expires: datetime.date
    owner: str = ""
    packages: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def holds(self, day: datetime.date) -> bool:
        """Whether it still holds on a day (UTC); it holds through its last day."""
        return day <= self.expires

    def covers_image(self, digest: str, references: t.Iterable[str]) -> bool:
        """Whether it is meant for an image: for its digest, or for every name that it has.

        A verdict is about a digest, whatever it is called: an exception for ``dev/*`` alone must not clear the same
        image where it is called ``prod/app``.
        """
        if not self.images or self._names(digest):
            return True
        names = list(references)
        return bool(names) and all(map(self._names, names))

    def _names(self, text: str) -> bool:
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self.images)

    def covers(self, finding_id: str, name: str, package: str) -> bool:
        """Whether it is meant for a finding in a package."""
        return fnmatch.fnmatchcase(finding_id, self.id) and (
            not self.packages
            or any(fnmatch.fnmatchcase(text, pattern) for pattern in self.packages for text in (name, package))
        )


def load_exceptions(text: str, where: str) -> list[Acceptance]:
    """Read a list of exceptions; an empty file has none. ``where`` names the file in errors. Raises ``InputError``."""
    root = read_document(text, where)
    if root.value is None:
        return []
    return [_acceptance(field) for field in root.items("a list of exceptions, each beginning with '- id:'")]


def _acceptance(field: Field) -> Acceptance:
    field = field.renamed(f"exception {field.path}")
    fields = field.mapping(_KEYS, "an exception with id, reason and expires")
    if "id" in fields:
        identifier = fields["id"].text("the id of a finding, such as CVE-2026-12345")
        if not re.fullmatch(r"[A-Za-z0-9*?\[\]!._:-]{1,100}", identifier) or not re.search(r"[A-Za-z0-9]", identifier):
            raise fields["id"].error("expected the id of a finding or a pattern of it, such as CVE-2026-12345")
        # CVE-* would accept whatever is ever found; a family of findings has the beginning of a number in common.
        begun = re.match(r"[^*?\[]*\d[-:]\d", identifier) or not re.search(r"[*?\[]", identifier)
        if not begun and "packages" not in fields:
            raise fields["id"].error(
                f"'{identifier}' accepts far too much: name the packages, or more of the id, as in CVE-2026-123*"
            )
    for key, meaning in (
        ("id", "which finding, such as CVE-2026-12345"),
        ("reason", "why it is accepted"),
        ("expires", "the last day on which it holds, such as 2027-03-31; nothing is accepted for ever"),
    ):
        if key not in fields:
            raise field.error(f"{key} is missing: {meaning}")
    values: dict[str, t.Any] = {
        "id": identifier,
        "reason": fields["reason"].text("why it is accepted"),
        "expires": fields["expires"].date(),
    }
    if "owner" in fields:
        values["owner"] = fields["owner"].text("who answers for it")
    for key in ("packages", "images"):
        if key in fields:
            values[key] = fields[key].texts("a list of patterns")
            if not values[key]:
                raise fields[key].error("an empty list covers nothing: leave the key out to cover all")
            if not all(re.search(r"[A-Za-z0-9]", pattern) for pattern in values[key]):
                raise fields[key].error("a pattern of wildcards alone names nothing: leave the key out to cover all")
    return Acceptance(**values)
