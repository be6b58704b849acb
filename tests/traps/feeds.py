# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the vulnerability data: missing, stale, cut short, partial, damaged."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import sqlite3
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import vex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import IndexUpdate
from ansible_collections.imagescan.openshift.tests.support import advisories as make

from . import distributions
from .situation import FEED, FIX, OTHERS, Advisories, document
from .trap import Trap, differs, hides


def cut_document(feed: Path) -> None:
    """A download that ended early."""
    path = feed / "2026" / "cve-2026-900101.json"
    path.write_bytes(path.read_bytes()[:-200])


def empty_document(feed: Path) -> None:
    (feed / "2026" / "cve-2026-900101.json").write_bytes(b"")


def error_page(feed: Path) -> None:
    """What a proxy sends in place of a document, with status 200."""
    (feed / "2026" / "cve-2026-900101.json").write_text("<html><body>Please log in</body></html>")


def no_documents(feed: Path) -> None:
    for path in (feed / "2026").iterdir():
        path.unlink()


def no_statements(feed: Path) -> None:
    """Documents that say nothing of any package, as those about software that the vendor does not have."""
    for path in (feed / "2026").iterdir():
        item = json.loads(path.read_text())
        product = {"product_id": "red_hat_products", "product_identification_helper": {"cpe": "cpe:/a:redhat"}}
        item["product_tree"] = {"branches": [{"category": "vendor", "name": "Red Hat", "product": product}]}
        item["vulnerabilities"] = [
            {"cve": item["vulnerabilities"][0]["cve"], "product_status": {"known_not_affected": ["red_hat_products"]}}
        ]
        path.write_text(json.dumps(item))


def older_copy(feed: Path) -> None:
    """A copy of the document from before the hole was understood, left in another folder."""
    said = vex.Says(vex.RHEL9_BASEOS, "known_not_affected", ("openssl-libs", "openssl.src"))
    (feed / "old").mkdir()
    text = json.dumps(document(said, released="2026-01-01T00:00:00+00:00"))
    (feed / "old" / "cve-2026-900101.json").write_text(text)


def unreadable(
    *names: str, change: t.Callable[[bytes], bytes] = lambda text: text.replace(b'"csaf_vex"', b'"csaf_vexx"')
) -> t.Callable[[Path], None]:
    """Another document, of these packages, that cannot be read."""

    def edit(feed: Path) -> None:
        says = vex.Says(vex.RHEL9, "known_affected", names)
        text = json.dumps(document(says, cve="CVE-2026-900177")).encode()
        (feed / "2026" / "cve-2026-900177.json").write_bytes(change(text))

    return edit


def lose_a_quote(text: bytes) -> bytes:
    return text.replace(b'"', b"", 1)


def lose_what_is_said(text: bytes) -> bytes:
    """A download that ended before the status of anything; what was related before may be one of several."""
    return text[: text.index(b'"product_status"')]


def lose_a_part(text: bytes) -> bytes:
    """A hole from the products to their status, and both ends are there."""
    return text[: text.index(b'"relationships"')] + text[text.index(b'"product_status"') :]


def cut_index(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


FRESH = "- {name: mine, vulnerabilities: {max_severity: moderate}, max_age: {newest: 30d}}\n"
SIZED = "- {name: mine, vulnerabilities: {max_severity: moderate, min_documents: %s}}\n"


def empty_index(path: Path) -> None:
    path.write_bytes(b"")


def newer_index(path: Path) -> None:
    """An index that a later version wrote."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
        database.commit()


def another_file(path: Path) -> None:
    """A SQLite file that is not an index."""
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE packages (name TEXT PRIMARY KEY, groups BLOB NOT NULL)")
        database.commit()


def older_form(path: Path) -> None:
    """An index that an earlier version of the collection wrote."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 1")
        database.commit()


def update_with_a_cut_document(path: Path) -> None:
    """The hole's document changed, and what came of the download was half of it."""
    with IndexUpdate(str(path), str(path)) as update:
        path_of_it = "2026/cve-2026-900101.json"
        assert update.remove(path_of_it)
        update.reject(path_of_it, "0" * 64, "2026-08-21T10:00:00Z", "it is not readable JSON")
        update.finish({})


def advisory(item: vex.Json) -> vex.Json:
    """The same document, said to be an advisory."""
    item = copy.deepcopy(item)
    item["document"]["category"] = "csaf_security_advisory"
    return item


def damaged(edit: t.Callable[[vex.Json], t.Any]) -> tuple[vex.Json, ...]:
    """The example feed with a change in the document that matters."""
    item = copy.deepcopy(document())
    edit(item)
    return (item, OTHERS)


def products_of(item: vex.Json) -> list[vex.Json]:
    """The products of a document, of all its branches."""
    found: list[vex.Json] = []
    pending = list(item["product_tree"]["branches"])
    while pending:
        branch = pending.pop()
        found += [branch["product"]] if "product" in branch else []
        pending += branch.get("branches", [])
    return found


def lose_tree(item: vex.Json) -> None:
    item["product_tree"] = {}


def lose_components(item: vex.Json) -> None:
    """All branches but those of the products: nothing tells what the ids mean."""
    vendor = item["product_tree"]["branches"][0]
    vendor["branches"] = [branch for branch in vendor["branches"] if branch["category"] == "product_family"]


def lose_products(item: vex.Json) -> None:
    vendor = item["product_tree"]["branches"][0]
    vendor["branches"] = [branch for branch in vendor["branches"] if branch["category"] != "product_family"]


def lose_cpes(item: vex.Json) -> None:
    for product in products_of(item):
        product["product_identification_helper"].pop("cpe", None)


def lose_relationship_ends(item: vex.Json) -> None:
    for relationship in item["product_tree"]["relationships"]:
        del relationship["relates_to_product_reference"]


def lose_statuses(item: vex.Json) -> None:
    item["vulnerabilities"][0]["product_status"] = {}


def lose_status_of_the_package(item: vex.Json) -> None:
    statuses = item["vulnerabilities"][0]["product_status"]
    statuses["fixed"] = [identity for identity in statuses["fixed"] if "openssl-libs" not in identity]


def say_twice(item: vex.Json, status: str) -> None:
    """Fixed, and something else."""
    statuses = item["vulnerabilities"][0]["product_status"]
    statuses[status] = statuses["fixed"]


def leave_score(item: vex.Json) -> None:
    """The score alone is left of all that the document says of the package."""
    (vulnerability,) = item["vulnerabilities"]
    vulnerability["scores"] = [{"products": vulnerability["product_status"]["fixed"], "cvss_v3": {"baseScore": 7.5}}]
    lose_package(item, but="scores")


def lose_package(item: vex.Json, *, but: str) -> None:
    """All that the document says of the package, but one thing that is left over."""

    def of_others(ids: t.Iterable[str]) -> list[str]:
        return [identity for identity in ids if "openssl-libs" not in identity]

    tree, (vulnerability,) = item["product_tree"], item["vulnerabilities"]
    tree["relationships"] = [one for one in tree["relationships"] if of_others([one["product_reference"]])]
    for branch in tree["branches"][0]["branches"]:
        inner = branch.get("branches", [])
        for leaf in [leaf for leaf in inner if not of_others([leaf["product"]["product_id"]])]:
            if but == "branches":
                del leaf["product"]
            else:
                inner.remove(leaf)
    vulnerability["product_status"] = {key: of_others(ids) for key, ids in vulnerability["product_status"].items()}
    for key in {"threats", "remediations", "scores"} - {but}:
        for one in vulnerability.get(key, []):
            ids = "products" if key == "scores" else "product_ids"
            one[ids] = of_others(one[ids])


def misspell_status(item: vex.Json) -> None:
    statuses = item["vulnerabilities"][0]["product_status"]
    statuses["fixed "] = statuses.pop("fixed")


def misspell_names(item: vex.Json) -> None:
    """A letter that no name has, in each package URL and id: the package would be none."""
    for product in products_of(item):
        helper = product["product_identification_helper"]
        if "purl" in helper:
            helper["purl"] = helper["purl"].replace("openssl", "open\x7fsl")


def change_purls(old: str, new: str) -> t.Callable[[vex.Json], None]:
    """A package URL that can be read, and says something else than the id of its build."""

    def change(item: vex.Json) -> None:
        for product in products_of(item):
            helper = product["product_identification_helper"]
            if old in helper.get("purl", ""):
                helper["purl"] = helper["purl"].replace(old, new)

    return change


def misspell_names_of_another_vendor(item: vex.Json) -> None:
    """The same, and whose packages they are is gone as well."""
    misspell_names(item)
    change_purls("pkg:rpm/redhat/", "pkg:rpm/re/")(item)


def key_twice(feed: Path) -> None:
    """A key that stands twice: the first one says what is fixed, the last one that nothing is affected."""
    path = feed / "2026" / "cve-2026-900101.json"
    item = json.loads(path.read_text())
    move_status(item)
    again = json.dumps(item["vulnerabilities"])
    path.write_text(path.read_text().rstrip().removesuffix("}") + f', "vulnerabilities": {again}}}')


def move_status(item: vex.Json) -> None:
    statuses = item["vulnerabilities"][0]["product_status"]
    statuses["known_not_affected"] = statuses.pop("fixed")


def speak_of_the_product(item: vex.Json) -> None:
    """All statements name the product alone, and the components of its relationships are gone."""
    lose_components(item)
    vulnerability = item["vulnerabilities"][0]
    vulnerability["product_status"] = {"fixed": [vex.RHEL9_BASEOS.id]}
    vulnerability["threats"][0]["product_ids"] = [vex.RHEL9_BASEOS.id]


def speak_of_components(item: vex.Json) -> None:
    """All statements name components alone, and nothing says of which product they are."""
    relationships = item["product_tree"].pop("relationships")
    vulnerability = item["vulnerabilities"][0]
    vulnerability["product_status"] = {"fixed": [one["product_reference"] for one in relationships]}
    vulnerability["threats"][0]["product_ids"] = [one["product_reference"] for one in relationships]


def rated(edit: t.Callable[[vex.Json], t.Any] = lambda threat: None) -> tuple[vex.Json, ...]:
    """A flaw that is low in general and important for this product, with a change in the rating that says so."""
    item = document(dataclasses.replace(FIX, severity="Important"), severity="Low", score=5.3)
    edit(item["vulnerabilities"][0]["threats"][0])
    return (item, OTHERS)


def unrated() -> tuple[vex.Json, ...]:
    """The same without any rating of a product; the scores are still there."""
    item, others = rated()
    del item["vulnerabilities"][0]["threats"]
    return item, others


#: Nothing about any package of the example image.
ELSEWHERE = document(vex.Says(vex.RHEL8, "known_affected", ("firefox",), state="Affected"))

#: Damage to the document that matters -> whom it fools.
DAMAGE: t.Mapping[str, tuple[t.Callable[[vex.Json], None], str]] = {
    "document-without-tree": (lose_tree, "whoever skips ids that nothing explains, here all of them"),
    "document-without-components": (lose_components, "whoever skips a component that the document does not define"),
    "document-without-products": (lose_products, "whoever skips a product that the document does not define"),
    "products-without-cpe": (lose_cpes, "whoever skips what is said of products without a CPE"),
    "relationships-without-product": (lose_relationship_ends, "whoever skips relationships that are not whole"),
    "document-without-statuses": (lose_statuses, "whoever takes a document that says nothing for one"),
    "package-without-status": (lose_status_of_the_package, "whoever reads the statuses alone: the tree names more"),
    "fixed-and-investigated": (
        lambda item: say_twice(item, "under_investigation"),
        "whoever takes one of two statuses of a product of which neither is the worse",
    ),
    "score-of-a-package-without-status": (
        leave_score,
        "whoever takes all that has a score and no status for a leftover of the vendor's",
    ),
    "package-of-which-the-fix-is-left": (
        lambda item: lose_package(item, but="remediations"),
        "whoever does not ask of what a document says more than it gives a status",
    ),
    "package-of-which-an-empty-branch-is-left": (
        lambda item: lose_package(item, but="branches"),
        "whoever skips branches of the tree in which nothing is",
    ),
    "status-misspelt": (misspell_status, "whoever skips a status of which nobody has heard"),
    "statements-of-the-product-alone": (
        speak_of_the_product,
        "whoever skips what is said of a whole product, and relationships of a component that is not defined",
    ),
    "package-url-of-another-package": (
        change_purls("/openssl-libs", "/openssl^libs"),
        "whoever believes a package URL, and does not look at the id of the same build",
    ),
    "package-url-of-another-build": (change_purls("@3.0.7-", "@3.0.0-"), "the same for the version that is fixed"),
    "package-url-of-another-architecture": (change_purls("=x86_64", "=x86_6"), "the same for the architecture"),
    "statements-of-components-alone": (speak_of_components, "whoever skips a component that is of no product"),
}

#: Damage to the rating of a product, for which the document's severity is too low -> whom it fools.
RATINGS: t.Mapping[str, tuple[t.Callable[[vex.Json], t.Any], str]] = {
    "impact-misspelt": (
        lambda threat: threat.update(category="impacx"),
        "whoever skips a threat of a category of which nobody has heard",
    ),
    "impact-without-words": (lambda threat: threat.pop("details"), "whoever skips a rating that says nothing"),
    "impact-of-no-product": (lambda threat: threat["product_ids"].clear(), "whoever skips a rating of no product"),
    "impact-of-an-unknown-product": (
        lambda threat: threat.update(product_ids=["nobody:knows:this"]),
        "whoever skips a rating of a product that the document does not define",
    ),
}

#: The same of advisories: change of the record, and whom it fools.
LOST: t.Mapping[str, tuple[t.Callable[[vex.Json], t.Any], str]] = {
    "advisory-without-packages": (
        lambda item: item["affected"].clear(),
        "whoever takes an advisory that names no package for one that fixes nothing",
    ),
    "advisory-without-ecosystem": (
        lambda item: item["affected"][0]["package"].pop("ecosystem"),
        "whoever skips packages of which it is not said whose they are",
    ),
    "advisory-without-fix": (
        lambda item: item["affected"][0]["ranges"][0]["events"][1].update(fixed="3.0.7\x7f-28.el9"),
        "whoever takes a fix of which the version is damaged for none, where only what can be fixed counts",
    ),
}


def records(edit: t.Callable[[vex.Json], t.Any] = lambda item: None) -> Advisories:
    """The records of AlmaLinux, with a change in the first; the second is about the same packages."""
    item = copy.deepcopy(OPENSSL)
    edit(item)
    return distributions.records(item, OPENSSL_BEFORE)


OPENSSL = distributions.OPENSSL
OPENSSL_BEFORE = make.record("ALSA-2026:0", ("openssl-libs", "1:3.0.7-1.el9"))
WITHOUT_EPOCH = make.updates(make.advisory("RLSA-2026:1", distributions.FIX, release="Rocky Linux 9")).replace(
    b'epoch="1"', b""
)

TRAPS: list[Trap] = [
    *(
        differs(name, fools, "advisories", records(edit), records(), codes="feed-incomplete", **distributions.ALMA)
        for name, (edit, fools) in LOST.items()
    ),
    differs(
        "advisory-without-epoch",
        "whoever takes an epoch that is missing for 0: every build with an epoch is newer than the fix then",
        "packages",
        distributions.packages("rocky", "bash-5.1.8-9.el9.x86_64", "openssl-libs-1:3.0.7-27.el9.x86_64"),
        distributions.ROCKY["packages"],
        verdict="failed",
        codes="vulnerability",
        advisories=distributions.repository("rocky:9", WITHOUT_EPOCH),
        **{key: value for key, value in distributions.ROCKY.items() if key != "packages"},
    ),
    *(
        differs(name, fools, "documents", damaged(edit), FEED, codes="feed-incomplete")
        for name, (edit, fools) in DAMAGE.items()
    ),
    differs(
        "key-that-stands-twice",
        "JSON parsers, to which the last of two equal keys counts",
        "edit_feed",
        key_twice,
        codes="feed-incomplete",
    ),
    *(
        differs(name, fools, "documents", rated(edit), rated(), codes="feed-incomplete")
        for name, (edit, fools) in RATINGS.items()
    ),
    hides(
        "impact-of-another-product",
        "whoever takes the document's severity for a product that is not rated, where others are",
        documents=rated(lambda threat: threat.update(product_ids=threat["product_ids"][:1])),
    ),
    hides(
        "impact-lost",
        "whoever takes the document's severity where no product is rated, though each has a score",
        documents=unrated(),
    ),
    hides(
        "two-statuses-of-one-product",
        "whoever lets not affected clear what the same document calls fixed",
        documents=damaged(lambda item: say_twice(item, "known_not_affected")),
    ),
    hides(
        "package-url-misspelt",
        "whoever takes a package URL that names no package for software that is none: the id names it too",
        documents=damaged(misspell_names),
    ),
    hides(
        "package-url-of-another-vendor-misspelt",
        "whoever takes a package URL that is damaged all over for one of packages of somebody else",
        documents=damaged(misspell_names_of_another_vendor),
    ),
    differs(
        "older-copy-of-a-document",
        "whoever adds up all that is said of a vulnerability, now and before: not affected wins",
        "edit_feed",
        older_copy,
        codes="feed-incomplete",
    ),
    differs(
        "no-feed",
        "whoever judges without data: nothing is known, so nothing is found",
        "feed",
        False,
        codes="feed-missing",
    ),
    differs(
        "two-documents-of-a-feed-of-thousands",
        "whoever copied a part of the vendor's data: what the other documents say is found nowhere, and nothing is odd",
        "may_be_small",
        False,
        codes="feed-too-small",
    ),
    differs(
        "two-records-of-a-feed-of-thousands",
        "the same for OSV records",
        "may_be_small",
        False,
        codes="feed-too-small",
        **{**distributions.ALMA, "advisories": records()},
    ),
    *(
        differs(name, fools, "policy", SIZED % number, SIZED % "{csaf-vex: 2, osv: 9000}", codes="feed-too-small")
        for name, number, fools in (
            ("feed-below-the-number-of-the-policy", "3", "a mirror that lost one of its three documents"),
            ("feed-below-the-number-of-its-format", "{csaf-vex: 3}", "the same, where formats have their own numbers"),
        )
    ),
    differs(
        "number-of-another-format",
        "a number that is meant for another format: what is not named keeps the vendor's own",
        "policy",
        SIZED % "{osv: 1}",
        SIZED % "{osv: 1, csaf-vex: 1}",
        codes="feed-too-small",
        may_be_small=False,
    ),
    differs(
        "stale-feed",
        "whoever judges by last month's data: what was found since is not in it",
        "feed_age",
        24 * 30.0,
        codes="feed-stale",
    ),
    differs(
        "feed-that-nobody-refreshes",
        "whoever asks when the data was looked at last, and not how old it is: a dead mirror is checked every day",
        "policy",
        FRESH.replace("30d", "1d"),
        FRESH,
        codes="feed-stale",
    ),
    differs(
        "change-from-the-future",
        "whoever takes the newest change for the age of the data: one document with a wrong year is for ever new",
        "documents",
        (document(released="2099-01-01T00:00:00+00:00"), OTHERS),
        FEED,
        codes="feed-time",
        policy=FRESH,
    ),
    differs(
        "bundle-from-the-future",
        "a clock outside that is wrong: what was packed tomorrow is never stale",
        "carried",
        -24 * 30.0,
        1.0,
        codes="feed-time",
    ),
    differs(
        "feed-from-the-future",
        "a clock that is wrong: data that was checked tomorrow is never stale",
        "feed_age",
        -24 * 30.0,
        codes="feed-time",
    ),
    differs(
        "document-cut-short",
        "whoever skips a document that does not parse, the one that matters",
        "edit_feed",
        cut_document,
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-about-a-package-of-the-image",
        "whoever lets the images pass that an unreadable document concerns, too",
        "edit_feed",
        unreadable("httpd", "bash"),
        unreadable("httpd", "mod_ssl"),
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-about-the-source-of-a-package",
        "whoever looks for packages alone: what is said of the source package openssl concerns openssl-libs",
        "edit_feed",
        unreadable("openssl.src"),
        unreadable("nss.src"),
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-that-is-no-json",
        "whoever takes names from what parses alone",
        "edit_feed",
        unreadable("bash", change=lose_a_quote),
        unreadable("httpd", change=lose_a_quote),
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-that-is-cut",
        "whoever takes the names that are left for all that there were",
        "edit_feed",
        unreadable("httpd", change=lose_what_is_said),
        unreadable("httpd", change=lambda text: text[:-1]),
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-with-a-hole",
        "whoever looks at both ends of a document alone",
        "edit_feed",
        unreadable("httpd", change=lose_a_part),
        unreadable("httpd"),
        codes="feed-incomplete",
    ),
    differs(
        "document-empty", "the same for a document of no bytes", "edit_feed", empty_document, codes="feed-incomplete"
    ),
    differs(
        "login-page-in-place-of-a-document",
        "the same for what a proxy sent",
        "edit_feed",
        error_page,
        codes="feed-incomplete",
    ),
    differs(
        "feed-without-documents",
        "whoever builds an index out of nothing, and is glad that it worked",
        "edit_feed",
        no_documents,
        codes="feed-missing",
    ),
    differs(
        "feed-without-statements",
        "whoever counts documents, and not what they say",
        "edit_feed",
        no_statements,
        codes="feed-incomplete",
    ),
    differs(
        "feed-about-other-products",
        "whoever finds nothing because the feed is about something else",
        "documents",
        (ELSEWHERE,),
        FEED,
        codes="nothing-applicable",
    ),
    differs(
        "advisories-in-place-of-statements",
        "whoever takes advisories for statements: they list fixes only",
        "documents",
        tuple(advisory(item) for item in (document(), OTHERS)),
        FEED,
        codes="feed-missing",
    ),
    differs(
        "index-for-other-packages",
        "whoever reuses the index that was built for one image alone",
        "names",
        ("bash",),
        codes="feed-partial",
    ),
    differs(
        "index-cut-short",
        "whoever opens what is left of an index after a full disk",
        "edit_index",
        cut_index,
        codes="feed-missing",
    ),
    differs(
        "index-of-zero-bytes",
        "SQLite, to which an empty file is a valid database",
        "edit_index",
        empty_index,
        codes="feed-missing",
    ),
    differs(
        "index-of-a-later-version",
        "whoever reads the columns that it knows",
        "edit_index",
        newer_index,
        codes="feed-missing",
    ),
    differs(
        "index-that-is-none",
        "whoever finds a table of the right name",
        "edit_index",
        another_file,
        codes="feed-missing",
    ),
    differs(
        "index-of-an-earlier-version",
        "whoever finds none of the tables that it knows, and takes that for nothing said",
        "edit_index",
        older_form,
        codes="feed-missing",
    ),
    differs(
        "update-with-a-cut-document",
        "whoever drops the old document and forgets that there was a new one",
        "edit_index",
        update_with_a_cut_document,
        codes="feed-incomplete",
    ),
]
