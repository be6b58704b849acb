# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the documents that could not be read may say something of an image (see ``documents.unread``)."""

from __future__ import annotations

import typing as t

from ..._packages.model import Package
from ..index.reader import RejectedDocument
from ..model import UnreadDocument
from .packages import names_of


class Unread:
    """The documents of a feed that could not be read, by the names in them."""

    def __init__(self, documents: t.Sequence[RejectedDocument]) -> None:
        self._documents = documents
        self._by_name: dict[str, list[int]] = {}
        self._by_distribution = [number for number, document in enumerate(documents) if not document.scope.names]
        for number, document in enumerate(documents):
            for name in document.scope.names:
                self._by_name.setdefault(name, []).append(number)

    def naming(self, package: Package) -> tuple[tuple[int, str], ...]:
        """Number and name for each document that names a package, its source or its module."""
        if not self._by_name:
            return ()
        names = {name.partition(":")[0] for name in names_of(package)}
        return tuple((number, name) for name in sorted(names) for number in self._by_name.get(name, ()))

    def concerning(
        self, named: t.Mapping[int, t.Collection[str]], distributions: t.Collection[str]
    ) -> tuple[UnreadDocument, ...]:
        """The documents that concern an image, by path. ``named``: what ``naming`` gave for its packages.

        ``distributions``: every ``ID`` of os-release of the image's distribution.
        """
        concerned = [(number, tuple(sorted(names))) for number, names in named.items()]
        for number in self._by_distribution:
            scope = self._documents[number].scope
            if not scope.distributions or set(scope.distributions) & set(distributions):
                concerned.append((number, ()))
        return tuple(
            UnreadDocument(self._documents[number].path, self._documents[number].sha256, names)
            for number, names in sorted(concerned)
        )
