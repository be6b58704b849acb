# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of one OSV record (https://ossf.github.io/osv-schema/), as AlmaLinux and Rocky Linux publish their advisories.

A record is one advisory: which builds fix which CVEs. What has no fix yet stands in no record. Records name binary
packages without architecture and, where they are modular, without their module; title and dist tag tell.
They do not name all: ALSA-2025:19912 about bind listed bind-doc and bind-license, and not bind or bind-libs. So the
source package that the title is about counts as fixed, too, which concerns everything built from it.
"""

from __future__ import annotations

import collections
import re
import typing as t

from ..._core.errors import CorruptData, InputError
from ..._core.safe_json import field, read_object
from ..._core.times import utc_text
from ..._packages.rpm.modules import is_modular
from ..distributions import DISTRIBUTIONS, Distribution, ecosystem_of
from .advisories import build_of, is_name, kept_text, modules_in, read_severity, subject_of, title_severity
from .model import UNKNOWN_MODULE, Document, StatementRow

RECORD_LIMIT = 16 << 20  # bytes; the largest published ones have some 2 MB
VULNERABILITIES_LIMIT = 5000  # of one record
ROWS_LIMIT = 1_000_000  # packages times vulnerabilities

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ID = re.compile(r"[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9:-]{1,48}")
#: Advisories about defects and enhancements; they fix no vulnerability unless they say so.
_HARMLESS = re.compile(r"(?:ALBA|ALEA|RLBA|RLEA|RXBA|RXEA)-")


def read_record(data: bytes, where: str, *, names: t.Container[str] | None = None) -> Document:
    """Read one record; with ``names`` only what it says of these packages. ``where`` names it in messages.

    The category is ``osv``, or ``osv-other`` for one that concerns none of our distributions or fixes no vulnerability.
    Raises CorruptData for what is not an OSV record, LimitExceeded for what is too large.
    """
    return _Record(read_object(data, where, limit=RECORD_LIMIT, unique=True), where, names).read()


def _fix_of_source(source: str, fixes: t.Sequence[StatementRow]) -> StatementRow | None:
    named = [row for row in fixes if f"{row.name}-".startswith(f"{source}-")]
    builds = {row.evr.rpartition(":")[2] for row in named}
    return named[0]._replace(name=source, evr=builds.pop(), arch="src") if len(builds) == 1 else None


class _Record:
    def __init__(self, root: dict[str, t.Any], where: str, names: t.Container[str] | None) -> None:
        self.root = root
        self.where = where
        self.names = names
        self.skipped: collections.Counter[str] = collections.Counter()
        self.owner: Distribution | None = None

    def read(self) -> Document:
        identity = field(self.root, "id", str, self.where) or ""
        modified = field(self.root, "modified", str, self.where) or ""
        self.check_head(identity, modified)
        revision = utc_text(modified, f"{self.where}: modified")
        withdrawn = field(self.root, "withdrawn", str, self.where)
        if withdrawn:
            utc_text(withdrawn, f"{self.where}: withdrawn")
            return Document("osv", revision, True, (), {})
        cves = self.vulnerabilities()
        if not cves and _HARMLESS.match(identity):
            return Document("osv-other", revision, False, (), {"not_security": 1})
        rows = self.all_rows(identity)
        if rows is None:
            return Document("osv-other", revision, False, (), dict(self.skipped))
        ids = tuple(cves or [identity])
        if len(rows) * len(ids) > ROWS_LIMIT:
            raise CorruptData(f"{self.where} says more than {ROWS_LIMIT} things")
        shared = self.wanted(rows)
        return Document("osv", revision, False, tuple((name, shared) for name in ids), dict(self.skipped))

    def wanted(self, rows: t.Sequence[StatementRow]) -> tuple[StatementRow, ...]:
        return tuple(row for row in rows if self.names is None or row.name in self.names)

    def all_rows(self, identity: str) -> list[StatementRow] | None:
        """What is said of the packages of all distributions that are read; None for a record about none of them."""
        self.owner = next((own for own in DISTRIBUTIONS if own.ecosystem and identity.startswith(own.advisories)), None)
        is_ours = False
        rows: list[StatementRow] = []
        for affected in self.objects(self.root, "affected"):
            product = self.product_of(affected)
            if product is None:
                self.skipped["other_ecosystem"] += 1
                continue
            is_ours = True
            rows.extend(self.rows(affected, identity, *product))
        rows.extend(self.sources(rows))
        if not is_ours and self.owner is not None:
            raise CorruptData(f"{self.where} is an advisory of {self.owner.name} and names no package")
        return rows if is_ours else None

    def check_head(self, identity: str, modified: str) -> None:
        if not modified or not ("affected" in self.root or "withdrawn" in self.root):
            raise CorruptData(
                f"{self.where} is not an OSV record: it has no 'modified' or no 'affected'", code="not-osv"
            )
        if not _ID.fullmatch(identity):
            raise CorruptData(f"{self.where}: {ascii(identity)[:60]} is not the id of a record")

    def objects(self, holder: dict[str, t.Any], key: str) -> list[dict[str, t.Any]]:
        items = field(holder, key, list, self.where) or []
        if not all(isinstance(item, dict) for item in items):
            raise CorruptData(f"{self.where}: {key} is not a list of objects")
        return items

    def vulnerabilities(self) -> list[str]:
        """The CVEs that the advisory is about."""
        cves: dict[str, None] = {}
        for key in ("upstream", "related", "aliases"):
            for text in field(self.root, key, list, self.where) or []:
                if not isinstance(text, str):
                    raise CorruptData(f"{self.where}: {key} is not a list of texts")
                if _CVE.fullmatch(text):
                    cves[text] = None
        if len(cves) > VULNERABILITIES_LIMIT:
            raise CorruptData(f"{self.where} is about more than {VULNERABILITIES_LIMIT} vulnerabilities")
        return sorted(cves)

    def product_of(self, affected: dict[str, t.Any]) -> tuple[str, Distribution, str] | None:
        """Package name, distribution and release that an entry is about; None for those of others."""
        package = field(affected, "package", dict, self.where) or {}
        ecosystem = field(package, "ecosystem", str, self.where) or ""
        try:
            owner = ecosystem_of(ecosystem)
        except InputError as error:
            raise CorruptData(f"{self.where}: the ecosystem {error.message}") from error
        if self.owner is not None and (owner is None or owner[0] is not self.owner):
            raise CorruptData(
                f"{self.where} is an advisory of {self.owner.name}; {ascii(ecosystem)[:60]} is none of it"
            )
        if owner is None:
            return None
        name = field(package, "name", str, self.where) or ""
        if not is_name(name):
            raise CorruptData(f"{self.where}: {ascii(name)[:60]} is not the name of a package")
        return name, *owner

    def rows(
        self, affected: dict[str, t.Any], advisory: str, name: str, distribution: Distribution, release: str
    ) -> t.Iterator[StatementRow]:
        severity = self.severity(affected)
        fixes, open_ended = self.fixes(affected)
        product = kept_text(f"{distribution.name} {release}".strip())
        cpe = distribution.cpe(release)
        for fix in fixes:
            evr = build_of(fix)
            if not evr:
                raise CorruptData(f"{self.where}: the version {ascii(fix)[:60]} cannot be read")
            module = self.module(evr) if is_modular(evr) else ""
            yield StatementRow(name, "fixed", module, evr, severity, "", advisory, "", "", cpe, product)
        if open_ended:
            self.skipped["without_fix"] += 1
            for module in ("", UNKNOWN_MODULE):
                yield StatementRow(
                    name, "known_affected", module, "", severity, "affected", advisory, "", "", cpe, product
                )

    def sources(self, rows: t.Sequence[StatementRow]) -> t.Iterator[StatementRow]:
        """The fix of the source package that the title is about, for each product.

        Its version is that of the packages named like it, if they have but one; its epoch is not known.
        """
        source = subject_of(field(self.root, "summary", str, self.where) or "")
        for cpe in dict.fromkeys(row.cpe for row in rows) if source else ():
            plain = [row for row in rows if (row.cpe, row.status, row.module) == (cpe, "fixed", "")]
            fix = _fix_of_source(source, plain)
            if fix is not None:
                yield fix
            elif plain:
                self.skipped["source_unknown"] += 1

    def fixes(self, affected: dict[str, t.Any]) -> tuple[list[str], bool]:
        """Versions that fix, and whether there are builds that nothing fixes.

        Where a vulnerability begins does not count: an older build is taken to have it.
        """
        fixes: list[str] = []
        open_ended = False
        ranges = self.objects(affected, "ranges")
        for version_range in ranges:
            events = self.objects(version_range, "events")
            if not events:
                raise CorruptData(f"{self.where}: a range has no events")
            versions = [field(event, "fixed", str, self.where) or "" for event in events if "fixed" in event]
            fixes += versions
            open_ended = open_ended or not versions
        if not ranges:
            raise CorruptData(f"{self.where}: a package has no ranges of versions")
        return list(dict.fromkeys(fixes)), open_ended

    def module(self, evr: str) -> str:
        """The module of a modular build: the one that the title names, if it names one."""
        named = modules_in(field(self.root, "summary", str, self.where) or "")
        if len(named) == 1:
            return named[0]
        self.skipped["module_unknown"] += 1
        return UNKNOWN_MODULE

    def severity(self, affected: dict[str, t.Any]) -> str:
        for holder, key in (
            (affected, "ecosystem_specific"),
            (affected, "database_specific"),
            (self.root, "database_specific"),
        ):
            specific = holder.get(key)
            text = specific.get("severity") if isinstance(specific, dict) else None
            if isinstance(text, str) and (severity := read_severity(text)):
                return severity
        severity = title_severity(field(self.root, "summary", str, self.where) or "")
        if not severity:
            self.skipped["severity_missing"] += 1
        return severity or "critical"
