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
        found = read_vex(data, path, now=now)
    except ScanError as error:
        return VexDocument(path, verified=True, problems=(f"not used: {visible(str(error), _TEXT_LIMIT)}",))
    return dataclasses.replace(found, verified=True)


def read_vex(data: bytes, where: str, *, now: datetime.datetime) -> VexDocument:
    """Read a document of which it is known who wrote it. Raises CorruptData, LimitExceeded."""
    value = read_object(data, where, limit=SIZE_LIMIT)
    reader = _VexReader(where, now)
    if "@context" in value:
        reader.openvex(value)
    elif "document" in value:
        _Csaf(reader, value).read()
    else:
        raise CorruptData(f"{where} is neither OpenVEX (it has no '@context') nor CSAF (it has no 'document')")
    if not reader.statements and not reader.problems:
        reader.problem("it says nothing")
    problems = tuple(reader.problems)
    if reader.left:
        problems += (f"and {reader.left} more that are not used",)
    return VexDocument(where, reader.id, reader.author, False, tuple(reader.statements), problems)


class _VexReader:
    """Statements and problems of one document, bounded."""

    def __init__(self, where: str, now: datetime.datetime) -> None:
        self.where = where
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

    def time(self, text: str, what: str) -> str:
        """A time that is not in the future: what is said tomorrow would outlive every correction."""
        moment = parse_time(text, f"{self.where}: {what}")
        if moment > self.now + CLOCK_SKEW:
            raise CorruptData(f"{self.where}: {what} is {visible(text, 60)}, which lies in the future")
        return utc_text(moment)

    def step(self) -> None:
        """Count one step: lists that name lists make much of little."""
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise LimitExceeded(f"{self.where} takes more than {STEP_LIMIT} steps to read")

    def ids(self, found: t.Iterable[str], what: str) -> tuple[str, ...]:
        """The ids of a vulnerability, each once."""
        ids = tuple(dict.fromkeys(filter(None, found)))
        if len(ids) > IDS_LIMIT:
            raise LimitExceeded(f"{self.where}: {what}: the vulnerability has more than {IDS_LIMIT} ids")
        return ids

    def add(self, statement: VexStatement) -> None:
        if len(self.statements) >= STATEMENT_LIMIT:
            raise LimitExceeded(f"{self.where} says more than {STATEMENT_LIMIT} things")
        self.statements.append(statement)
        if statement.status == "not_affected" and not statement.clears:
            self.problem(f"{visible(statement.ids[0], 60)}: not_affected without a justification or impact statement")
        elif statement.status == "fixed" and not statement.clears:
            self.problem(f"{visible(statement.ids[0], 60)}: fixed in an image without a digest, so in no build of it")

    def text(self, holder: t.Mapping[str, t.Any], name: str, what: str) -> str:
        return (field(holder, name, str, f"{self.where}: {what}") or "").strip()[:_TEXT_LIMIT]

    def items(self, holder: t.Mapping[str, t.Any], name: str, what: str) -> list[t.Any]:
        return field(holder, name, list, f"{self.where}: {what}") or []

    def objects(self, holder: t.Mapping[str, t.Any], name: str, what: str) -> list[dict[str, t.Any]]:
        found = self.items(holder, name, what)
        if not all(isinstance(one, dict) for one in found):
            raise CorruptData(f"{self.where}: {what}: {name} has something in it that is not an object")
        return found

    def texts(self, holder: t.Mapping[str, t.Any], name: str, what: str) -> list[str]:
        found = self.items(holder, name, what)
        if not all(isinstance(one, str) for one in found):
            raise CorruptData(f"{self.where}: {what}: {name} has something in it that is not text")
        return found

    def object(self, holder: t.Mapping[str, t.Any], name: str, what: str) -> dict[str, t.Any]:
        return field(holder, name, dict, f"{self.where}: {what}") or {}

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
        for number, one in enumerate(self.objects(value, "statements", "the document"), 1):
            self._openvex_statement(one, f"statement {number}", issued)

    def _openvex_time(self, holder: t.Mapping[str, t.Any], what: str, default: str) -> str:
        for name in ("last_updated", "timestamp"):
            text = self.text(holder, name, what)
            if text:
                return self.time(text, f"{what}: {name}")
        return default

    def _openvex_statement(self, one: dict[str, t.Any], what: str, issued: str) -> None:
        vulnerability = self.object(one, "vulnerability", what)
        name = self.text(vulnerability, "name", f"{what}: vulnerability")
        if not name:
            raise CorruptData(f"{self.where}: {what}: the vulnerability has no name")
        status = self.text(one, "status", what)
        if status not in _STATUSES:
            raise CorruptData(f"{self.where}: {what}: '{visible(status, 60)}' is not a status of OpenVEX")
        justification = self.text(one, "justification", what)
        if justification and justification not in JUSTIFICATIONS:
            raise CorruptData(f"{self.where}: {what}: '{visible(justification, 60)}' is not a justification")
        names = [name, *self.texts(vulnerability, "aliases", f"{what}: vulnerability")]
        if status in COUNTING:
            names.append(self.text(vulnerability, "@id", f"{what}: vulnerability"))
        statement = VexStatement(
            ids=self.ids(names, what),
            status=status,
            image=ImageName(),
            package=None,
            time=self._openvex_time(one, what, issued),
            justification=justification,
            impact=self.text(one, "impact_statement", what),
            document=self.id,
            author=self.author,
        )
        products = self.objects(one, "products", what)
        if not products:
            self.problem(f"{what} names no product")
        for product in products:
            images = self._openvex_images(product, what, statement.widely)
            if not images:
                shown = visible(self.text(product, "@id", what) or "a product without an @id", 200)
                self.problem(f"{what}: {shown} names no image by digest or repository")
                continue
            packages = self._openvex_parts(product, what, statement.widely)
            for image in images:
                for package in packages:
                    self.add(dataclasses.replace(statement, image=image, package=package))

    def _openvex_parts(self, product: dict[str, t.Any], what: str, widely: bool) -> list[PackageName | None]:
        """The packages that are meant; None for the whole image."""
        if "subcomponents" not in product:
            return [None]
        parts = self.objects(product, "subcomponents", what)
        packages = [self._openvex_package(part, what) for part in parts]
        if widely:
            return [None] if not parts or None in packages else list(packages)
        if not parts:
            self.problem(f"{what}: the list of subcomponents is empty")
        for part, package in zip(parts, packages):
            if package is None:
                shown = visible(self.text(part, "@id", what) or "a subcomponent without an @id", 200)
                self.problem(f"{what}: {shown} is not an RPM package")
        return [package for package in packages if package is not None]

    def _urls(self, component: dict[str, t.Any], what: str) -> list[str]:
        identifiers = self.object(component, "identifiers", what)
        texts = (self.text(component, "@id", what), self.text(identifiers, "purl", what))
        return [text for text in dict.fromkeys(texts) if text.startswith("pkg:")]

    def _openvex_images(self, product: dict[str, t.Any], what: str, widely: bool) -> list[ImageName]:
        digest = self.text(self.object(product, "hashes", what), "sha-256", what).lower()
        if DIGEST.fullmatch(f"sha256:{digest}"):
            return [ImageName(digest=f"sha256:{digest}")]
        urls = self._urls(product, what)
        images = [image_of_purl(url) for url in urls]
        # Two URLs of one product that name different images contradict each other.
        if not digest and len(set(images)) == 1 and images[0] is not None:
            return [images[0]]
        return list(dict.fromkeys(image for url in urls for image in images_meant_by(url))) if widely else []

    def _openvex_package(self, part: dict[str, t.Any], what: str) -> PackageName | None:
        packages = {package_of_purl(url) for url in self._urls(part, what)}
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
        self._inside = {whole: ends for whole, *ends in relationships_of(fields, tree, required=False)}
        self._groups = groups_of(fields, tree)
        for number, one in enumerate(reader.objects(self._value, "vulnerabilities", "the document"), 1):
            self._vulnerability(one, f"vulnerability {number}", time)

    def _product(self, product: dict[str, t.Any]) -> None:
        reader = self._reader
        name = reader.text(product, "product_id", "a product")
        helper = reader.object(product, "product_identification_helper", "a product")
        if not name or not helper:
            return
        urls = [reader.text(helper, "purl", "a product"), *reader.texts(helper, "purls", "a product")]
        urls = [url for url in urls if url]
        images = {image_of_purl(url) for url in urls}
        packages = {package_of_purl(url) for url in urls}
        image = images.pop() if len(images) == 1 else None
        package = packages.pop() if len(packages) == 1 else None
        meant = self._meant.setdefault(name, {})
        meant.update(dict.fromkeys(image for url in urls for image in images_meant_by(url)))
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
        part, whole = self._inside[product]
        inner_image, package = self._resolve(part, depth + 1)
        image, _package = self._resolve(whole, depth + 1)
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
        found: dict[ImageName, None] = {}
        seen: set[str] = set()
        waiting = [product]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                self._reader.step()
                found.update(self._meant.get(name, {}))
                waiting += self._inside.get(name, ())
        return [(one, None) for one in found]

    def _members(self, holder: dict[str, t.Any], what: str) -> t.Iterator[str]:
        yield from self._reader.texts(holder, "product_ids", what)
        for group in self._reader.texts(holder, "group_ids", what):
            yield from self._groups.get(group, ())

    def _vulnerability(self, one: dict[str, t.Any], what: str, time: str) -> None:
        reader = self._reader
        ids = [reader.text(one, "cve", what)]
        ids += [reader.text(other, "text", what) for other in reader.objects(one, "ids", what)]
        names = reader.ids(ids, what)
        if not names:
            raise CorruptData(f"{reader.where}: {what} has neither cve nor ids")
        justifications: dict[str, str] = {}
        impacts: dict[str, str] = {}
        for flag in reader.objects(one, "flags", what):
            label = reader.text(flag, "label", f"{what}: flag")
            if label not in JUSTIFICATIONS:
                raise CorruptData(f"{reader.where}: {what}: the flag '{visible(label, 60)}' is not known")
            for product in self._members(flag, f"{what}: flag"):
                justifications[product] = label
                reader.step()
        for threat in reader.objects(one, "threats", what):
            if reader.text(threat, "category", f"{what}: threat") == "impact":
                details = reader.text(threat, "details", f"{what}: threat")
                for product in self._members(threat, f"{what}: threat"):
                    impacts[product] = details
                    reader.step()
        statuses = reader.object(one, "product_status", what)
        for name, status in _CSAF_STATUSES.items():
            for product in reader.texts(statuses, name, f"{what}: product_status"):
                found = self._products(product, status)
                if not found:
                    reader.problem(
                        f"{what}: {visible(product, 200)} names no image, or a part that is not an RPM package"
                    )
                for image, package in found:
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
