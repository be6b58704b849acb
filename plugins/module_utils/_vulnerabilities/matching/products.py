# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Products of images, and how those of a feed relate to them."""

from __future__ import annotations

import typing as t

from ..cpes import ImageProducts, Relation

#: Lists of products of which those that have to do with the images are kept.
RELATED_KEPT = 20_000


class Products(ImageProducts):
    """The products of images, and how those of the feed relate to them. ``release``: as in ``BuildCase``."""

    def __init__(
        self, cpes: t.Iterable[str], products: t.Sequence[tuple[str, str]], release: tuple[int, int] | None
    ) -> None:
        super().__init__(cpes)
        self.release = release
        self.own_majors = {cpe.major for cpe in self.rhel}
        by_cpe = {cpe: self.relate(cpe) for cpe, _product in products}
        self.relations = [by_cpe[cpe] for cpe, _product in products]
        self._related: dict[tuple[int, ...], list[tuple[int, Relation]]] = {}

    def related(self, products: t.Sequence[int]) -> list[tuple[int, Relation]]:
        """Those of the feed's products that have to do with the images. The feed names the same ones over and over."""
        key = tuple(products)
        relations = self._related.get(key)
        if relations is None:
            if len(self._related) > RELATED_KEPT:
                self._related.clear()
            every = ((product, self.relations[product]) for product in key)
            relations = self._related[key] = [
                (product, relation) for product, relation in every if relation is not None
            ]
        return relations
