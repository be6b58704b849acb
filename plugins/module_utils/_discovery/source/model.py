# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the sources of images: what a source is, and what it gives."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import ScanError
from ..cluster import Cluster
from ..model import Arrival, Catalogue, Excluded, NamedImage, NameUsage, Unidentified

Params = t.Mapping[str, t.Any]


@dataclasses.dataclass
class Gathered:
    """What sources gave, before anybody asks what the names mean. ``uses``: names of what runs, and who uses them."""

    named: list[NamedImage] = dataclasses.field(default_factory=list)
    excluded: list[Excluded] = dataclasses.field(default_factory=list)
    unidentified: list[Unidentified] = dataclasses.field(default_factory=list)
    uses: dict[NamedImage, NameUsage] = dataclasses.field(default_factory=dict)
    catalogue: Catalogue = dataclasses.field(default_factory=Catalogue)

    def fail(self, name: str, source: str, error: ScanError) -> None:
        """Note what could not be identified, and why."""
        self.unidentified.append(Unidentified(name, source, error.code, str(error)))

    def add(self, part: Gathered) -> None:
        """Take in what another source gave."""
        self.named += part.named
        self.excluded += part.excluded
        self.unidentified += part.unidentified
        self.uses.update(part.uses)
        self.catalogue = self.catalogue.joined(part.catalogue)


@dataclasses.dataclass(frozen=True)
class WatchedKind:
    """Objects of a cluster that tell of new images: their API, their plural, and what reads one.

    ``label``: their name in a sentence. ``namespaced``: False for objects in no namespace, without labels.
    ``check``: raises InputError for a cluster that has no such objects.
    """

    name: str
    label: str
    prefix: str
    resource: str
    read: t.Callable[[dict[str, t.Any], Cluster], list[Arrival]]
    namespaced: bool = True
    check: t.Callable[[Cluster], None] = lambda cluster: None


@dataclasses.dataclass(frozen=True)
class DiscoverySource:
    """A source of images.

    ``argument_spec``: the option that has its name. A list must be given to be used; a dictionary has its defaults.
    ``parse``: the value of the option and all options -> a query, before anything is asked. Raises InputError.
    ``gather``: what a query gives. It gets the cluster if ``in_cluster``, else the access to registries.
    ``tells_use``: True for what tells which images run. ``watch``: the objects that tell of new images.
    """

    name: str
    argument_spec: Params
    gather: t.Callable[[t.Any, t.Any], Gathered]
    parse: t.Callable[[t.Any, Params], t.Any] = lambda value, params: value
    in_cluster: bool = False
    tells_use: bool = False
    watch: tuple[WatchedKind, ...] = ()

    @property
    def has_defaults(self) -> bool:
        """True if nothing has to be given for it."""
        return bool(self.argument_spec["type"] == "dict")

    def is_given(self, params: Params) -> bool:
        """Return whether its option is given; a dictionary can be empty."""
        return params[self.name] not in (None, [])

    def query(self, params: Params) -> t.Any:
        """Read its option. Raises InputError for what cannot be understood."""
        value = params[self.name]
        if value is None:
            value = {name: option.get("default") for name, option in self.argument_spec.get("options", {}).items()}
        return self.parse(value, params)
