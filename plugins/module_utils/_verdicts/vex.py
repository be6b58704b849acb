# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VEX of an image's maker, as OpenVEX 0.2.0 or CSAF 2.x, read from files that the administrator names.

Nothing of a file is used before its detached signature was checked with the key that is named beside it. A statement
must name an image, by digest or by repository; one that names packages alone could be about any image, and is not
used. Where several statements are about one finding, the newest counts, and of equally new ones the one that clears
nothing.

What could clear a finding is read narrowly, and not used where it is unclear. What says that a finding counts, and so
takes an older statement back, is read widely: an unclear part stands for the whole image.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from .._core.safe_json import field, read_object
from .._core.text import visible
from .._core.times import CLOCK_SKEW, parse_time, utc_text
from .._vulnerabilities.documents.csaf_products import NESTING_LIMIT, branches_of, groups_of, relationships_of
from .._vulnerabilities.feeds.signatures import SUFFIX, Keys, read_signature
from .exceptions import JUSTIFICATIONS
from .vex_names import DIGEST, ImageName, PackageName, image_of_purl, images_meant_by, package_of_purl
from .vex_statements import COUNTING, VexDocument, VexStatement

#: Bytes of one document, statements (image, package, vulnerability) that it may expand to, ids of one of them, and
#: steps through its lists and relationships.
SIZE_LIMIT = 16 << 20
STATEMENT_LIMIT = 100_000
IDS_LIMIT = 100
STEP_LIMIT = 1_000_000
CONTEXT = "https://openvex.dev/ns/v0.2.0"

_T = t.TypeVar("_T", ImageName, PackageName)
_STATUSES = ("not_affected", "affected", "fixed", "under_investigation")
_CSAF_STATUSES: t.Mapping[str, str] = {
    "known_not_affected": "not_affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "known_affected": "affected",
    "first_affected": "affected",
    "last_affected": "affected",
    "under_investigation": "under_investigation",
    # CSAF 2.1
    "unknown": "under_investigation",
}
_PROBLEMS_KEPT = 20
_TEXT_LIMIT = 1000


def load_vex(path: str, signature_key: str, *, now: datetime.datetime) -> VexDocument:
    """Read a file, check its signature (beside it, ``.asc``), and read what it says.

    What is not signed as it should be, or is not such a document, comes back without statements and with the reason.
    Raises ScanError where the file or the key cannot be read, ImportError without pysequoia or packageurl.
    """
    keys = Keys.read(signature_key)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise InputError(f"the VEX file {path} cannot be read: {error.strerror or error}") from error
    try:
        signature = read_signature(Path(path + SUFFIX))
        if signature is None:
            return VexDocument(path, problems=(f"not used: there is no signature {path}{SUFFIX}",))
        keys.check(data, signature)
    except (CorruptData, LimitExceeded) as error:
        return VexDocument(path, problems=(f"not used: {visible(str(error), _TEXT_LIMIT)}",))
    try:
        document = read_vex(data, path, now=now)
    except ScanError as error:
        return VexDocument(path, verified=True, problems=(f"not used: {visible(str(error), _TEXT_LIMIT)}",))
    return dataclasses.replace(document, verified=True)


def read_vex(data: bytes, document_name: str, *, now: datetime.datetime) -> VexDocument:
    """Read a document of which it is known who wrote it. Raises CorruptData, LimitExceeded."""
    value = read_object(data, document_name, limit=SIZE_LIMIT)
    reader = _VexReader(document_name, now)
    if "@context" in value:
        reader.openvex(value)
    elif "document" in value:
        _Csaf(reader, value).read()
    else:
        raise CorruptData(f"{document_name} is neither OpenVEX (it has no '@context') nor CSAF (it has no 'document')")
    if not reader.statements and not reader.problems:
        reader.problem("it says nothing")
    problems = tuple(reader.problems)
    if reader.left:
        problems += (f"and {reader.left} more that are not used",)
    return VexDocument(document_name, reader.id, reader.author, False, tuple(reader.statements), problems)


class _VexReader:
    """Statements and problems of one document, bounded."""

    def __init__(self, document_name: str, now: datetime.datetime) -> None:
        self.where = document_name
        self.now = now
        self.id = ""
        self.author = ""
        self.statements: list[VexStatement] = []
        self.problems: list[str] = []
        self.left = 0
        self._steps = 0

    def problem(self, text: str) -> None:
        if len(self.problems) < _PROBLEMS_KEPT:
            self.problems.append(text)
        else:
            self.left += 1

    def time(self, text: str, place: str) -> str:
        """A time that is not in the future: what is said tomorrow would outlive every correction."""
        moment = parse_time(text, f"{self.where}: {place}")
        if moment > self.now + CLOCK_SKEW:
            raise CorruptData(f"{self.where}: {place} is {visible(text, 60)}, which lies in the future")
        return utc_text(moment)

    def step(self) -> None:
        """Count one step: lists that name lists make much of little."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise LimitExceeded(f"{self.where} takes more than {STEP_LIMIT} steps to read")

    def ids(self, texts: t.Iterable[str], place: str) -> tuple[str, ...]:
        """The ids of a vulnerability, each once."""
        ids = tuple(dict.fromkeys(filter(None, texts)))
        if len(ids) > IDS_LIMIT:
            raise LimitExceeded(f"{self.where}: {place}: the vulnerability has more than {IDS_LIMIT} ids")
        return ids

    def add(self, statement: VexStatement) -> None:
        if len(self.statements) >= STATEMENT_LIMIT:
            raise LimitExceeded(f"{self.where} says more than {STATEMENT_LIMIT} things")
        self.statements.append(statement)
        if statement.status == "not_affected" and not statement.clears:
            self.problem(f"{visible(statement.ids[0], 60)}: not_affected without a justification or impact statement")
        elif statement.status == "fixed" and not statement.clears:
            self.problem(f"{visible(statement.ids[0], 60)}: fixed in an image without a digest, so in no build of it")

    def text(self, holder: t.Mapping[str, t.Any], name: str, place: str) -> str:
        return (field(holder, name, str, f"{self.where}: {place}") or "").strip()[:_TEXT_LIMIT]

    def items(self, holder: t.Mapping[str, t.Any], name: str, place: str) -> list[t.Any]:
        return field(holder, name, list, f"{self.where}: {place}") or []

    def objects(self, holder: t.Mapping[str, t.Any], name: str, place: str) -> list[dict[str, t.Any]]:
        items = self.items(holder, name, place)
        if not all(isinstance(item, dict) for item in items):
            raise CorruptData(f"{self.where}: {place}: {name} has something in it that is not an object")
        return items

    def texts(self, holder: t.Mapping[str, t.Any], name: str, place: str) -> list[str]:
        items = self.items(holder, name, place)
        if not all(isinstance(item, str) for item in items):
            raise CorruptData(f"{self.where}: {place}: {name} has something in it that is not text")
        return items

    def object(self, holder: t.Mapping[str, t.Any], name: str, place: str) -> dict[str, t.Any]:
        return field(holder, name, dict, f"{self.where}: {place}") or {}

    def openvex(self, value: dict[str, t.Any]) -> None:
        context = self.text(value, "@context", "the document")
        if context != CONTEXT:
            raise CorruptData(f"{self.where}: the version {visible(context, 100)} is not read; expected {CONTEXT}")
        self.id = self.text(value, "@id", "the document")
        self.author = self.text(value, "author", "the document")
        if not self.id or not self.author:
            raise CorruptData(f"{self.where}: the document has no '@id' or no 'author'")
        issued = self._openvex_time(value, "the document", "")
        if not issued:
            raise CorruptData(f"{self.where}: the document has no 'timestamp'")
        for number, statement in enumerate(self.objects(value, "statements", "the document"), 1):
            self._openvex_statement(statement, f"statement {number}", issued)

    def _openvex_time(self, holder: t.Mapping[str, t.Any], place: str, default: str) -> str:
        for name in ("last_updated", "timestamp"):
            text = self.text(holder, name, place)
            if text:
                return self.time(text, f"{place}: {name}")
        return default

    def _openvex_statement(self, statement_fields: dict[str, t.Any], place: str, issued: str) -> None:
        vulnerability = self.object(statement_fields, "vulnerability", place)
        name = self.text(vulnerability, "name", f"{place}: vulnerability")
        if not name:
            raise CorruptData(f"{self.where}: {place}: the vulnerability has no name")
        status = self.text(statement_fields, "status", place)
        if status not in _STATUSES:
            raise CorruptData(f"{self.where}: {place}: '{visible(status, 60)}' is not a status of OpenVEX")
        justification = self.text(statement_fields, "justification", place)
        if justification and justification not in JUSTIFICATIONS:
            raise CorruptData(f"{self.where}: {place}: '{visible(justification, 60)}' is not a justification")
        names = [name, *self.texts(vulnerability, "aliases", f"{place}: vulnerability")]
        if status in COUNTING:
            names.append(self.text(vulnerability, "@id", f"{place}: vulnerability"))
        statement = VexStatement(
            ids=self.ids(names, place),
            status=status,
            image=ImageName(),
            package=None,
            time=self._openvex_time(statement_fields, place, issued),
            justification=justification,
            impact=self.text(statement_fields, "impact_statement", place),
            document=self.id,
            author=self.author,
        )
        products = self.objects(statement_fields, "products", place)
        if not products:
            self.problem(f"{place} names no product")
        for product in products:
            self._openvex_product(product, place, statement)

    def _openvex_product(self, product: dict[str, t.Any], place: str, statement: VexStatement) -> None:
        """Add a statement for each image and package that a product stands for."""
        images = self._openvex_images(product, place, statement.widely)
        if not images:
            shown = visible(self.text(product, "@id", place) or "a product without an @id", 200)
            self.problem(f"{place}: {shown} names no image by digest or repository")
            return
        packages = self._openvex_parts(product, place, statement.widely)
        for image in images:
            for package in packages:
                self.add(dataclasses.replace(statement, image=image, package=package))

    def _openvex_parts(self, product: dict[str, t.Any], place: str, widely: bool) -> list[PackageName | None]:
        """The packages that are meant; None for the whole image."""
        if "subcomponents" not in product:
            return [None]
        parts = self.objects(product, "subcomponents", place)
        packages = [self._openvex_package(part, place) for part in parts]
        if widely:
            return [None] if not parts or None in packages else list(packages)
        if not parts:
            self.problem(f"{place}: the list of subcomponents is empty")
        for part, package in zip(parts, packages):
            if package is None:
                shown = visible(self.text(part, "@id", place) or "a subcomponent without an @id", 200)
                self.problem(f"{place}: {shown} is not an RPM package")
        return [package for package in packages if package is not None]

    def _urls(self, component: dict[str, t.Any], place: str) -> list[str]:
        identifiers = self.object(component, "identifiers", place)
        texts = (self.text(component, "@id", place), self.text(identifiers, "purl", place))
        return [text for text in dict.fromkeys(texts) if text.startswith("pkg:")]

    def _openvex_images(self, product: dict[str, t.Any], place: str, widely: bool) -> list[ImageName]:
        digest = self.text(self.object(product, "hashes", place), "sha-256", place).lower()
        if DIGEST.fullmatch(f"sha256:{digest}"):
            return [ImageName(digest=f"sha256:{digest}")]
        urls = self._urls(product, place)
        images = [image_of_purl(url) for url in urls]
        # Two URLs of one product that name different images contradict each other.
        if not digest and len(set(images)) == 1 and images[0] is not None:
            return [images[0]]
        return list(dict.fromkeys(image for url in urls for image in images_meant_by(url))) if widely else []

    def _openvex_package(self, part: dict[str, t.Any], place: str) -> PackageName | None:
        packages = {package_of_purl(url) for url in self._urls(part, place)}
        return packages.pop() if len(packages) == 1 else None


class _TreeFields:
    """Values of the product tree, read as the rest of the document is."""

    def __init__(self, reader: _VexReader) -> None:
        self.where = reader.where
        self._reader = reader

    def dict_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> dict[str, t.Any]:
        return self._reader.object(holder, key, "product_tree")

    def text_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> str:
        return self._reader.text(holder, key, "product_tree")

    def list_of(self, holder: dict[str, t.Any], key: str, kind: type) -> list[t.Any]:
        read = self._reader.objects if kind is dict else self._reader.texts
        return read(holder, key, "product_tree")


class _Csaf:
    """A CSAF document: products by id, of which relationships say what is in what."""

    def __init__(self, reader: _VexReader, value: dict[str, t.Any]) -> None:
        self._reader = reader
        self._value = value
        self._images: dict[str, ImageName] = {}
        #: Every image that a product id may stand for.
        self._meant: dict[str, dict[ImageName, None]] = {}
        self._packages: dict[str, PackageName] = {}
        self._inside: dict[str, list[str]] = {}
        self._groups: dict[str, list[str]] = {}

    def read(self) -> None:
        reader = self._reader
        document = reader.object(self._value, "document", "the document")
        tracking = reader.object(document, "tracking", "document")
        category = reader.text(document, "category", "document")
        if category != "csaf_vex":
            raise CorruptData(f"{reader.where}: its category is '{visible(category, 60)}'; expected csaf_vex")
        version = reader.text(document, "csaf_version", "document")
        if not version.startswith("2."):
            raise CorruptData(f"{reader.where}: the CSAF version '{visible(version, 20)}' is not read; expected 2.x")
        status = reader.text(tracking, "status", "tracking")
        if status not in ("final", "interim"):
            raise CorruptData(f"{reader.where}: its status is '{visible(status, 20)}'; expected final or interim")
        reader.id = reader.text(tracking, "id", "tracking")
        reader.author = reader.text(reader.object(document, "publisher", "document"), "name", "publisher")
        if not reader.id or not reader.author:
            raise CorruptData(f"{reader.where}: the document has no id or no publisher")
        released = reader.text(tracking, "current_release_date", "tracking")
        time = reader.time(released, "current_release_date")
        tree = reader.object(self._value, "product_tree", "the document")
        fields = _TreeFields(reader)
        for branch in reversed(list(branches_of(fields, tree))):  # of two definitions the last one counts
            self._product(reader.object(branch, "product", "a branch"))
        for product in reader.objects(tree, "full_product_names", "product_tree"):
            self._product(product)
        # What lacks is passed over: refused, the document could take nothing back that was said before.
        self._inside = {parent: ends for parent, *ends in relationships_of(fields, tree, required=False)}
        self._groups = groups_of(fields, tree)
        for number, vulnerability in enumerate(reader.objects(self._value, "vulnerabilities", "the document"), 1):
            self._vulnerability(vulnerability, f"vulnerability {number}", time)

    def _product(self, product: dict[str, t.Any]) -> None:
        reader = self._reader
        name = reader.text(product, "product_id", "a product")
        helper = reader.object(product, "product_identification_helper", "a product")
        if not name or not helper:
            return
        urls = [reader.text(helper, "purl", "a product"), *reader.texts(helper, "purls", "a product")]
        urls = list(filter(None, urls))
        named_images = self._meant.setdefault(name, {})
        named_images.update(dict.fromkeys(image for url in urls for image in images_meant_by(url)))
        image, package = _only(map(image_of_purl, urls)), _only(map(package_of_purl, urls))
        if image is not None:
            self._images[name] = image
        if package is not None:
            self._packages[name] = package

    def _resolve(self, product: str, depth: int = 0) -> tuple[ImageName | None, PackageName | None]:
        """The image and the package that a product id stands for; an id that is neither of them gives no image."""
        if product in self._images:
            return self._images[product], None
        if product in self._packages:
            return None, self._packages[product]
        if product not in self._inside or depth > NESTING_LIMIT:
            return None, None
        part, parent = self._inside[product]
        inner_image, package = self._resolve(part, depth + 1)
        image, _package = self._resolve(parent, depth + 1)
        # A part that is not understood must not become the whole image.
        if package is None or inner_image is not None:
            return None, None
        return image, package

    def _products(self, product: str, status: str) -> list[tuple[ImageName, PackageName | None]]:
        """The images, and packages in them, that a status is said of."""
        image, package = self._resolve(product)
        if image is not None:
            return [(image, package)]
        if status not in COUNTING:
            return []
        images: dict[ImageName, None] = {}
        names: set[str] = set()
        waiting = [product]
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                self._reader.step()
                images.update(self._meant.get(name, {}))
                waiting += self._inside.get(name, ())
        return [(image_name, None) for image_name in images]

    def _members(self, holder: dict[str, t.Any], place: str) -> t.Iterator[str]:
        yield from self._reader.texts(holder, "product_ids", place)
        for group in self._reader.texts(holder, "group_ids", place):
            yield from self._groups.get(group, ())

    def _justifications(self, vulnerability: dict[str, t.Any], place: str) -> dict[str, str]:
        """The flag of each product."""
        justifications: dict[str, str] = {}
        for flag in self._reader.objects(vulnerability, "flags", place):
            label = self._reader.text(flag, "label", f"{place}: flag")
            if label not in JUSTIFICATIONS:
                raise CorruptData(f"{self._reader.where}: {place}: the flag '{visible(label, 60)}' is not known")
            for product in self._members(flag, f"{place}: flag"):
                justifications[product] = label
                self._reader.step()
        return justifications

    def _impacts(self, vulnerability: dict[str, t.Any], place: str) -> dict[str, str]:
        """Return what is said of the impact on each product."""
        impacts: dict[str, str] = {}
        for threat in self._reader.objects(vulnerability, "threats", place):
            if self._reader.text(threat, "category", f"{place}: threat") == "impact":
                details = self._reader.text(threat, "details", f"{place}: threat")
                for product in self._members(threat, f"{place}: threat"):
                    impacts[product] = details
                    self._reader.step()
        return impacts

    def _vulnerability(self, vulnerability: dict[str, t.Any], place: str, time: str) -> None:
        reader = self._reader
        ids = [reader.text(vulnerability, "cve", place)]
        ids += [reader.text(entry, "text", place) for entry in reader.objects(vulnerability, "ids", place)]
        names = reader.ids(ids, place)
        if not names:
            raise CorruptData(f"{reader.where}: {place} has neither cve nor ids")
        justifications = self._justifications(vulnerability, place)
        impacts = self._impacts(vulnerability, place)
        statuses = reader.object(vulnerability, "product_status", place)
        for name, status in _CSAF_STATUSES.items():
            for product in reader.texts(statuses, name, f"{place}: product_status"):
                products = self._products(product, status)
                if not products:
                    reader.problem(
                        f"{place}: {visible(product, 200)} names no image, or a part that is not an RPM package"
                    )
                for image, package in products:
                    reader.add(
                        VexStatement(
                            ids=names,
                            status=status,
                            image=image,
                            package=package,
                            time=time,
                            justification=justifications.get(product, ""),
                            impact=impacts.get(product, ""),
                            document=reader.id,
                            author=reader.author,
                        )
                    )


def _only(values: t.Iterable[_T | None]) -> _T | None:
    """The value that all of them have; None where they differ, or there are none."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
