# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking the product tree of a CSAF document, for the readers of feeds and of VEX that makers of images write.

What the products, relationships and groups mean, and which of them is a defect, differs: each reader decides that.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import LimitExceeded

DEPTH_LIMIT = 16  # branches inside branches; published documents have at most 4
NESTING_LIMIT = 5  # relationships of relationships

_Object = dict[str, t.Any]


class Fields(t.Protocol):
    """Values of a document by their type; raises CorruptData for another. ``where`` names it in messages."""

    where: str

    def dict_of(self, holder: _Object, key: str, *, required: bool = False) -> _Object:
        """Give the object at a key; an empty one where there is none and it need not be."""

    def text_of(self, holder: _Object, key: str, *, required: bool = False) -> str:
        """Give the text at a key; an empty one where there is none and it need not be."""

    def list_of(self, holder: _Object, key: str, kind: type) -> list[t.Any]:
        """Give the list at a key, whose items are of this type."""


def branches_of(fields: Fields, tree: _Object) -> t.Iterator[_Object]:
    """Every branch, whatever it is inside of. Raises LimitExceeded for trees that are too deep."""
    pending = [(branch, 1) for branch in fields.list_of(tree, "branches", dict)]
    while pending:
        branch, depth = pending.pop()
        if depth > DEPTH_LIMIT:
            raise LimitExceeded(f"{fields.where}: branches are nested deeper than {DEPTH_LIMIT} levels")
        yield branch
        pending.extend((inner, depth + 1) for inner in fields.list_of(branch, "branches", dict))


def relationships_of(fields: Fields, tree: _Object, *, required: bool) -> t.Iterator[tuple[str, str, str]]:
    """Each relationship: the id of the whole, its part, and what the part is in. ``required``: none of them lacks."""
    for relationship in fields.list_of(tree, "relationships", dict):
        whole = fields.dict_of(relationship, "full_product_name", required=required)
        yield (
            fields.text_of(whole, "product_id", required=required),
            fields.text_of(relationship, "product_reference", required=required),
            fields.text_of(relationship, "relates_to_product_reference", required=required),
        )


def groups_of(fields: Fields, tree: _Object) -> dict[str, list[str]]:
    """Each group of products: its id and theirs."""
    groups = fields.list_of(tree, "product_groups", dict)
    return {fields.text_of(group, "group_id"): fields.list_of(group, "product_ids", str) for group in groups}
