# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to an Image object, and what is not: strict values, no needless write, nothing of others lost."""

from __future__ import annotations

import datetime
import itertools
import json
import typing as t

import jsonschema
import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._flags import annotations as module
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import (
    DENY_EXECUTION,
    FAILED_POLICY,
    SIZE_LIMIT,
    SUCCESSFUL_POLICY,
    AnnotationPatch,
    absent,
    check_report_url,
    desired,
    others_say,
    ours,
    read_deny,
    reasons_text,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import FlagFacts, facts_of
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import fate
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
PROVIDER = "imagescan"
URL = "https://reports.example.com/run/1"
VULNERABILITY = "quality.images.openshift.io/vulnerability.imagescan"
POLICY = "quality.images.openshift.io/policy.imagescan"
MARK = "imagescan.github.io/deny.imagescan"
FOREIGN = "imagescan.github.io/deny.foreign"

#: openshift-docs, modules/security-container-content-external-scanning.adoc; what it leaves open is closed here.
SPECIFICATION = {
    "type": "object",
    "required": ["name", "timestamp", "reference"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "description": {"type": "string"},
        "reference": {"type": "string", "pattern": "^https?://"},
        "scannerVersion": {"type": "string"},
        "compliant": {"type": ["boolean", "null"]},
        "summary": {
            "type": "array",
            "minItems": 4,
            "maxItems": 4,
            "items": {
                "type": "object",
                "required": ["label", "data", "severityIndex", "reference"],
                "additionalProperties": False,
                "properties": {
                    "label": {"enum": ["critical", "important", "moderate", "low"]},
                    "data": {"type": "string", "pattern": r"^\d+$"},
                    "severityIndex": {"type": "integer", "minimum": 0, "maximum": 3},
                    "reference": {"type": ["string", "null"]},
                },
            },
        },
    },
}

Current = dict[str, str]


def document(verdict: str = "failed", **values: t.Any) -> dict[str, t.Any]:
    """An image object of the report, as far as flags read it."""
    reasons = {
        "failed": [{"code": "vulnerability", "message": "CVE-1 is important"}],
        "inconclusive": [{"code": "feed-stale", "message": "The vulnerability data is old"}],
        "error": [{"code": "registry-error", "message": "500"}],
    }
    return {
        "digest": "sha256:" + "a" * 64,
        "verdict": verdict,
        "policies": [{"name": "production", "sha256": "0" * 64, "verdict": verdict}],
        "reasons": reasons.get(verdict, []),
        "vulnerabilities": [],
        "compliance": None,
        **values,
    }


def finding(severity: str, exception: str = "") -> dict[str, str]:
    """A finding, as far as flags read it."""
    return {"severity": severity, "exception": exception}


PASSED = ("pass", "low")


def results(
    *rules: tuple[str, str], exception: str = "", score: float | None = 51.25, problem: str = ""
) -> dict[str, t.Any]:
    """Compliance results of (result, severity), and of one more rule that passed."""
    listed = [{"result": result, "severity": severity, "exception": exception} for result, severity in (*rules, PASSED)]
    problems = [{"code": problem, "message": problem}] if problem else []
    profile = "xccdf_org.ssgproject.content_profile_cis"
    return {
        "profile": profile,
        "partial": False,
        "score": score,
        "counts": {},
        "problems": problems,
        "rules": listed,
    }


def facts(verdict: str = "failed", **values: t.Any) -> FlagFacts:
    """Facts of a scanned image with a report."""
    meta = {name: values.pop(name) for name in ("scanned_at", "report_url", "scanner_version") if name in values}
    given = {"scanned_at": "2026-11-25T10:00:00Z", "report_url": URL, "scanner_version": "1.0.0", **meta}
    return facts_of(document(verdict, **values), **given)


class Image:
    """An image's annotations and labels, changed by what is desired."""

    def __init__(self, current: t.Mapping[str, str] | None = None, provider: str = PROVIDER) -> None:
        self.annotations = dict(current or {})
        self.labels: Current = {"theirs": "kept"}
        self.provider = provider

    def change(self, change: AnnotationPatch) -> AnnotationPatch:
        """As the server does with a merge patch."""
        for there, wanted in ((self.annotations, change.annotations), (self.labels, change.labels)):
            for key, value in wanted.items():
                assert there.get(key) != value, f"{key} is written without need"
                if value is None:
                    del there[key]
                else:
                    there[key] = value
        return change

    def judge(
        self,
        said: FlagFacts,
        *,
        now: datetime.datetime = NOW,
        provider: str = "",
        adopt: bool = False,
        **options: t.Any,
    ) -> AnnotationPatch:
        """What a run does."""
        provider = provider or self.provider
        flags = {name: options.pop(name) for name in ("flag_inconclusive", "flag_errors") if name in options}
        what = fate(said.verdict, flagged=ours(self.annotations, provider, adopt=adopt), **flags)
        kept = dict(self.annotations), dict(self.labels)
        change = desired(said, what, *kept, provider=provider, adopt=adopt, now=now, **options)
        assert kept == (self.annotations, self.labels)
        return self.change(change)

    def withdraw(self, provider: str = "", *, adopt: bool = False) -> AnnotationPatch:
        """What ``state: absent`` does."""
        return self.change(absent(self.annotations, self.labels, provider=provider or self.provider, adopt=adopt))

    @property
    def denied(self) -> str | None:
        """The value that OpenShift reads."""
        return self.annotations.get(DENY_EXECUTION)

    def quality(self, key: str = VULNERABILITY) -> t.Any:
        """A quality annotation, held against the specification."""
        value = json.loads(self.annotations[key])
        jsonschema.validate(value, SPECIFICATION)
        return value

    def counts(self, key: str = VULNERABILITY) -> list[str]:
        """Numbers of critical, important, moderate and low."""
        return [line["data"] for line in self.quality(key)["summary"]]


def test_a_failed_image_as_it_is_written() -> None:
    image = Image({"openshift.io/image.managed": "true"})
    image.judge(facts(vulnerabilities=[finding("important"), finding("important"), finding("low")]))
    summary = [("critical", "0", 3), ("important", "2", 2), ("moderate", "0", 1), ("low", "1", 0)]
    quality = {
        "name": "imagescan.openshift",
        "timestamp": "2026-11-25T10:00:00Z",
        "reference": URL,
        "compliant": False,
        "description": "failed: vulnerability: CVE-1 is important",
        "scannerVersion": "1.0.0",
        "summary": [
            {"label": label, "data": data, "severityIndex": index, "reference": None} for label, data, index in summary
        ],
    }
    assert image.quality() == quality
    del image.annotations[VULNERABILITY]
    assert image.annotations == {
        "openshift.io/image.managed": "true",
        "images.openshift.io/deny-execution": "true",
        "imagescan.github.io/deny.imagescan": "true",
        "imagescan.github.io/verdict": "failed",
        "imagescan.github.io/policy": "production",
        "imagescan.github.io/scanned": "2026-11-25T10:00:00Z",
        "imagescan.github.io/report": URL,
        "imagescan.github.io/reasons": "vulnerability: CVE-1 is important",
        "imagescan.github.io/written": "2026-11-25T12:00:00Z",
    }
    assert image.labels == {"theirs": "kept", "imagescan.github.io/verdict": "failed"}


@pytest.mark.parametrize(
    ("verdict", "compliant", "denied"),
    [("passed", True, "false"), ("failed", False, "true"), ("inconclusive", None, None), ("error", None, None)],
)
def test_compliant_is_null_when_nobody_knows(verdict: str, compliant: bool | None, denied: str | None) -> None:
    image = Image()
    image.judge(facts(verdict))
    assert (image.quality()["compliant"], image.denied) == (compliant, denied)
    assert image.labels["imagescan.github.io/verdict"] == image.annotations["imagescan.github.io/verdict"] == verdict


def test_findings_that_somebody_accepted_do_not_count_and_unknown_severities_do() -> None:
    image = Image()
    found = [finding("critical", "accepted"), finding("none"), finding("moderate"), finding("no such word")]
    image.judge(facts(vulnerabilities=found))
    assert image.counts() == ["1", "0", "1", "0"]


@pytest.mark.parametrize(
    ("rules", "counts", "verdict", "reason", "compliant"),
    [
        (
            [("fail", "high"), ("fail", "medium"), ("pass", "high")],
            "1 1 0 0",
            "failed",
            "compliance-rule-failed",
            False,
        ),
        ([("fail", "low"), ("fail", "info"), ("fail", "info")], "0 0 1 2", "failed", "compliance-score", False),
        ([("fail", "unknown"), ("fail", "new word")], "2 0 0 0", "failed", "vulnerability", None),
        ([("pass", "high"), ("notapplicable", "high")], "0 0 0 0", "passed", "", True),
        ([("pass", "high"), ("fail", "low")], "0 0 1 0", "passed", "", None),
        ([("pass", "high"), ("error", "low")], "0 0 0 0", "passed", "", None),
        ([("pass", "high")], "0 0 0 0", "inconclusive", "feed-stale", None),
        ([("pass", "high")], "0 0 0 0", "error", "registry-error", None),
    ],
)
def test_results_of_openscap_have_an_annotation_of_their_own(
    rules: list[tuple[str, str]], counts: str, verdict: str, reason: str, compliant: bool | None
) -> None:
    image = Image()
    reasons = [{"code": reason, "message": "m"}] if reason else []
    image.judge(facts(verdict, reasons=reasons, compliance=results(*rules)))
    assert image.counts(POLICY) == counts.split()
    assert image.quality(POLICY)["compliant"] is compliant
    said = "OpenSCAP profile xccdf_org.ssgproject.content_profile_cis, score 51.25"
    assert image.quality(POLICY)["description"] == said
    # What OpenSCAP alone broke is not a statement about vulnerabilities.
    by_rules = reason.startswith("compliance-")
    assert image.quality()["compliant"] is {"passed": True, "failed": None if by_rules else False}.get(verdict)
    image.judge(facts(verdict, reasons=reasons))
    assert POLICY not in image.annotations  # there are no results any more


@pytest.mark.parametrize(
    "blind",
    [
        results(problem="compliance-canary"),
        {**results(score=None), "rules": []},
        results(("error", "low")),
        results(("notchecked", "low")),
        {**results(), "partial": True},
    ],
    ids=["a guard", "no rule", "an error", "a rule that nobody checked", "some rules only"],
)
def test_rules_that_nobody_saw_are_no_compliance(blind: dict[str, t.Any]) -> None:
    for compliance, compliant in ((results(), True), (blind, None)):
        image = Image()
        image.judge(facts("passed", compliance=compliance))
        assert image.quality(POLICY)["compliant"] is compliant


def test_what_both_broke_is_a_statement_about_vulnerabilities_too() -> None:
    image = Image()
    reasons = [{"code": code, "message": "m"} for code in ("compliance-score", "vulnerability", "exception-expired")]
    image.judge(facts("failed", reasons=reasons, compliance=results()))
    assert image.quality()["compliant"] is image.quality(POLICY)["compliant"] is False


def test_rules_that_somebody_accepted_do_not_count() -> None:
    image = Image()
    image.judge(facts("passed", compliance=results(("fail", "high"), exception="accepted")))
    assert (image.counts(POLICY), image.quality(POLICY)["compliant"]) == (["0"] * 4, True)


def test_without_a_report_there_is_no_quality_annotation_since_it_must_name_one() -> None:
    image = Image()
    image.judge(facts(report_url=""))
    assert not [key for key in image.annotations if key.startswith("quality.")]
    assert (image.denied, image.annotations["imagescan.github.io/verdict"]) == ("true", "failed")


def test_a_report_named_earlier_is_named_again_rather_than_leaving_an_old_statement() -> None:
    image = Image()
    image.judge(facts("passed"))
    image.judge(facts("failed", report_url=""))
    assert (image.quality()["compliant"], image.quality()["reference"]) == (False, URL)
    image.annotations["imagescan.github.io/report"] = "javascript:alert(1)"
    image.judge(facts("passed", report_url=""))
    assert not {VULNERABILITY, "imagescan.github.io/report"} & set(image.annotations)


def test_what_was_never_scanned_has_no_quality() -> None:
    image = Image()
    image.judge(facts("error", scanned_at=""))
    assert set(image.annotations) & {VULNERABILITY, "imagescan.github.io/scanned"} == set()
    assert image.annotations["imagescan.github.io/verdict"] == "error"


def test_the_digest_stands_in_the_url() -> None:
    said = facts(report_url="https://r.example.com/{digest}.html")
    assert said.report_url == f"https://r.example.com/sha256:{'a' * 64}.html"


@pytest.mark.parametrize("url", ["https://r.example.com/x", "http://[::1]:8080/{digest}?a=b#c"])
def test_urls_that_people_can_follow(url: str) -> None:
    assert check_report_url(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not a URL"),
        ("reports/1", "not a URL"),
        ("ftp://r.example.com", "not a URL"),
        ("javascript:alert(1)", "not a URL"),
        ("https://", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://r.example.com/a b", "not a URL"),
        ("https://r.example.com/\n", "not a URL"),
        ("https://r.example.com/" + "a" * 2000, "not a URL"),
        ("https://user:secret@r.example.com", "user name or password"),
    ],
)
def test_other_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_report_url(url)
    assert "secret" not in str(caught.value)


# When something is written.


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive", "error"])
@pytest.mark.parametrize("provider", [PROVIDER, "team-b"])
@pytest.mark.parametrize("base", [{}, {DENY_EXECUTION: "true"}, {DENY_EXECUTION: "false"}, {DENY_EXECUTION: "yes"}])
def test_a_second_run_writes_nothing_and_a_nightly_one_neither(verdict: str, provider: str, base: Current) -> None:
    image = Image(base, provider)
    assert image.judge(facts(verdict, compliance=results(("fail", "high"))))
    for hours in (0, 24, 167):
        later = facts(
            verdict,
            compliance=results(("fail", "high")),
            scanned_at=f"2026-11-26T1{hours % 10}:00:00Z",
            report_url=f"{URL}{hours}",
            scanner_version=f"1.0.{hours}",
        )
        assert not image.judge(later, now=NOW + datetime.timedelta(hours=hours))


def test_after_seven_days_all_is_written_again() -> None:
    image = Image()
    image.judge(facts("passed"))
    later = facts("passed", scanned_at="2026-12-01T10:00:00Z", report_url=f"{URL}2")
    change = image.judge(later, now=NOW + datetime.timedelta(days=7))
    assert set(change.annotations) == {
        VULNERABILITY,
        "imagescan.github.io/scanned",
        "imagescan.github.io/report",
        "imagescan.github.io/written",
    }
    assert not change.labels
    assert image.quality()["timestamp"] == "2026-12-01T10:00:00Z"
    assert not image.judge(later, now=NOW + datetime.timedelta(days=8))


@pytest.mark.parametrize("written", ["", "yesterday", "2027-11-25T12:00:00Z", "0001-01-01T00:00:00Z", "9" * 300_000])
def test_a_time_that_cannot_be_is_no_reason_to_wait(written: str) -> None:
    image = Image()
    image.judge(facts("passed"))
    image.annotations["imagescan.github.io/written"] = written
    image.judge(facts("passed"))
    assert image.annotations["imagescan.github.io/written"] == "2026-11-25T12:00:00Z"


@pytest.mark.parametrize(
    "changed",
    [
        {"vulnerabilities": [finding("low")]},
        {"reasons": [{"code": "vulnerability", "message": "CVE-2 is important"}]},
        {"policies": [{"name": "stricter"}]},
        {"compliance": results()},
        {"verdict": "inconclusive"},
    ],
)
def test_another_verdict_count_or_reason_is_written(changed: dict[str, t.Any]) -> None:
    image = Image()
    image.judge(facts("failed"))
    said = facts_of({**document("failed"), **changed}, scanned_at="2026-11-25T10:00:00Z", report_url=URL)
    assert image.judge(said)
    assert not image.judge(said)


@pytest.mark.parametrize(
    "key",
    [
        DENY_EXECUTION,
        MARK,
        VULNERABILITY,
        *(f"imagescan.github.io/{name}" for name in ("verdict", "policy", "reasons", "written", "scanned", "report")),
    ],
)
@pytest.mark.parametrize("word", [None, "rubbish", "{", "[" * 100_000, "false"])
def test_what_somebody_changed_is_repaired(key: str, word: str | None) -> None:
    image = Image()
    image.judge(facts("failed"))
    before = dict(image.annotations)
    if word is None:
        del image.annotations[key]
    else:
        image.annotations[key] = word
    assert read_deny(image.annotations, PROVIDER).drifted == (key == DENY_EXECUTION)
    image.judge(facts("failed"))
    lasting = ("scanned", "report")  # times and addresses are not a reason to write, be they as they are
    if word is not None and key.endswith(lasting):
        return
    if key in (DENY_EXECUTION, MARK) and word is not None:
        before.update({FOREIGN: word} if key == DENY_EXECUTION else {})
    if key == MARK and word in (None, "false"):
        before[FOREIGN] = "true"  # nothing says any more that this was ours
    assert image.annotations == before


def test_a_label_that_somebody_changed_is_repaired() -> None:
    image = Image()
    image.judge(facts("failed"))
    image.labels["imagescan.github.io/verdict"] = "passed"
    assert image.judge(facts("failed")) == AnnotationPatch({}, {"imagescan.github.io/verdict": "failed"})


# Who denies.

CLOUDFORMS = {DENY_EXECUTION: "true", FAILED_POLICY: "old policy"}


def test_a_foreign_deny_survives_ours() -> None:
    image = Image({DENY_EXECUTION: "true"})
    image.judge(facts("passed"))
    assert image.denied == "true"
    image.judge(facts("failed"))
    assert image.annotations[FOREIGN] == "true"
    image.judge(facts("passed"))
    assert (image.denied, FOREIGN in image.annotations) == ("true", False)
    image.withdraw()
    assert image.annotations == {DENY_EXECUTION: "true"}


def test_a_foreign_word_that_we_must_overwrite_is_put_back() -> None:
    for word in ("false", "True", " true", "FALSE", "yes", "{}", "ä" * 1000):
        image = Image({DENY_EXECUTION: word})
        assert read_deny(image.annotations, PROVIDER).is_foreign == (word != "false")
        image.judge(facts("failed"))
        assert (image.denied, image.annotations[FOREIGN]) == ("true", word)
        image.judge(facts("passed"))
        assert image.denied == word


def test_a_person_who_takes_a_foreign_deny_back_is_heard() -> None:
    image = Image({DENY_EXECUTION: "true"})
    image.judge(facts("failed"))
    image.annotations[DENY_EXECUTION] = "false"
    image.judge(facts("failed"))
    assert (image.denied, image.annotations[FOREIGN]) == ("true", "false")
    image.judge(facts("passed"))
    assert image.denied == "false"


@pytest.mark.parametrize("recorded", [None, "true", "false", "yes"])
@pytest.mark.parametrize("verdict", ["failed", "inconclusive", "error"])
@pytest.mark.parametrize("empty", [None, "", " \n"])
def test_a_value_that_was_removed_is_nobodys_word(empty: str | None, recorded: str | None, verdict: str) -> None:
    image = Image({} if recorded is None else {DENY_EXECUTION: recorded})
    image.judge(facts("failed"))
    del image.annotations[DENY_EXECUTION]
    if empty is not None:
        image.annotations[DENY_EXECUTION] = empty
    deny = read_deny(image.annotations, PROVIDER)
    assert (deny.ours, deny.drifted, deny.foreign, deny.is_foreign) == (True, True, None, False)
    image.judge(facts(verdict))
    assert (image.denied, image.annotations[MARK], FOREIGN in image.annotations) == ("true", "true", False)
    image.judge(facts("passed"))
    assert (image.denied, read_deny(image.annotations, PROVIDER).foreign) == ("false", None)
    image.withdraw()
    assert not image.annotations


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_texts_say_nothing(empty: str) -> None:
    """The API server makes them of null in what is written whole."""
    keys = (DENY_EXECUTION, MARK, "imagescan.github.io/deny.alice", FOREIGN, FAILED_POLICY, SUCCESSFUL_POLICY)
    nothing = dict.fromkeys(keys, empty)
    for denied in (empty, "false", "true"):
        deny = read_deny({**nothing, DENY_EXECUTION: denied}, PROVIDER)
        assert (deny.mark, deny.others, deny.spoken, deny.leftover) == (None, (), False, False)
        assert (deny.foreign, deny.is_foreign) == (denied.strip() or None, denied == "true")
    assert read_deny({**nothing, MARK: "true", DENY_EXECUTION: "true"}, PROVIDER).foreign is None
    for verdict, key in (("failed", "failed-policy"), ("passed", "successful-policy")):
        image = Image(nothing)
        image.judge(facts(verdict), cloudforms_keys=True, adopt=True)
        assert image.denied == ("true" if verdict == "failed" else "false")
        assert {name: word for name, word in policy_keys(image).items() if word.strip()} == {key: "production"}
        assert not image.judge(facts(verdict), cloudforms_keys=True, adopt=True)


@pytest.mark.parametrize("end", ["inconclusive", "passed", "absent"])
def test_a_record_of_a_word_ends_with_the_last_deny_beside_it(end: str) -> None:
    """Somebody takes mark and value back by hand, and leaves the record: it must not become anybody's word again."""
    image = Image({DENY_EXECUTION: "true"})
    image.judge(facts("failed"))
    for key in (DENY_EXECUTION, MARK):
        del image.annotations[key]
    if end == "absent":
        image.withdraw()
    else:
        image.judge(facts(end))
    assert FOREIGN not in image.annotations
    image.annotations.update({"imagescan.github.io/deny.alice": "true", DENY_EXECUTION: "true"})
    assert read_deny(image.annotations, PROVIDER).foreign is None


def test_a_false_beside_one_of_another_provider_is_put_back_once() -> None:
    image = Image({DENY_EXECUTION: "false"})
    for verdict in ("failed", "passed"):
        for name in ("team-b", PROVIDER):
            image.judge(facts(verdict), provider=name)
    assert image.denied == "false"
    for name in ("team-b", PROVIDER):
        assert not image.judge(facts("passed"), provider=name)


def test_whoever_has_a_mark_is_an_owner() -> None:
    image = Image()
    image.judge(facts("failed"))
    image.annotations["imagescan.github.io/deny.alice"] = "true"
    image.judge(facts("passed"))
    assert image.denied == "true"
    assert read_deny(image.annotations, PROVIDER).others == ("alice",)
    # An owner changes both at once; a value that was left behind would be the word of somebody unknown.
    image.annotations.update({"imagescan.github.io/deny.alice": "false", DENY_EXECUTION: "false"})
    image.judge(facts("passed"))
    assert image.denied == "false"
    image.annotations.update({"imagescan.github.io/deny.alice": "true", DENY_EXECUTION: "true"})
    image.annotations["imagescan.github.io/deny.alice"] = "false"
    image.judge(facts("passed"))
    assert image.denied == "true"


def test_leftovers_of_cloudforms_stay_unless_they_are_adopted() -> None:
    image = Image({**CLOUDFORMS, "quality.images.openshift.io/vulnerability.openscap": "x"})
    image.judge(facts("passed"))
    assert image.annotations.items() >= CLOUDFORMS.items()
    assert not ours(image.annotations, PROVIDER)
    assert ours(image.annotations, PROVIDER, adopt=True)
    image.judge(facts("inconclusive"), adopt=True)
    assert image.annotations.items() >= CLOUDFORMS.items()
    image.judge(facts("passed"), adopt=True)
    assert (image.denied, FAILED_POLICY in image.annotations) == ("false", False)
    assert image.annotations["quality.images.openshift.io/vulnerability.openscap"] == "x"


def test_adopting_takes_no_flag_of_a_person() -> None:
    image = Image({DENY_EXECUTION: "true", SUCCESSFUL_POLICY: "old policy"})
    image.judge(facts("passed"), adopt=True)
    assert image.denied == "true"
    image = Image({DENY_EXECUTION: "true"})
    image.judge(facts("failed"), cloudforms_keys=True)
    assert FAILED_POLICY in image.annotations
    image.judge(facts("passed"), adopt=True)  # the failed-policy is ours, so it says nothing of the person's flag
    assert image.denied == "true"
    image = Image(CLOUDFORMS)
    image.judge(facts("failed"), adopt=True)
    image.judge(facts("passed"))
    assert image.denied == "false"


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_leftover_becomes_ours_when_it_is_flagged(before: bool, keys: bool) -> None:
    """Adopted when it is set, and so cleared without being adopted again; be it that we flagged before, or not."""
    image = Image(CLOUDFORMS)
    if before:
        image.judge(facts("failed"), cloudforms_keys=keys)
        assert (image.denied, image.annotations[FOREIGN]) == ("true", "true")
    image.judge(facts("failed"), adopt=True, cloudforms_keys=keys)
    assert (image.denied, image.annotations[MARK], FOREIGN in image.annotations) == ("true", "true", False)
    assert policy_keys(image) == ({"failed-policy": "production"} if keys else {})
    assert not image.judge(facts("failed"), adopt=True, cloudforms_keys=keys)
    image.judge(facts("passed"), cloudforms_keys=keys)
    assert (image.denied, policy_keys(image)) == ("false", {"successful-policy": "production"} if keys else {})


def test_without_adopting_a_leftover_stays_foreign_whoever_flags_beside_it() -> None:
    for keys in (False, True):
        image = Image(CLOUDFORMS)
        for verdict in ("failed", "inconclusive", "failed", "passed", "inconclusive"):
            image.judge(facts(verdict), cloudforms_keys=keys)
            assert image.denied == "true"
            assert read_deny(image.annotations, PROVIDER).leftover
            assert policy_keys(image) == {"failed-policy": "old policy"}
        image.withdraw()
        assert image.annotations == CLOUDFORMS


@pytest.mark.parametrize("first", ["failed", "passed", "absent"])
def test_a_person_who_denies_after_leftovers_were_adopted_is_heard(first: str) -> None:
    image = Image(CLOUDFORMS)
    if first == "absent":
        image.withdraw(adopt=True)
    else:
        image.judge(facts(first), adopt=True)
    assert FAILED_POLICY not in image.annotations
    image.judge(facts("passed"), adopt=True)
    image.annotations[DENY_EXECUTION] = "true"
    image.judge(facts("passed"), adopt=True)
    assert image.denied == "true"


def test_a_failed_policy_that_denies_no_more_is_adopted_too() -> None:
    """CloudForms left the one key when it wrote the other; a person's later deny beside it is not a leftover."""
    for value in ({}, {DENY_EXECUTION: "false"}):
        image = Image({**value, FAILED_POLICY: "old", SUCCESSFUL_POLICY: "new"})
        image.judge(facts("passed"), adopt=True)
        assert policy_keys(image) == {"successful-policy": "new"}
        image.annotations[DENY_EXECUTION] = "true"
        image.judge(facts("passed"), adopt=True)
        assert image.denied == "true"


@pytest.mark.parametrize("word", ["True", "TRUE", " true", "true\n", "yes", "1"])
def test_what_cloudforms_never_wrote_is_no_leftover_of_it(word: str) -> None:
    image = Image({DENY_EXECUTION: word, FAILED_POLICY: "old policy"})
    assert not ours(image.annotations, PROVIDER, adopt=True)
    image.judge(facts("failed"), adopt=True)
    assert (image.denied, image.annotations[FOREIGN]) == ("true", word)
    image.judge(facts("passed"), adopt=True)
    assert image.denied == word


def test_nothing_is_adopted_by_a_verdict_that_does_not_count() -> None:
    image = Image(CLOUDFORMS)
    image.judge(facts("failed"), provider="team-b")
    image.judge(facts("inconclusive"), adopt=True)
    assert (image.annotations[FOREIGN], MARK in image.annotations) == ("true", False)
    image.judge(facts("passed"), provider="team-b")
    assert image.denied == "true"


def test_a_false_stays_while_another_provider_says_it() -> None:
    image = Image()
    image.judge(facts("passed"))
    image.judge(facts("passed"), provider="team-b")
    image.withdraw()
    assert image.denied == "false"
    image.withdraw("team-b")
    assert not image.annotations


def test_withdrawing_with_adopt_takes_leftovers_too() -> None:
    image = Image(CLOUDFORMS)
    image.judge(facts("passed"))
    image.withdraw()
    assert image.annotations == CLOUDFORMS
    image.withdraw(adopt=True)
    assert not image.annotations


def policy_keys(image: Image) -> dict[str, str]:
    """CloudForms' keys that stand."""
    return {key.partition("/")[2]: value for key, value in image.annotations.items() if key.startswith("security.")}


def test_keys_of_cloudforms_exclude_each_other() -> None:
    image = Image()
    for verdict, keys in (
        ("failed", {"failed-policy": "production"}),
        ("inconclusive", {"failed-policy": "production"}),
        ("passed", {"successful-policy": "production"}),
        ("inconclusive", {}),
        ("passed", {"successful-policy": "production"}),
        ("failed", {"failed-policy": "production"}),
    ):
        image.judge(facts(verdict), cloudforms_keys=True)
        assert policy_keys(image) == keys
        assert not image.judge(facts(verdict), cloudforms_keys=True)
    image.judge(facts("failed"))
    assert not policy_keys(image)  # not asked for any more


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
@pytest.mark.parametrize("theirs", [{}, {FAILED_POLICY: "old"}, {DENY_EXECUTION: "true"}, {DENY_EXECUTION: "false"}])
def test_nothing_claims_success_where_nobody_knows(verdict: str, theirs: Current) -> None:
    image = Image({**theirs, SUCCESSFUL_POLICY: "old"})
    image.judge(facts(verdict), cloudforms_keys=True)
    assert (SUCCESSFUL_POLICY in image.annotations, image.annotations.items() >= theirs.items()) == (False, True)
    assert not image.judge(facts(verdict), cloudforms_keys=True)
    image = Image({**theirs, SUCCESSFUL_POLICY: "old"})
    image.judge(facts(verdict))
    assert image.annotations[SUCCESSFUL_POLICY] == "old"  # not asked for, so it is none of our business


@pytest.mark.parametrize("key", [FAILED_POLICY, SUCCESSFUL_POLICY])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("end", ["off", "absent"])
def test_what_cloudforms_wrote_itself_is_never_removed_with_ours(key: str, when: str, end: str) -> None:
    verdict = "failed" if key == FAILED_POLICY else "passed"
    image = Image({key: "theirs"} if when == "before" else {})
    image.judge(facts(verdict), cloudforms_keys=True)
    if when == "after":
        image.annotations[key] = "theirs"  # over ours
    image.judge(facts(verdict), cloudforms_keys=True)
    assert image.annotations[key] == "theirs"
    assert not image.judge(facts(verdict), cloudforms_keys=True)
    if end == "absent":
        image.withdraw()
        assert image.annotations == {key: "theirs"}
    else:
        image.judge(facts(verdict))
        assert policy_keys(image) == {key.partition("/")[2]: "theirs"}


def test_ours_are_known_by_the_record_of_version_0_3_0_too() -> None:
    for verdict, key in (("failed", FAILED_POLICY), ("passed", SUCCESSFUL_POLICY)):
        image = Image()
        image.judge(facts(verdict), cloudforms_keys=True)
        image.annotations["imagescan.github.io/policy-key.imagescan"] = key.partition("/")[2]
        image.judge(facts(verdict, policies=[{"name": "stricter"}]), cloudforms_keys=True)
        assert policy_keys(image) == {key.partition("/")[2]: "stricter"}
        image.withdraw()
        assert not image.annotations


@pytest.mark.parametrize("before", [("passed", "failed"), ("failed", "passed"), ()])
def test_two_providers_that_write_keys_of_cloudforms_come_to_rest(before: tuple[str, ...]) -> None:
    for verdicts in itertools.product(("failed", "passed", "inconclusive"), repeat=2):
        image = Image()
        names = (PROVIDER, "team-b")
        said = {name: facts(verdict, policies=[{"name": f"of {name}"}]) for name, verdict in zip(names, verdicts)}
        for verdict in before:
            for name in names:
                image.judge(facts(verdict), provider=name, cloudforms_keys=True)
        for _run in range(2):
            for name in names:
                image.judge(said[name], provider=name, cloudforms_keys=True)
        for name in names:
            assert not image.judge(said[name], provider=name, cloudforms_keys=True), verdicts
        # What failed before and is inconclusive now is denied still.
        denied = "failed" in verdicts or (before[-1:] == ("failed",) and "inconclusive" in verdicts)
        key = "failed-policy" if denied else "successful-policy" if "passed" in verdicts else ""
        assert (set(policy_keys(image)), image.denied == "true") == ({key} - {""}, denied)
        for name in names:
            image.withdraw(name)
        assert not image.annotations


def test_success_is_not_claimed_while_another_provider_denies() -> None:
    image = Image()
    image.judge(facts("failed"), provider="team-b")
    image.judge(facts("failed"), cloudforms_keys=True)
    image.judge(facts("passed"), cloudforms_keys=True)
    assert (image.denied, image.annotations[MARK], policy_keys(image)) == ("true", "false", {})
    image.judge(facts("passed"), provider="team-b")
    image.judge(facts("passed"), cloudforms_keys=True)
    assert (image.denied, policy_keys(image)) == ("false", {"successful-policy": "production"})


def test_a_successful_of_cloudforms_yields_and_its_failed_does_not() -> None:
    image = Image({SUCCESSFUL_POLICY: "old"})
    image.judge(facts("failed"), cloudforms_keys=True)
    assert policy_keys(image) == {"failed-policy": "production"}
    image = Image({FAILED_POLICY: "old", SUCCESSFUL_POLICY: "old"})
    image.judge(facts("passed"), cloudforms_keys=True)
    assert policy_keys(image) == {"failed-policy": "old", "successful-policy": "old"}
    image.withdraw()
    assert policy_keys(image) == {"failed-policy": "old", "successful-policy": "old"}
    image = Image(CLOUDFORMS)
    image.judge(facts("passed"), cloudforms_keys=True, adopt=True)
    assert policy_keys(image) == {"successful-policy": "production"}


# Sizes.


def total(annotations: Current) -> int:
    """As the API server counts."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def filled(left: int) -> Current:
    """Annotations of others that leave so many bytes."""
    base = {"quality.images.openshift.io/vulnerability.blackduck": '{"broken', "notes": ""}
    return {**base, "notes": "x" * (SIZE_LIMIT - left - total(base))}


def test_the_longest_texts_are_a_summary() -> None:
    image = Image()
    reasons = [{"code": "vulnerability", "message": "\u202e" + "y" * 50_000} for _number in range(1000)]
    policies = [{"name": "p" * 1000}] * 100
    many = [finding("low")] * 200_000
    image.judge(facts(reasons=reasons, policies=policies, vulnerabilities=many))
    assert total(image.annotations) < 4000
    assert image.counts() == ["0", "0", "0", "200000"]
    assert image.annotations["imagescan.github.io/reasons"].endswith("… (and 999 more)")
    assert image.annotations["imagescan.github.io/reasons"].isprintable()


def test_ours_is_shortened_where_others_leave_little_room() -> None:
    seen = []
    for left in range(0, 3000, 10):
        theirs = filled(left)
        image = Image(theirs)
        said = facts(reasons=[{"code": "vulnerability", "message": "z" * 900}])
        try:
            image.judge(said)
        except LimitExceeded as error:
            assert error.code == "annotations-full"
            assert left < 100
            assert image.annotations == theirs
            seen.append("refused")
            continue
        assert total(image.annotations) <= SIZE_LIMIT
        assert image.annotations.items() >= theirs.items()
        assert (image.denied, image.annotations[MARK]) == ("true", "true")
        assert not image.judge(said)
        keys = set(image.annotations)
        has = "quality" if VULNERABILITY in keys else "facts" if "imagescan.github.io/verdict" in keys else "flag"
        if has == "quality":
            has = "whole" if "description" in image.quality() else has
        seen.append(has)
        image.judge(facts("passed"))
        assert image.denied in (None, "false")
        assert total(image.annotations) <= SIZE_LIMIT
        image.withdraw()
        assert image.annotations == theirs
    assert list(dict.fromkeys(seen)) == ["refused", "flag", "facts", "quality", "whole"]


def test_every_byte_that_the_server_takes_is_used() -> None:
    said = facts(reasons=[{"code": "vulnerability", "message": "z" * 900}])
    empty = Image(filled(3000))
    empty.judge(said)
    needed = total(empty.annotations) - total(filled(3000))
    for left in (needed, needed - 1):
        image = Image(filled(left))
        image.judge(said)
        assert (total(image.annotations) == SIZE_LIMIT) is (left == needed)
        assert ("description" in image.quality()) is (left == needed)


def test_the_flag_is_taken_back_even_where_no_byte_is_left() -> None:
    image = Image()
    image.judge(facts("failed", report_url=""))
    image.annotations["notes"] = "x" * (SIZE_LIMIT - total(image.annotations) - len("notes"))
    theirs = image.annotations["notes"]
    image.judge(facts("passed", reasons=[{"code": "note", "message": "n" * 5000}]))
    assert image.denied in (None, "false")
    assert image.annotations["notes"] == theirs
    assert total(image.annotations) <= SIZE_LIMIT


@pytest.mark.parametrize("verdict", ["inconclusive", "error", "failed"])
def test_a_flagged_image_keeps_its_flag_where_no_byte_is_left(verdict: str) -> None:
    # Somebody took the word and all the rest away, and filled the room that writing it again needs.
    image = Image({MARK: "true"})
    image.annotations["notes"] = "x" * (SIZE_LIMIT - total(image.annotations) - len("notes"))
    before = dict(image.annotations)
    with pytest.raises(LimitExceeded) as caught:
        image.judge(facts(verdict))
    assert caught.value.code == "annotations-full"
    assert image.annotations == before
    assert image.annotations[MARK] == "true"


def test_an_image_with_nothing_to_flag_is_no_error_however_full_it_is() -> None:
    theirs = filled(10)
    image = Image(theirs)
    image.judge(facts("passed"))
    assert image.annotations == theirs
    assert image.labels == {"theirs": "kept"}


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=300)), max_size=30), st.integers(60, 1500))
def test_reasons_fit_into_a_line(reasons: list[tuple[str, str]], limit: int) -> None:
    text = reasons_text(reasons, limit)
    assert len(text) <= limit
    assert text.isprintable()
    if reasons and max(map(len, reasons[0])) < 10 and "".join(reasons[0]).isprintable():
        assert text.startswith(f"{reasons[0][0]}: {reasons[0][1]}")


# What others wrote.


def test_what_others_wrote_is_read_as_far_as_it_can_be() -> None:
    manageiq = {
        "name": "ManageIQ",
        "timestamp": 1510000000,
        "description": "OpenSCAP Score",
        "reference": "",
        "compliant": True,
        "summary": [{"label": "Critical", "severityIndex": 3, "data": 0}, {"label": "Important", "data": 1}],
    }
    written = {
        "vulnerability.openscap": json.dumps(manageiq),
        "policy.blackduck": json.dumps(
            {"name": "B\x1b[31m", "compliant": "FALSE", "summary": '[{"label":"low","data":"4"}]'}
        ),
        "vulnerability.imagescan": "{}",
        "license.a": "{'single': 'quotes'}",
        "license.b": "x" * 300_000,
        "license.c": "[" * 100_000,
        "license.d": "[]",
        "license.e": '{"summary":[1,null,{"data":"-1"},{"data":"1e9"},{"data":true}],"compliant":1,"name":[]}',
        "license.f": '{"summary":"{"}',
        "odd": "{}",
    }
    current = {f"quality.images.openshift.io/{key}": value for key, value in written.items()}
    said = {f"{one.kind}.{one.scanner}": one for one in others_say(current, PROVIDER)}
    assert set(said) == {*written} - {"vulnerability.imagescan", "odd"} | {"odd."}
    openscap = said["vulnerability.openscap"]
    assert (openscap.name, openscap.timestamp, openscap.compliant) == ("ManageIQ", "1510000000", True)
    assert openscap.counts == {"critical": 0, "important": 1}
    blackduck = said["policy.blackduck"]
    assert (blackduck.name, blackduck.compliant, blackduck.counts) == ("B\\x1b[31m", False, {"low": 4})
    problems = {key: one.problem for key, one in said.items() if one.problem}
    assert set(problems) == {f"license.{letter}" for letter in "abcdf"}
    assert "at most 262144 are read" in problems["license.b"]
    assert "not readable JSON" in problems["license.a"]
    assert (said["license.e"].compliant, said["license.e"].counts, said["license.e"].name) == (None, {}, "")


@given(st.dictionaries(st.sampled_from(["a.b", "vulnerability.x", ""]), st.text(max_size=200)))
def test_reading_others_never_fails(values: dict[str, str]) -> None:
    current = {f"quality.images.openshift.io/{key}": value for key, value in values.items()}
    assert len(others_say(current, PROVIDER)) == len(current)


OUR_KEYS = ("imagescan.github.io/", "quality.images.openshift.io/vulnerability.imagescan", POLICY, DENY_EXECUTION)


@given(
    st.dictionaries(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["quality.images.openshift.io/vulnerability.openscap", SUCCESSFUL_POLICY, FAILED_POLICY]),
        ).filter(lambda key: not key.startswith(OUR_KEYS)),
        st.text(max_size=50),
    ),
    st.sampled_from([None, "true", "false", "yes"]),
    st.lists(st.sampled_from(["passed", "failed", "inconclusive", "error"]), max_size=4),
)
def test_taken_back_is_exactly_what_is_ours(theirs: Current, denied: str | None, verdicts: list[str]) -> None:
    base = {**theirs, **({} if denied is None else {DENY_EXECUTION: denied})}
    image = Image(base)
    for verdict in verdicts:
        image.judge(facts(verdict, compliance=results()))
        assert image.annotations.items() >= theirs.items()
    image.withdraw()
    assert (image.annotations, image.labels) == (base, {"theirs": "kept"})
    assert not image.withdraw()


def test_facts_of_two_providers_stand_side_by_side() -> None:
    image = Image()
    image.judge(facts("passed"))
    image.judge(facts("failed"), provider="team-b")
    assert not image.judge(facts("passed"))
    assert not image.judge(facts("failed"), provider="team-b")
    assert image.labels == {
        "theirs": "kept",
        "imagescan.github.io/verdict": "passed",
        "imagescan.github.io/verdict.team-b": "failed",
    }
    assert image.denied == "true"
    assert json.loads(image.annotations["quality.images.openshift.io/vulnerability.team-b"])["name"] == (
        "imagescan.openshift (team-b)"
    )


def test_the_names_are_no_longer_than_kubernetes_allows() -> None:
    keys = module._Keys("a" * 40)
    for key in (*keys.facts, *keys.quality, keys.mark, keys.policy_key):
        assert len(key.partition("/")[2]) <= 63
