# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: its form, equal bytes for equal input, and hostile text in every place where text can be."""

from __future__ import annotations

import base64
import collections
import csv
import dataclasses
import hashlib
import html.parser
import io
import json
import random
import re
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.text import columns, visible
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import OsRelease
from ansible_collections.imagescan.openshift.plugins.module_utils._reports import (
    csv_report,
    html_report,
    json_report,
    junit,
    metrics,
    sarif,
    table,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import (
    NO_IMAGES,
    Times,
    build_report,
    cluster_object,
    count_verdicts,
    newest_time,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import (
    Acceptance,
    load_exceptions,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Reason
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    Policy,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.schema import IMAGE_SCHEMA
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import AppliedCpe, Coverage
from ansible_collections.imagescan.openshift.tests.support import verdicts as make

POLICIES = tuple(load_policies(DEFAULT_POLICY_TEXT, "p.yml"))
EXCEPTIONS = tuple(load_exceptions("- {id: CVE-2026-7, reason: tested, owner: me, expires: 2027-01-01}\n", "e.yml"))
RESULTS = make.compliance(
    {"result": "fail"}, {"id": "r2", "title": "another rule", "severity": "low", "references": ["a", "b"]}, score=95.5
)


def document(
    subject: Subject, policies: t.Sequence[Policy] = POLICIES, exceptions: t.Sequence[Acceptance] = EXCEPTIONS
) -> dict[str, t.Any]:
    return image_document(subject, judge(subject, policies, exceptions, now=make.NOW))


def fleet() -> list[Subject]:
    """One image for each verdict, with everything that a report can say."""
    found = (
        make.finding(),
        make.finding(id="CVE-2026-7", severity="critical"),
        make.finding(id="RHSA-9", severity="low", status="will_not_fix", fixed_in="", advisory="", module="perl:5.32"),
    )
    return [
        make.subject(reference="quay.io/a/passed:1", digest="sha256:1"),
        make.subject(
            reference="quay.io/a/failed:1", digest="sha256:2", compliance=RESULTS, **make.match(findings=found)
        ),
        make.subject(
            reference="quay.io/a/inconclusive:1",
            digest="sha256:3",
            **make.match(cpes=(AppliedCpe(make.CPE, "assumed"),)),
            **make.inventory(problems=(Problem("rpmdb-corrupt", "page 7 is damaged"),), not_examined={"jar": 1200}),
        ),
        Subject("sha256:4", "quay.io/a/error:1", scan_problem=Reason("registry-error", "the registry answered 500")),
        Subject("sha256:5", "quay.io/a/waiting:1"),
    ]


def report(subjects: list[Subject] | None = None) -> dict[str, t.Any]:
    images = [document(subject) for subject in subjects or fleet()]
    return build_report(images, make.FEED, newest_time([make.FEED.checked, "2026-11-20T00:00:00Z"]))


def check(value: t.Any, schema: t.Mapping[str, t.Any], where: str = "image") -> None:
    """Check a value against the few keywords of JSON Schema that ``schema`` uses."""
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    wanted = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    assert any(isinstance(value, kinds[kind]) for kind in wanted), where
    assert not isinstance(value, bool) or "boolean" in wanted, where
    if "enum" in schema:
        assert value in schema["enum"], where
    if isinstance(value, dict):
        assert set(value) == set(schema["properties"]) == set(schema["required"]), where
        for key, child in value.items():
            check(child, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list):
        for number, child in enumerate(value):
            check(child, schema["items"], f"{where}[{number}]")


def test_image_objects_have_the_form_of_the_schema() -> None:
    for subject in fleet():
        check(document(subject), IMAGE_SCHEMA)
        check(document(subject, policies=[]), IMAGE_SCHEMA)


def test_the_report_has_the_form_of_the_contract() -> None:
    found = report()
    assert list(found) == ["schema_version", "as_of", "feed", "counts", "images"]
    assert found["schema_version"] == 1
    assert found["as_of"] == "2026-11-24T06:00:00Z"
    assert found["feed"] == {
        "serial": "serial-1",
        "checked": "2026-11-24T06:00:00Z",
        "newest": "2026-11-23T20:00:00Z",
        "documents": 60000,
        "years": [1999, 2026],
        "unread": 0,
    }
    assert found["counts"] == {"passed": 1, "failed": 1, "inconclusive": 2, "error": 1}
    assert [image["reference"] for image in found["images"]] == sorted(image["reference"] for image in found["images"])
    failed = next(image for image in found["images"] if image["verdict"] == "failed")
    assert failed["os"] == "rhel 9.4"
    assert failed["packages"] == 2
    assert [(finding["id"], finding["severity"], finding["exception"]) for finding in failed["vulnerabilities"]] == [
        ("CVE-2026-7", "critical", "CVE-2026-7"),
        ("CVE-2026-1001", "important", ""),
        ("RHSA-9", "low", ""),
    ]
    assert failed["compliance"]["counts"]["fail"] == 1
    assert [rule["id"] for rule in failed["compliance"]["rules"]] == ["r1", "r2"]
    assert failed["inventory"]["repositories"] == [{"cpe": make.CPE, "source": "content_manifest"}]


def test_the_report_says_how_many_documents_could_not_be_read() -> None:
    found = build_report([], dataclasses.replace(make.FEED, rejected=1200), newest_time([]))
    assert found["feed"]["unread"] == 1200
    for text in (html_report.render(found).decode(), table.render(found)):
        assert "(1,200 more could not be read)" in " ".join(text.split())


def test_no_image_and_no_feed() -> None:
    empty = build_report([], None, newest_time([]))
    assert (empty["as_of"], empty["feed"], empty["images"]) == ("", None, [])
    assert empty["counts"] == count_verdicts([]) == {"passed": 0, "failed": 0, "inconclusive": 0, "error": 0}
    assert b"No image was found." in html_report.render(empty)
    assert "0 images" in table.render(empty)
    assert json.loads(json_report.render(empty)) == empty
    # A pipeline that saw nothing is not one that found nothing.
    assert suites(junit.render(empty)) == {"images": [("images", "error")]}
    assert NO_IMAGES.encode() in junit.render(empty)
    (one,) = results(sarif.render(empty))
    assert (one["ruleId"], one["level"]) == ("no-images", "error")
    assert b'"executionSuccessful": false' in sarif.render(empty)


def test_equal_input_gives_equal_bytes_in_any_order() -> None:
    pages = set()
    for seed in range(5):
        subjects = random.Random(seed).sample(fleet(), 5)
        found = report(subjects)
        pages.add((json_report.render(found), html_report.render(found), table.render(found)))
    assert len(pages) == 1


def test_json_is_canonical_ascii_that_ends_in_a_newline() -> None:
    found = report([make.subject(**make.match(findings=(make.finding(package="日本\udc80\x9b\u202e"),)))])
    data = json_report.render(found)
    assert data.isascii() and data.endswith(b"}\n")
    assert json.loads(data) == found
    assert json_report.render(json.loads(data)) == data
    backwards = {key: found[key] for key in reversed(found)}
    assert json_report.render(backwards) == data


# The page.


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page."""

    VOID = ("meta", "input", "br")

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: collections.Counter[tuple[str, tuple[str, ...]]] = collections.Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(data.decode("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag, tuple(name for name, _value in attrs)] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


ALLOWED = re.compile(
    "html|head|meta|title|style|body|header|main|h[1-4]|p|strong|code|div|label|input|b|details|summary|dl|dt|dd|table|"
    "thead|tbody|tr|th|td|span|ul|li|br|a"
)
ALLOWED_ATTRIBUTES = re.compile(
    "lang|charset|http-equiv|content|name|class|role|aria-label|title|type|id|checked|scope|open|href|tabindex"
)
LINK = re.compile(r"https://(www\.cve\.org/CVERecord\?id=CVE-\d+-\d+|access\.redhat\.com/errata/RH[SBE]A-\d+:\d+)")


def assert_safe(data: bytes) -> Page:
    page = Page(data)
    assert all(ALLOWED.fullmatch(tag) for tag, _names in page.tags)
    for _tag, name, value in page.attributes:
        assert ALLOWED_ATTRIBUTES.fullmatch(name)
        if name == "href":
            assert LINK.fullmatch(value)
        if name == "class":
            assert re.fullmatch(r"[a-z_ -]+", value)
    return page


def test_the_page_needs_nothing_else() -> None:
    data = html_report.render(report())
    page = assert_safe(data)
    style = re.search(rb"<style>(.*?)</style>", data, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1)).digest()).decode()
    (policy,) = [value for _tag, name, value in page.attributes if name == "content" and "default-src" in value]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert b"url(" not in data and b"@import" not in data and b"<script" not in data


def test_the_page_says_what_a_reader_needs() -> None:
    text = assert_safe(html_report.render(report())).text
    for said in (
        "quay.io/a/failed:1",
        "CVE-2026-1001 in openssl-libs-1:3.0.7-27.el9.x86_64 is important; fixed in 1:3.0.7-28.el9 by RHSA-2026:1001",
        "Update the package to the fixed version",
        "1,200 components not examined",
        "page 7 is damaged rpmdb-corrupt A page, slot or record of the rpm database is damaged",
        "Assumed from the system alone",
        "the registry answered 500",
        "accepted: CVE-2026-7",
        "will not be fixed",
        "module perl:5.32",
        "last checked 2026-11-24T06:00:00Z",
        "serial serial-1",
        "Profile cis , benchmark version 0.1.65, score 95.5. 1 pass, 1 fail.",
        POLICIES[0].sha256,
        "CVSS 7.5 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",
        f"Red Hat Enterprise Linux 9 ({make.CPE})",
        "2026/cve-2026-1001.json of 2026-11-01T00:00:00Z",
    ):
        assert said in text
    assert "another rule" not in text  # it passed


def test_the_title_counts_every_verdict_the_worst_first() -> None:
    data = html_report.render(report()).decode()
    assert "<title>Container images: 1 failed, 1 error, 2 inconclusive, 1 passed</title>" in data


def test_a_vulnerability_counts_once_however_many_packages_have_it_and_by_its_worst_severity() -> None:
    findings = (
        make.finding(id="CVE-2026-1", severity="moderate", package="a-0:1-1.x86_64"),
        make.finding(id="CVE-2026-1", severity="important", package="b-0:1-1.x86_64"),
        make.finding(id="CVE-2026-1", severity="important", package="c-0:1-1.x86_64"),
        make.finding(id="CVE-2026-2", severity="important", package="b-0:1-1.x86_64"),
        make.finding(id="CVE-2026-3", severity="low", package="b-0:1-1.x86_64"),
    )
    text = assert_safe(html_report.render(report([make.subject(**make.match(findings=findings))]))).text
    # In the line of the image and above its table.
    assert text.count("3 vulnerabilities (2 important, 1 low)") == 2
    one = assert_safe(html_report.render(report([make.subject(**make.match(findings=findings[:3]))]))).text
    assert one.count("1 vulnerability (1 important)") == 2


def test_people_with_a_keyboard_reach_what_scrolls_and_hear_its_name() -> None:
    data = html_report.render(report()).decode()
    names = re.findall('<div class="scroll" tabindex="0" role="region" aria-label="([^"]+)">', data)
    assert names == [
        "Verdicts by policy",
        "Vulnerabilities of quay.io/a/failed:1",
        "Failed rules of quay.io/a/failed:1",
    ]
    assert data.count('class="scroll"') == len(names)


def test_people_read_the_codes_of_reasons_with_hyphens_and_programs_as_they_are() -> None:
    found = report()
    for text in (html_report.render(found).decode(), table.render(found)):
        assert "not-scanned-yet" in text and "not_scanned_yet" not in text
    assert "not_scanned_yet" in json_report.render(found).decode()


def test_the_source_of_a_finding_names_each_product_once_and_no_more_than_fit() -> None:
    findings = [
        make.finding(package=f"tool{number:02}-0:1-1.x86_64", product=f"Product {number // 2}") for number in range(20)
    ]
    text = assert_safe(html_report.render(report([make.subject(**make.match(findings=tuple(findings)))]))).text
    assert text.count("Product 1 (") == 1 and "Product 3 (" in text and "Product 4 (" not in text
    assert "and 6 more products" in text


def test_verdicts_of_older_versions_without_the_source_of_findings_are_shown() -> None:
    found = report()
    for image in found["images"]:
        for finding in image["vulnerabilities"]:
            for key in ("cvss", "cpe", "product", "document", "revision"):
                del finding[key]
    text = assert_safe(html_report.render(found)).text
    assert "CVE-2026-1001" in text and "Source" not in text


def test_what_needs_attention_comes_first() -> None:
    data = html_report.render(report()).decode()
    names = re.findall(r'<h3 class="break">quay.io/a/(\w+):1</h3>', data)
    assert names == ["failed", "error", "inconclusive", "waiting", "passed"]


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}{# #}",
    "</style></title></details><h1>",
    "<!-- --><![CDATA[",
    "javascript:alert(1)",
    "\x1b[2J\x1b]0;x\x07\x9b31m\x00\x7f",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "\udc80\ud800",
    "=cmd|' /C calc'!A0",
    "a\r\nb\n\nc",
    "&lt;b&gt;&#60;",
    "x" * 100_000,
    "z" + "\u0335" * 1000,
]


def everywhere(text: str) -> dict[str, t.Any]:
    """A report with a text in every place where foreign text can be."""
    subject = Subject(
        digest=text,
        reference=text,
        references=(text + "2",),
        platform=text,
        labels={text: text},
        scanned_at=text,
        scan_problem=Reason(text, text),
        feed=dataclasses.replace(make.FEED, serial=text, checked=text, newest=text),
        compliance=make.compliance(
            {"id": text, "title": text, "result": "fail", "identifiers": [text], "references": [text]},
            profile=text,
            benchmark={"id": text, "version": text},
            content=text,
            tailoring=text,
            problems=[{"code": text, "message": text}],
        ),
        **make.inventory(
            problems=(Problem(text, text),),
            os=OsRelease(id=text, version_id=text),
            packages=(dataclasses.replace(make.PACKAGES[0], name=text, version=text),),
        ),
        **make.match(
            findings=(
                make.finding(
                    **dict.fromkeys(("id", "package", "name", "fixed_in", "advisory", "module"), text),
                    **dict.fromkeys(("cpe", "product", "document", "revision", "cvss"), text),
                ),
                make.finding(id=text + "1", package=text, name=text, fixed_in=text, advisory=text, status="affected"),
            ),
            cpes=(AppliedCpe(text, "label"),),
            not_covered=(Coverage(text, text, text, text),),
            unmapped=(text,),
            problems=(Problem(text, text),),
        ),
    )
    policy = Policy(text, max_severity="none", max_failed_severity="low", scan_age=1)
    acceptance = dataclasses.replace(EXCEPTIONS[0], id="*1", reason=text, owner=text)
    return build_report([document(subject, [policy], [acceptance])], subject.feed, text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_only_text(text: str) -> None:
    found = everywhere(text)
    harmless = everywhere("harmless")
    data = html_report.render(found)
    page = assert_safe(data)
    # The same elements as for harmless text: nothing was opened, closed or hidden by the text.
    assert page.tags == assert_safe(html_report.render(harmless)).tags
    assert all(character.isprintable() or character in "\n " for character in data.decode("utf-8"))
    assert len(data) < 300_000
    shown = table.render(found, 80)
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert max(columns(line) for line in shown.splitlines()) <= 80
    assert len(shown.splitlines()) < 200
    assert json_report.render(found).isascii()


def test_thousands_of_images_stay_a_page() -> None:
    findings = tuple(
        make.finding(id=f"CVE-2026-{1000 + number}", package=f"p{number}-0:1-1.noarch") for number in range(100)
    )
    many = document(make.subject(**make.match(findings=findings)))
    images = [{**many, "reference": f"quay.io/a/b:{number}"} for number in range(3000)]
    start = time.process_time()
    data = html_report.render(build_report(images, make.FEED, "2026-11-24T06:00:00Z"))
    assert time.process_time() - start < 120
    assert len(data) < 50_000_000
    assert data.count(b'<details class="image ') == 3000
    assert b"And 95 more rows; report.json has all of them." in data
    few = html_report.render(build_report(images[:3], make.FEED, "2026-11-24T06:00:00Z"))
    assert few.count(b"CVERecord") == 300 and b"more row" not in few


# The table.


def test_the_table_says_verdict_reason_and_counts() -> None:
    text = table.render(report(), 160)
    lines = text.splitlines()
    verdicts = [line.split()[0] for line in lines if line[:1].isupper()]
    assert verdicts == ["FAILED", "ERROR", "INCONCLUSIVE", "INCONCLUSIVE", "PASSED"]
    assert "the registry answered 500 [registry-error]" in text
    assert "1200 components not examined (1200 jar)" in text
    assert lines[-1] == (
        "5 images: 1 failed, 1 error, 2 inconclusive, 1 passed; vulnerability data with 60,000 documents of 1999 to"
        " 2026, last checked 2026-11-24T06:00:00Z"
    )


def changed(before: str, after: str, name: str = "quay.io/a/b:1") -> dict[str, t.Any]:
    """A change as ``image_verdict`` returns it."""
    reasons = [
        {"code": "vulnerability", "message": "curl has CVE-1\x1b[2J", "state": "new"},
        {"code": "feed-stale", "message": "the data is too old", "state": "gone"},
    ]
    return {"digest": "sha256:1", "reference": name, "before": before, "after": after, "reasons": reasons}


def test_the_table_tells_what_changed_and_why_but_not_first_verdicts() -> None:
    changes = [
        changed("failed", "passed", "quay.io/z"),
        changed("passed", "failed"),
        changed("", "failed", "quay.io/new"),
    ]
    lines = table.render(report(), 120, changes).splitlines()
    start = lines.index("2 images have another verdict than before:")
    assert lines[start + 1 : start + 5] == [
        "FAILED        quay.io/a/b:1 was passed",
        "              - curl has CVE-1\\x1b[2J [vulnerability]",
        "              - no longer: the data is too old [feed-stale]",
        "PASSED        quay.io/z was failed",
    ]
    assert "quay.io/new" not in "".join(lines)
    assert "another verdict" not in table.render(report(), 120, changes[2:])
    many = table.render(report(), 120, changes[:1] * 300)
    assert "300 images have another verdict than before:" in many
    assert "and 100 more changes; the report has all of them" in many


def test_the_page_tells_the_last_change_and_escapes_it() -> None:
    found = report()
    hostile = {"code": "<b>", "message": "<script>alert(1)</script>", "state": "gone"}
    found["images"][0]["change"] = {"before": "failed", "since": "2026-11-24T00:00:00Z", "reasons": [hostile]}
    page = html_report.render(found).decode()
    assert "The verdict was failed until 2026-11-24T00:00:00Z." in page
    assert "No longer: &lt;script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize("width", [0, 40, 41, 80, 200])
def test_the_table_keeps_its_width(width: int) -> None:
    subjects = [*fleet(), make.subject(reference="quay.io/日本語/" + "名" * 100 + ":1")]
    assert max(columns(line) for line in table.render(report(subjects), width).splitlines()) <= max(40, width)


def test_the_table_is_bounded() -> None:
    images = [document(Subject(f"sha256:{number}", f"quay.io/a/b:{number}")) for number in range(300)]
    text = table.render(build_report(images, None, ""))
    assert "and 100 more images; the report has all of them" in text
    assert text.endswith("300 images: 0 failed, 0 error, 300 inconclusive, 0 passed; no vulnerability data\n")


# What other programs read, each read by a program that is not ours.

TIMES = Times("2026-11-20T00:00:00Z", "2026-11-24T12:00:00Z")
FORMATS: dict[str, t.Callable[[t.Mapping[str, t.Any]], bytes]] = {
    "junit": junit.render,
    "sarif": sarif.render,
    "csv": csv_report.render,
    "metrics": lambda found: metrics.render(found, TIMES),
}


def suites(content: bytes) -> dict[str, list[tuple[str, str]]]:
    """Name of a suite -> name and outcome of its cases, as lxml reads JUnit XML. The numbers must be right."""
    from lxml import etree

    root = etree.fromstring(content)
    assert root.tag == "testsuites"
    found: dict[str, list[tuple[str, str]]] = {}
    totals = [0, 0, 0]
    for suite in root.iterfind("testsuite"):
        cases = [(case.get("name"), case[0].tag if len(case) else "passed") for case in suite.iterfind("testcase")]
        outcomes = [outcome for _name, outcome in cases]
        numbers = [len(cases), outcomes.count("failure"), outcomes.count("error")]
        assert [int(suite.get(name)) for name in ("tests", "failures", "errors")] == numbers
        totals = [total + number for total, number in zip(totals, numbers)]
        found[suite.get("name")] = cases
    assert [int(root.get(name)) for name in ("tests", "failures", "errors")] == totals
    return found


def results(content: bytes) -> list[dict[str, t.Any]]:
    """The results in SARIF, checked against models that were generated from the official schema."""
    # The models need Python 3.10; what they check does not depend on its version.
    models = pytest.importorskip("pydantic_sarif.model", reason="the models need Python 3.10")
    document = json.loads(content)
    models.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(document)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    return list(run["results"])


def rows(content: bytes) -> list[dict[str, str]]:
    """The rows as Python's own strict reader finds them."""
    text = content.decode("utf-8")
    assert text.endswith("\r\n")
    found = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert all(set(row) == set(csv_report.COLUMNS) and None not in row.values() for row in found)
    return found


def samples(content: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Name and labels -> value, as Prometheus's own library reads them."""
    from prometheus_client.parser import text_string_to_metric_families

    found = {}
    for family in text_string_to_metric_families(content.decode("utf-8")):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_junit_has_no_pass_that_is_none() -> None:
    found = suites(junit.render(report()))
    policy = POLICIES[0].name
    assert found == {
        "quay.io/a/error:1": [(policy, "error")],
        "quay.io/a/failed:1": [(policy, "failure")],
        "quay.io/a/inconclusive:1": [(policy, "error")],
        "quay.io/a/passed:1": [(policy, "passed")],
        "quay.io/a/waiting:1": [(policy, "error")],
    }


def test_junit_takes_the_image_for_more_than_its_policies() -> None:
    found = report([fleet()[0]])
    (image,) = found["images"]
    # As a report shows it that was scanned again since it was judged.
    image["verdict"], image["reasons"] = "inconclusive", [{"code": "not_judged_yet", "message": "scanned again"}]
    assert suites(junit.render(found)) == {image["reference"]: [(POLICIES[0].name, "error")]}
    image["policies"] = []
    assert suites(junit.render(found)) == {image["reference"]: [("no policy", "error")]}
    image["policies"] = [{"name": name, "sha256": "", "verdict": name} for name in ("failed", "passed")]
    image["verdict"] = "failed"
    assert suites(junit.render(found)) == {image["reference"]: [("failed", "failure"), ("passed", "passed")]}


def test_sarif_has_every_finding_and_something_for_every_image_that_did_not_pass() -> None:
    found = report()
    made = results(sarif.render(found))
    assert [(one["ruleId"], one["level"], "suppressions" in one) for one in made if "failed:1" in str(one)] == [
        ("CVE-2026-7", "error", True),
        ("CVE-2026-1001", "error", False),
        ("RHSA-9", "note", False),
        (RESULTS["rules"][0]["id"], "error", False),
    ]
    for image in found["images"]:
        told = [one for one in made if image["reference"] in one["message"]["text"]]
        assert bool(told) == (image["verdict"] != "passed"), image["reference"]
    run = json.loads(sarif.render(found))["runs"][0]
    assert run["invocations"] == [{"executionSuccessful": False}]
    scores = {rule["id"]: rule.get("properties") for rule in run["tool"]["driver"]["rules"]}
    assert scores["CVE-2026-1001"] == {"security-severity": "7.5"}
    # A bare verdict is a result, too.
    found["images"] = [{**image, "reasons": [], "vulnerabilities": [], "compliance": None} for image in found["images"]]
    bare = results(sarif.render(found))
    assert sorted(one["ruleId"] for one in bare) == ["image-error", "image-failed", *["image-inconclusive"] * 2]


def test_fingerprints_outlast_a_rebuild_and_differ_between_images() -> None:
    def prints(**changes: t.Any) -> set[str]:
        facts = make.match(findings=(make.finding(), make.finding(id="CVE-2026-2", **changes.pop("finding", {}))))
        made = results(sarif.render(report([make.subject(**facts, **changes)])))
        return {one["partialFingerprints"]["imagescan/v1"] for one in made}

    once = prints()
    assert len(once) == 2
    assert prints(digest="sha256:" + "9" * 64, finding={"package": "openssl-libs-1:3.0.7-29.el9.x86_64"}) == once
    for other in ({"reference": "quay.io/a/other:1"}, {"platform": "linux/arm64"}):
        assert not prints(**other) & once


def test_csv_has_a_row_for_each_image_and_all_that_is_said_of_it() -> None:
    found = report()
    made = rows(csv_report.render(found))
    kinds = collections.Counter((row["reference"], row["kind"]) for row in made)
    for image in found["images"]:
        name = image["reference"]
        assert kinds[name, "image"] == 1
        assert kinds[name, "reason"] == len(image["reasons"])
        assert kinds[name, "vulnerability"] == len(image["vulnerabilities"])
        assert {row["verdict"] for row in made if row["reference"] == name} == {image["verdict"]}
    accepted = [row["id"] for row in made if row["exception"]]
    assert accepted == ["CVE-2026-7"]
    assert [row["status"] for row in made if row["kind"] == "rule"] == ["fail"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_csv_has_no_formula(start: str) -> None:
    subject = make.subject(**make.match(findings=(make.finding(fixed_in=f"{start}cmd|' /C calc'!A0"),)))
    fields = [value for row in rows(csv_report.render(report([subject]))) for value in row.values()]
    assert any(field.endswith("cmd|' /C calc'!A0") for field in fields)
    assert not any(field.startswith(("=", "+", "-", "@", "\t", "\r", " ")) for field in fields)
    assert not any(field[:1] in "\uff1d\uff0b\uff0d\uff20" for field in fields if field)


def test_metrics_have_the_numbers_of_the_report() -> None:
    found = samples(metrics.render(report(), TIMES))
    counts = {dict(labels)["verdict"]: value for (name, labels), value in found.items() if name == "imagescan_images"}
    assert counts == {"passed": 1, "failed": 1, "error": 1, "inconclusive": 2}
    assert found["imagescan_unresolved_ratio", ()] == 0.6
    findings = {labels: value for (name, labels), value in found.items() if name == "imagescan_findings"}
    assert findings == {
        (("accepted", "false"), ("severity", "important"), ("status", "fix_available")): 1,
        (("accepted", "false"), ("severity", "low"), ("status", "will_not_fix")): 1,
        (("accepted", "true"), ("severity", "critical"), ("status", "fix_available")): 1,
    }
    assert found["imagescan_components_not_examined", (("kind", "jar"),)] == 1200
    assert found["imagescan_feed_checked_timestamp_seconds", ()] == 1795500000
    assert found["imagescan_last_judged_timestamp_seconds", ()] == 1795521600


def test_metrics_have_no_sample_for_what_is_not_known() -> None:
    content = metrics.render(build_report([], None, ""), Times())
    found = samples(content)
    assert {name for name, _labels in found} == {"imagescan_images"}
    assert set(found.values()) == {0}
    later = metrics.render(report(), dataclasses.replace(TIMES, judged="2026-11-25T00:00:00Z"))
    earlier = metrics.render(report(), TIMES)
    assert later != earlier
    assert not metrics.FORMAT.differs(earlier, later)
    assert metrics.FORMAT.differs(earlier, content)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_other_formats_are_equal_bytes_for_equal_input(kind: str) -> None:
    assert FORMATS[kind](report()) == FORMATS[kind](report(fleet()[::-1]))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_other_formats_keep_hostile_text_harmless(text: str) -> None:
    found, harmless = everywhere(text), everywhere("harmless")
    for image in found["images"]:
        image["reasons"].append({"code": text, "message": text})
    contents = {kind: render(found).decode("utf-8") for kind, render in FORMATS.items()}
    for content in contents.values():
        assert all(character.isprintable() or character in "\r\n " for character in content)
    assert [len(cases) for cases in suites(contents["junit"].encode()).values()] == [1]
    made = results(contents["sarif"].encode())
    assert len(made) >= len(results(sarif.render(harmless)))
    assert len(rows(contents["csv"].encode())) == len(rows(csv_report.render(harmless))) + 1
    labels = [dict(labels) for name, labels in samples(contents["metrics"].encode()) if "reason" in name]
    assert {"verdict": found["images"][0]["verdict"], "reason": visible(text, 200)} in labels


# Reports about several clusters.


def clusters() -> list[dict[str, t.Any]]:
    """One that is complete, and each way in which one may not be."""
    images = {"sha256:1": "passed", "sha256:2": "failed"}
    return [
        cluster_object("east", "complete", "", images),
        cluster_object("gone", "not_discovered", "connection refused", None),
        cluster_object("north", "not_scanned", "403 creating jobs", images),
        cluster_object("south", "not_flagged", "409", images),
        cluster_object("west", "not_discovered", "timeout", images, "2026-11-20T00:00:00Z"),
    ]


def of_clusters() -> dict[str, t.Any]:
    return build_report([document(subject) for subject in fleet()], make.FEED, "2026-11-24T06:00:00Z", clusters())


def test_a_report_about_no_clusters_does_not_name_any() -> None:
    assert "clusters" not in report()
    for content in (json_report, html_report, junit, sarif, csv_report):
        assert b"cluster" not in content.render(report()).lower().replace(b"several clusters", b"")
    assert "cluster" not in table.render(report())


def test_the_table_and_the_page_say_loudly_which_cluster_is_not_complete() -> None:
    shown = table.render(of_clusters(), 120)
    lines = shown.splitlines()
    start = next(number for number, line in enumerate(lines) if " cluster " in line)
    assert [line for line in lines[start:] if line[:1].isupper()] == [
        "ERROR         cluster gone was not reached",
        "ERROR         cluster north was not scanned to the end",
        "ERROR         cluster south was not flagged to the end",
        "ERROR         cluster west was not reached",
        "COMPLETE      cluster east: 2 images: 1 failed, 0 error, 0 inconclusive, 1 passed",
    ]
    assert " ".join(lines[-2:]).endswith("; 4 of 5 clusters not complete")
    page = html_report.render(of_clusters()).decode()
    for text in (
        "connection refused",
        "nothing is known of its images; none of them is part of this report",
        "at 2026-11-20T00:00:00Z it had 2 images",
    ):
        assert text in " ".join(shown.split())
        assert text in page
    assert assert_safe(page.encode())


def test_other_formats_have_an_error_for_each_cluster_that_is_not_complete() -> None:
    found = of_clusters()
    outcomes = dict(suites(junit.render(found))["clusters"])
    assert outcomes == {"east": "passed", **dict.fromkeys(("gone", "north", "south", "west"), "error")}
    about = [one for one in results(sarif.render(found)) if one["ruleId"].startswith("cluster-")]
    assert [(one["ruleId"], one["level"]) for one in about] == [
        ("cluster-not-discovered", "error"),
        ("cluster-not-scanned", "error"),
        ("cluster-not-flagged", "error"),
        ("cluster-not-discovered", "error"),
    ]
    assert len({one["partialFingerprints"]["imagescan/v1"] for one in about}) == 4
    told = {
        row["id"]: (row["status"], row["message"]) for row in rows(csv_report.render(found)) if row["kind"] == "cluster"
    }
    assert told["west"] == ("not_discovered", "timeout")
    assert len(told) == 5
    numbers = samples(metrics.render(found, TIMES))
    complete = {
        dict(labels)["cluster"]: value for (name, labels), value in numbers.items() if name.endswith("_complete")
    }
    assert complete == {"east": 1, **dict.fromkeys(("gone", "north", "south", "west"), 0)}
    # What a cluster had some time ago is not a number of now.
    counted = {dict(labels)["cluster"] for name, labels in numbers if name == "imagescan_cluster_images"}
    assert counted == {"east", "north", "south"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_names_of_clusters_are_only_text(text: str) -> None:
    found = build_report([], None, "", [cluster_object(text, "not_discovered", text, {text: "failed"}, text)])
    assert_safe(html_report.render(found))
    suites(junit.render(found))
    results(sarif.render(found))
    rows(csv_report.render(found))
    samples(metrics.render(found, TIMES))
    shown = table.render(found, 80)
    assert all(character.isprintable() or character == "\n" for character in shown)
