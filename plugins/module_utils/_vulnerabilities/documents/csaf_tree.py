# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product tree of a CSAF document: what is behind the ids that it speaks of."""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import CorruptData
from ..cpes import parse_cpe
from .advisories import TEXT_LIMIT, kept_text
from .csaf_components import UNREADABLE, ComponentReader, CsafComponent, same_package
from .csaf_flat import as_stated
from .csaf_json import CsafFields
from .csaf_products import NESTING_LIMIT, branches_of, groups_of, relationships_of

_CPE = re.compile(r"cpe:[\x21-\x7e]{1,250}")


class ProductTree:
    """Products, relationships and groups of one document."""

    def __init__(self, fields: CsafFields, tree: dict[str, t.Any]) -> None:
        self.fields = fields
        self.products: dict[str, dict[str, t.Any]] = {}
        self.categories: set[str] = set()  # of its branches
        self.relationships: dict[str, tuple[str, str]] = {}
        self.spoken: set[str] = set()
        self.names_packages = False  # whether anything was said of an RPM or a module
        self.families: set[str] = set()  # names of branches with products in them
        self.parts = ComponentReader(fields, self.products)
        self.components: dict[str, CsafComponent | str] = {}
        self.wholes: dict[str, tuple[str, str]] = {}
        self.resolved: dict[str, tuple[CsafComponent, str, str] | str] = {}
        self.read_products(tree)
        self.read_relationships(tree)
        self.groups = groups_of(fields, tree)

    def read_products(self, tree: dict[str, t.Any]) -> None:
        for product in self.fields.list_of(tree, "full_product_names", dict):
            self.add_product(product)
        for branch in branches_of(self.fields, tree):
            if not branch.get("product") and not branch.get("branches"):
                # CSAF has one of them in each branch.
                raise CorruptData(f"{self.fields.where} has a branch of its product tree in which nothing is")
            self.categories.add(self.fields.text_of(branch, "category"))
            if "product" in branch:
                self.add_product(self.fields.dict_of(branch, "product"))
            if "branches" in branch:
                self.families.add(self.fields.text_of(branch, "name"))

    def add_product(self, product: dict[str, t.Any]) -> None:
        identity = self.fields.text_of(product, "product_id", required=True)
        helper = self.fields.dict_of(product, "product_identification_helper")
        if not same_package(self.products.setdefault(identity, helper), helper):
            raise CorruptData(f"{self.fields.where} defines {ascii(identity)[:100]} twice, and not alike")

    def read_relationships(self, tree: dict[str, t.Any]) -> None:
        for identity, part, whole in relationships_of(self.fields, tree, required=True):
            if identity in self.products or self.relationships.setdefault(identity, (part, whole)) != (part, whole):
                raise CorruptData(f"{self.fields.where} defines {ascii(identity)[:100]} twice, and not alike")

    def check_unspoken(self) -> None:
        """Refuse a document that relates a component to a product, or defines one, and says nothing of it.

        Vendors derive the tree from what they say: what nobody speaks of was said before something was lost. A
        relationship of a component that is not defined says nothing to anybody; such leftovers are counted, but not
        where they may be all that is left of what was said: in documents that say nothing of packages, or something of
        a product as a whole.
        """
        ends = {end for relationship in self.relationships.values() for end in relationship}
        for identity in self.relationships.keys() - self.spoken - ends:
            self._count_undefined(identity)
        for identity in (self.spoken | ends) - self.relationships.keys():
            ends.update(self.related(identity) or ())
        for identity in self.products.keys() - self.spoken - ends:
            if "cpe" not in self.products[identity]:
                raise CorruptData(f"{self.fields.where} defines {ascii(identity)[:100]}, of which nothing is said")
        self._check_undefined()

    def _count_undefined(self, identity: str) -> None:
        part = self.relationships[identity][0]
        if part in self.products or self.related(part):
            raise CorruptData(
                f"{self.fields.where} has no status for {ascii(identity)[:100]}, which its product tree names"
            )
        self.fields.skipped["undefined"] += 1

    def _check_undefined(self) -> None:
        if self.fields.skipped["undefined"] and (self.fields.skipped["no_relationship"] or not self.names_packages):
            raise CorruptData(f"{self.fields.where} relates components that its product tree does not define")

    def related(self, identity: str) -> tuple[str, str] | None:
        """Component and product that an id joins: by its relationship or, where that is missing, by what it is made of.

        Ids have colons in their parts: only parts that the document defines count.
        """
        parts = self.relationships.get(identity)
        if parts is None and identity not in self.products and len(identity) <= 4 * TEXT_LIMIT:
            at = identity.find(":")
            while at >= 0 and parts is None:
                whole, part = identity[:at], identity[at + 1 :]
                if whole in self.products and part in self.products:
                    parts = (part, whole)
                at = identity.find(":", at + 1)
        return parts

    def is_leftover(self, identity: str) -> bool:
        """Return whether an id without a status, named by a score or a workaround alone, is not an RPM of any product.

        Vendors name whole products there, families of products by their name, and components that the tree no longer
        defines. An RPM there has lost its status.
        """
        if identity in self.products:
            return "cpe" in self.products[identity]
        if self.related(identity) is not None:
            return False
        if identity in self.families:
            return True
        at = identity.find(":")
        while at >= 0:
            if identity[:at] in self.products:
                return isinstance(self.parts.component_of_name(identity[at + 1 :]), str)
            at = identity.find(":", at + 1)
        return isinstance(self.parts.component_of_name(identity), str)

    def resolve(self, identity: str) -> tuple[CsafComponent, str, str] | str:
        """CsafComponent, CPE and product id behind the id of a relationship, or the reason why there are none."""
        outcome = self.resolved.get(identity)
        if outcome is None:
            outcome = self.resolved[identity] = self.resolve_anew(identity)
        return outcome

    def resolve_anew(self, identity: str) -> tuple[CsafComponent, str, str] | str:
        relationship = self.related(identity)
        if relationship is None:
            if identity not in self.products:
                raise self.undefined(identity)
            if "cpe" not in self.products[identity]:
                # Vendors speak of whole products, which have a CPE; a component alone has lost its product.
                raise CorruptData(
                    f"{self.fields.where} speaks of {ascii(identity)[:100]} and of no product that has it"
                )
            return "no_relationship"
        part, whole, module = self.ends(identity, *relationship)
        product = self.whole(whole)
        component = self.component_of(part)
        if isinstance(component, str):
            return component
        if product[0] == UNREADABLE:
            # Passed over, what is said of the product's packages would look like nothing said.
            raise CorruptData(
                f"{self.fields.where}: the CPE of the product {ascii(product[1])[:100]} is missing or cannot be read"
            )
        if module and not component.module:
            component = component._replace(module=module)
        return component, *product

    def ends(self, identity: str, part: str, whole: str) -> tuple[str, str, str]:
        """The innermost component and the outermost product of a relationship, and the module between them."""
        module = ""
        for _level in range(NESTING_LIMIT):
            outer = self.related(whole)
            inner = self.related(part)
            if outer is not None:
                middle, whole = outer
            elif inner is not None:
                part, middle = inner
            else:
                return part, whole, module
            if middle not in self.products:
                raise self.undefined(middle)
            module = module or self.parts.module_of(middle)
        raise CorruptData(
            f"{self.fields.where}: the relationships of {ascii(identity)[:100]} are nested too deep, or in a circle"
        )

    def whole(self, identity: str) -> tuple[str, str]:
        """CPE and id of a product."""
        product = self.wholes.get(identity)
        if product is None:
            if identity not in self.products:
                raise self.undefined(identity)
            cpe = self.products[identity].get("cpe")
            if not isinstance(cpe, str) or not _CPE.fullmatch(cpe) or parse_cpe(cpe) is None:
                cpe = UNREADABLE
            product = self.wholes[identity] = (cpe, kept_text(identity))
        return product

    def component_of(self, part: str) -> CsafComponent | str:
        component = self.components.get(part)
        if component is None:
            if part not in self.products:
                raise self.undefined(part)
            component = self.parts.component_of(part)
            if not isinstance(component, str):
                purl = self.products[part].get("purl")
                component = as_stated(component, purl if isinstance(purl, str) else "", self.parts)
            self.components[part] = component
        return component

    def undefined(self, identity: str) -> CorruptData:
        return CorruptData(
            f"{self.fields.where} speaks of {ascii(identity)[:100]}, which its product tree does not define"
        )
