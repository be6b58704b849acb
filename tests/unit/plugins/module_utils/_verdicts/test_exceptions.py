# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions: what each key does, what is refused, when they end, and what they never hide."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RULE_RESULTS
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.applying import Exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.documents import VALUE_LIMIT
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import (
    EXCEPTIONS_SCHEMA,
    JUSTIFICATIONS,
    MAX_DAYS,
    Acceptance,
    check_policies,
    load_exceptions,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import ImageVerdict
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.usage import (
    IMAGES_KEPT,
    Usages,
    counts,
    warnings,
)
from ansible_collections.imagescan.openshift.tests.support import verdicts as make

CHECKOUT = Path(__file__).resolve().parents[5]
POLICY = "- name: base\n  vulnerabilities: {max_severity: moderate}\n"
RULES = "- name: base\n  compliance: {max_failed_severity: medium, score: 50}\n"
RULE = "xccdf_org.ssgproject.content_rule_no_empty_passwords"
FOUND = make.finding(status="affected", fixed_in="", advisory="")
FIXED = make.finding()


def accept(**keys: str) -> str:
    """One entry; an empty value leaves the key out."""
    given = {"id": "CVE-2026-1001", "reason": "tested", "expires": "2027-01-01", **keys}
    return "- {" + ", ".join(f"{key}: {value}" for key, value in given.items() if value) + "}\n"


def rule(**keys: str) -> str:
    """One entry for a rule."""
    return accept(**{"id": "", "rule": RULE, **keys})


def judged(exceptions: str, policy: str = POLICY, now: datetime.datetime = make.NOW, **changes: t.Any) -> ImageVerdict:
    """The verdict on the usual image, which has one finding."""
    subject = make.subject(**{**make.match(findings=(FOUND,)), **changes})
    return judge(subject, load_policies(policy, "p.yml"), load_exceptions(exceptions, "e.yml"), now=now)


def results(result: str = "fail", score: float = 80.0) -> dict[str, t.Any]:
    """OpenSCAP results with one rule that passed, and one that did not."""
    return {
        "compliance": make.compliance(
            {"id": RULE, "title": "no empty passwords", "result": result}, {"id": "xccdf_x_rule_other"}, score=score
        )
    }


# What each key does.


@pytest.mark.parametrize(
    ("keys", "accepted"),
    [
        ({}, True),
        ({"id": "'CVE-2026-100?'"}, True),
        ({"id": "CVE-2026-1002"}, False),
        ({"packages": "[openssl-libs]"}, True),
        ({"packages": "openssl-l*"}, True),
        ({"packages": "[bash]"}, False),
        ({"packages": "['openssl-libs-1:3.0.7-27.el9.x86_64']"}, True),
        ({"images": "['registry.example.com/team/*']"}, True),
        ({"images": "['registry.example.com/other/*']"}, False),
        ({"policies": "[base]"}, True),
        ({"policies": "['b*']"}, True),
        ({"policies": "[other]"}, False),
        ({"expires": "2026-11-23"}, False),
        ({"expires": "", "when": "fixed"}, True),
        ({"when": "fixed", "expires": "2026-11-23"}, False),
        ({"owner": "me", "ticket": "T-1", "justification": JUSTIFICATIONS[0]}, True),
    ],
)
def test_each_key_decides_what_is_accepted(keys: dict[str, str], accepted: bool) -> None:
    verdict = judged(accept(**keys))
    assert verdict.verdict == ("passed" if accepted else "failed")
    assert bool(verdict.excepted) is accepted
    assert [one["state"] for one in verdict.exceptions if one["state"] == "accepted"] == ["accepted"] * accepted


def test_the_report_tells_owner_ticket_justification_and_end() -> None:
    text = accept(owner="team@example.com", ticket="SEC-7", justification=JUSTIFICATIONS[2], when="fixed")
    verdict = judged(text)
    (one,) = image_document(make.subject(**make.match(findings=(FOUND,))), verdict)["exceptions"]
    assert one == {
        "id": "CVE-2026-1001",
        "kind": "exception",
        "state": "accepted",
        "status": "",
        "time": "",
        "justification": "vulnerable_code_not_in_execute_path",
        "reason": "tested",
        "owner": "team@example.com",
        "ticket": "SEC-7",
        "expires": "2027-01-01",
        "when": "fixed",
        "policies": [],
        "findings": [{"id": "CVE-2026-1001", "package": FOUND.package}],
        "rules": [],
    }
    assert [reason.message for reason in verdict.reasons] == [
        "1 finding of CVE-2026-1001 accepted by team@example.com until 2027-01-01 or a fix is there: tested (SEC-7)"
    ]


def test_an_exception_until_fixed_ends_when_there_is_a_fix() -> None:
    text = accept(expires="", when="fixed")
    assert judged(text).verdict == "passed"
    verdict = judged(text, **make.match(findings=(FIXED,)))
    assert verdict.verdict == "failed"
    assert verdict.exceptions[0]["state"] == "fix_available"
    assert "accepted until a fix is there: there is a fix now, so it counts again" in verdict.reasons[-1].message


def test_what_is_fixed_for_one_product_counts_although_it_is_not_for_another() -> None:
    both = (FOUND, make.finding(cpe="cpe:/a:redhat:enterprise_linux:9::appstream"))
    verdict = judged(accept(expires="", when="fixed"), **make.match(findings=both))
    assert (verdict.verdict, verdict.excepted) == ("failed", {})


def test_an_exception_for_one_policy_does_not_help_with_another() -> None:
    two = POLICY + POLICY.replace("base", "strict")
    verdict = judged(accept(policies="[base]"), two)
    assert {policy.name: policy.verdict for policy in verdict.policies} == {"base": "passed", "strict": "failed"}
    # What one policy counts is a finding in reports.
    assert (verdict.verdict, verdict.excepted) == ("failed", {})
    both = judged(accept(policies="[base]") + accept(policies="[strict]", reason="also"), two)
    assert both.verdict == "passed"
    assert len(both.exceptions) == 2


def test_a_condition_sees_what_its_policy_accepts() -> None:
    condition = "  conditions: [{name: none, that: \"length(vulnerabilities[?exception == '']) == `0`\"}]\n"
    two = f"- name: base\n{condition}- name: strict\n{condition}"
    verdict = judged(accept(policies="[base]"), two)
    assert {policy.name: policy.verdict for policy in verdict.policies} == {"base": "passed", "strict": "failed"}


@pytest.mark.parametrize(
    ("keys", "accepted"),
    [
        ({}, True),
        ({"rule": "no_empty_passwords"}, True),
        ({"rule": "'no_empty_*'"}, True),
        ({"rule": "no_empty_password"}, False),
        ({"images": "['quay.io/*']"}, False),
        ({"policies": "[base]"}, True),
        ({"policies": "[other]"}, False),
        ({"expires": "2026-11-23"}, False),
    ],
)
def test_a_rule_that_failed_can_be_accepted(keys: dict[str, str], accepted: bool) -> None:
    verdict = judged(rule(**keys), RULES, **results())
    assert verdict.verdict == ("passed" if accepted else "failed")
    assert verdict.excepted_rules == ({RULE: keys.get("rule", RULE).strip("'")} if accepted else {})
    document = image_document(make.subject(**results()), verdict)
    assert bool(document["compliance"]["rules"][0]["exception"]) is accepted


@pytest.mark.parametrize("result", sorted({*RULE_RESULTS} - {"pass", "fixed", "fail"}))
def test_a_rule_without_a_result_cannot_be_accepted(result: str) -> None:
    """An exception changes nothing about a rule that was not evaluated: error and notchecked stay inconclusive."""
    verdict = judged(rule(), RULES, **results(result))
    assert verdict.verdict == judged("", RULES, **results(result)).verdict
    assert verdict.verdict == ("inconclusive" if result in ("error", "unknown", "notchecked") else "passed")
    assert (verdict.exceptions, verdict.excepted_rules) == ((), {})


def test_an_accepted_rule_does_not_raise_the_score() -> None:
    assert judged(rule(), RULES, **results(score=49.0)).verdict == "failed"


# When they end.


@pytest.mark.parametrize(
    ("expires", "now", "holds"),
    [
        ("2026-11-23", "2026-11-24T00:00:00+00:00", False),  # past
        ("2026-11-24", "2026-11-24T00:00:00+00:00", True),  # today, first moment
        ("2026-11-24", "2026-11-24T23:59:59+00:00", True),  # today, last moment
        ("2026-11-25", "2026-11-24T12:00:00+00:00", True),  # tomorrow
        ("2028-02-29", "2028-02-29T23:59:59+00:00", True),  # a leap day
        ("2028-02-29", "2028-03-01T00:00:00+00:00", False),
        ("2028-02-28", "2028-02-29T00:00:00+00:00", False),
        ("2027-02-28", "2027-03-01T00:00:00+00:00", False),
        ("2026-12-31", "2026-12-31T23:59:59+00:00", True),
        ("2026-12-31", "2027-01-01T00:00:00+00:00", False),
        # It is the day in UTC that counts, wherever the judge stands.
        ("2026-11-24", "2026-11-25T04:59:59+05:00", True),
        ("2026-11-24", "2026-11-25T05:00:00+05:00", False),
        ("2026-11-24", "2026-11-25T13:59:59+14:00", True),
        ("2026-11-24", "2026-11-24T11:59:59-12:00", True),
        ("2026-11-24", "2026-11-24T12:00:00-12:00", False),
        ("9999-12-31", "2026-11-24T12:00:00+00:00", True),
        ("0001-01-01", "2026-11-24T12:00:00+00:00", False),
    ],
)
def test_it_holds_through_its_last_day_in_utc(expires: str, now: str, holds: bool) -> None:
    policy = POLICY + "  max_age: {feed: unlimited}\n"
    verdict = judged(accept(expires=expires), policy, datetime.datetime.fromisoformat(now))
    assert verdict.verdict == ("passed" if holds else "failed")
    assert verdict.exceptions[0]["state"] == ("accepted" if holds else "expired")


@pytest.mark.parametrize(("day", "accepted"), [("2028-11-23", True), ("2028-11-24", False), ("9999-12-31", False)])
def test_an_end_beyond_the_latest_day_is_refused_with_that_day(day: str, accepted: bool) -> None:
    latest = datetime.date(2028, 11, 23)
    if accepted:
        assert load_exceptions(accept(expires=day), "e.yml", latest=latest)
        return
    with pytest.raises(InputError) as caught:
        load_exceptions(accept() + accept(expires=day), "e.yml", latest=latest)
    text = (
        f"e.yml, line 2: exception [1].expires: {day} is too far ahead: the last day that is accepted now is 2028-11-23"
    )
    assert text in str(caught.value)
    assert "exceptions_max_days" in str(caught.value)


def test_options_and_traps_mean_the_same_two_years() -> None:
    assert argument_specs.exceptions()["exceptions_max_days"]["default"] == MAX_DAYS


def test_the_one_that_holds_longest_explains() -> None:
    several = accept(reason="short") + accept(reason="long", expires="2027-06-01") + accept(expires="2026-01-01")
    (one,) = judged(several).exceptions
    assert one["reason"] == "long"


# What is refused.

REFUSED = [
    # (text, what the message says, whether the JSON Schema refuses it, too)
    ("- {id: CVE-1, reason: a}", "line 1: exception [0]: expires is missing", True),
    ("- {id: CVE-1, expires: 2027-01-01}", "reason is missing", True),
    ("- {reason: a, expires: 2027-01-01}", "id is missing", True),
    ("- {id: CVE-1, rule: abcd, reason: a, expires: 2027-01-01}", "give id or rule, not both", True),
    (accept(expires="never"), "expires: expected a date like 2027-03-31, found 'never'", True),
    (accept(expires="'when: fixed'"), "expected a date", True),
    (accept(expires="2027-02-29"), "expected a date", False),
    (accept(expires="2100-02-29"), "expected a date", False),
    (accept(expires="2027-13-01"), "expected a date", False),
    (accept(expires="0000-01-01"), "expected a date", False),
    (accept(expires="2027-1-1"), "expected a date", True),
    (accept(expires="'2027-01-01T00:00:00Z'"), "expected a date", True),
    (accept(expires="[2027-01-01]"), "found a list", True),
    (accept(when="fix"), "'fix' is not an event that ends an exception; did you mean 'fixed'?", True),
    (accept(when="~"), "when: expected an event", True),
    (accept(id="'CVE-2026-100*'", expires="", when="fixed"), "what is yet to be found: give 'expires', too", False),
    (accept(id="'*'"), "expected the id of a finding", True),
    (accept(id="'[A-Z]*'", packages="['[a-z]*']"), "expected the id of a finding", True),
    (accept(id="'[]A]*'", packages="[a]"), "expected the id of a finding", True),
    (accept(id="'[!!]*[0-9]'", packages="[a]"), "expected the id of a finding", True),
    (accept(id="'*E*'", packages="['?*[!0]']"), "a pattern of wildcards alone names nothing", True),
    (accept(packages="['[a-z]*']"), "a pattern of wildcards alone names nothing", True),
    (accept(images="['[!]a]*']"), "a pattern of wildcards alone names nothing", True),
    (accept(policies="['a', '[[a-z]*']"), "a pattern of wildcards alone names nothing", True),
    (accept(id="'CVE-*'"), "accepts far too much", False),
    (accept(id="'CVE-2026-1*'"), "or more of the id, as in CVE-2026-123*", False),
    (accept(packages="'*.x86_64'"), "as in [openssl, 'openssl-*']", True),
    (accept(packages="'*el9*'"), "begins with the name of a package up to a hyphen", True),
    (accept(packages="'*s*'"), "begins with the name of a package up to a hyphen", True),
    (accept(packages="['a', 'o*']"), "'o*' covers packages that it does not name", True),
    (accept(packages="'openssl*'"), "as in [openssl, 'openssl-*']", True),
    (accept(packages="'lib*'"), "as in [lib, 'lib-*']", True),
    (accept(packages="'kernel?'"), "as in [kernel, 'kernel-*']", True),
    (accept(packages="'[k]ernel-*'"), "as in [openssl, 'openssl-*']", True),
    (accept(packages="'-*'"), "a pattern of wildcards alone", True),
    (accept(packages="'*-libs'"), "'*-libs' covers packages that it does not name", True),
    (accept(id="'CVE-2026-*'", packages="['*']"), "a pattern of wildcards alone names nothing", True),
    (accept(id="'a b'"), "expected the id of a finding", True),
    (accept(id="[CVE-1]"), "found a list", True),
    (accept(id="'" + "x" * 101 + "'"), "expected the id of a finding", True),
    (accept(reason="' '"), "expected why it is accepted", False),
    (accept(reason="{a: b}"), "found a mapping", True),
    (accept(reason="'" + "x" * 5000 + "'"), "longer than 4096 characters", True),
    (accept(owner="''") + accept(owner="~"), "owner: expected who answers for it", True),
    (accept(ticket="[a]"), "ticket: expected where it was agreed", True),
    (accept(justification="component_not_there"), "did you mean 'component_not_present'?", True),
    (accept(packages="[]"), "an empty list covers nothing", True),
    (accept(images="[]"), "an empty list covers nothing", True),
    (accept(policies="[]"), "an empty list covers nothing", True),
    (accept(policies="['?']"), "a pattern of wildcards alone", True),
    (accept(images="{a: b}"), "images: expected a list of patterns, found a mapping", True),
    (accept(package="a"), "unknown key 'package'; did you mean 'packages'?", True),
    (accept(policy="a"), "unknown key 'policy'; did you mean 'policies'?", True),
    (accept(expiry="a"), "unknown key 'expiry'; did you mean 'expires'?", True),
    (rule(packages="[a]"), "packages: is for findings", True),
    (rule(when="fixed"), "when: is for findings", True),
    (rule(justification=JUSTIFICATIONS[0]), "justification: is for findings", True),
    (rule(rule="'*'"), "accepts far too much", True),
    (rule(rule="'xccdf_org.ssgproject.content_rule_*'"), "accepts far too much", True),
    (rule(rule="'xccdf_org.ssgproject.*'"), "accepts far too much", True),
    (rule(rule="'[a-z]*'"), "accepts far too much", True),
    (rule(rule="'abc*'"), "accepts far too much", True),
    (rule(rule="'xccdf*'"), "accepts far too much", True),
    (rule(rule="'xccd*'"), "two words of what follows _rule_ in it", True),
    (rule(rule="'xccdf_*_rule_no_empty_passwords'"), "accepts far too much", True),
    (rule(rule="'xccdf_org.ssgproject.content_r*'"), "accepts far too much", True),
    (rule(rule="'xccdf_org.ssgproject.content_rule_sshd_*'"), "as in sshd_disable_*", True),
    (rule(rule="'package_*_removed'"), "accepts far too much", True),
    (rule(rule="'sshd_d*'"), "accepts far too much", True),
    (rule(rule="a b"), "expected the id of an OpenSCAP rule", True),
    (accept() + "- {}", "line 2: exception [1]: id is missing", True),
    (accept() + "- ~", "line 2: exception [1]: expected an exception", True),
    ("id: CVE-1", "expected a list of exceptions", True),
    ("- CVE-1", "found 'CVE-1'", True),
    ("- {id: CVE-1, id: CVE-2, reason: a, expires: 2027-01-01}", "the key 'id' stands twice", None),
    ("- &a {id: CVE-1, reason: a, expires: 2027-01-01}\n- *a", "aliases (*name) are not read", None),
    ("- !!python/object:os.system {id: a}", "the tag", None),
    ("- {id: [CVE-1", "not valid YAML", None),
    (accept() + "---\n" + accept(), "not valid YAML", None),
    ("- {? [a] : b}", "a key must be a word", None),
    ("\x00", "not valid YAML", None),
    ("[" * 40, "nested deeper than 16 levels", None),
    ("- " * 40 + "a", "nested deeper than 16 levels", None),
    ("#" + "x" * (1 << 19), "larger than 512 KiB", None),
]


def as_written(text: str) -> t.Any:
    """The document as an editor sees it: scalars are text."""
    value = yaml.load(text, Loader=yaml.BaseLoader)
    return None if value == "" else value


@pytest.mark.parametrize(("text", "message", "by_schema"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_is_wrong_is_refused_with_file_and_line(text: str, message: str, by_schema: bool | None) -> None:
    with pytest.raises(InputError) as caught:
        load_exceptions(text, "e.yml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("e.yml")
    if by_schema is not None:
        assert jsonschema.Draft202012Validator(EXCEPTIONS_SCHEMA).is_valid(as_written(text)) is not by_schema


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"when": "fixed"},
        {"expires": "", "when": "fixed"},
        {"packages": "a"},
        {"packages": "['openssl-*', 'java-*-openjdk*', 'kernel-0:5.14.0-[0-9]*', 'libstdc++-*', 'python3.11-*']"},
        {"images": "['[a-z]*-libs', '[a', '[!]x', '[]x', '*]x']"},
        {"id": "'CVE-2026-[0-9]*'", "packages": "['openssl-*']"},
    ],
)
def test_the_schema_takes_what_the_reader_takes(keys: dict[str, str]) -> None:
    families = (rule(rule="'sshd_disable_*'"), rule(rule="'xccdf_org.ssgproject.content_rule_sshd_disable_*'"))
    for text in (accept(**keys), rule(), rule(policies="[a]", owner="b"), *families, ""):
        load_exceptions(text, "e.yml")
        jsonschema.validate(as_written(text), EXCEPTIONS_SCHEMA)


def test_the_schema_in_the_documentation_is_the_one_in_the_code() -> None:
    text = (CHECKOUT / "docs" / "exceptions.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(EXCEPTIONS_SCHEMA, indent=2) + "\n"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_the_examples_are_valid() -> None:
    for path in (CHECKOUT / "examples" / "exceptions").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert load_exceptions(text, path.name)
        jsonschema.validate(as_written(text), EXCEPTIONS_SCHEMA)


def test_a_policy_that_is_not_there_is_named_with_the_nearest() -> None:
    entries = load_exceptions(accept() + accept(policies="[prodction]"), "e.yml")
    check_policies(entries, ["prodction"])
    with pytest.raises(InputError) as caught:
        check_policies(entries, ["production", "default"])
    assert "e.yml, line 2: exception CVE-2026-1001: there is no policy 'prodction'" in str(caught.value)
    assert "did you mean 'production'?" in str(caught.value)


def test_a_thousand_exceptions_over_a_large_image_take_a_moment() -> None:
    text = "".join(
        accept(id=f"'CVE-2026-{number}*'", packages="['a-*b*c*d*e*f*g']") for number in range(10_000, 11_000)
    )
    text += accept(id="CVE-2026-1001", packages="['openssl-" + "*a" * 200 + "']")
    findings = tuple(make.finding(id="CVE-2026-1001", package=f"{'a' * 200}-0:1-{n}.x86_64") for n in range(1000))
    started = time.process_time()
    verdict = judged(text, **make.match(findings=findings))
    assert verdict.verdict == "failed"
    assert time.process_time() - started < 30


# What they never hide.


@pytest.mark.parametrize(
    "changes",
    [
        make.inventory(problems=(Problem("rpmdb-corrupt", "page 7"),)),
        make.inventory(kind="unknown", packages=(), database=None),
        make.inventory(packages=(), database=PackageDatabase("p", "sqlite", 0)),
        make.inventory(database=PackageDatabase("p", "sqlite", 3)),
        {"inventory": None, "match": None},
        {"match": None, "feed": None},
        make.match(supported=False),
        make.match(cpes=()),
        make.match(problems=(Problem("release-mismatch", "el8"),)),
        make.match(unmapped=("rhel-9-for-x86_64-baseos-rpms",)),
        make.feed(checked="2020-01-01T00:00:00Z"),
        make.match(unread=(make.UNREAD,)),
        make.feed(statements=0),
    ],
)
def test_an_exception_never_hides_what_could_not_be_seen(changes: dict[str, t.Any]) -> None:
    everything = accept(id="'CVE*'", packages="['openssl-*', 'bash-*']") + rule()
    if "match" in changes and changes["match"] is not None:
        changes = {**changes, **make.match(**{**vars(changes["match"]), "findings": (FOUND,)})}
    verdict = judged(everything, **changes)
    assert verdict.verdict == "inconclusive"
    if verdict.exceptions:
        # The twin: without the trouble the same exceptions clear the finding.
        assert judged(everything).verdict == "passed"


# What became of them.


def used(exceptions: str, findings: tuple[t.Any, ...] = (FOUND,), policies: str = POLICY, days: int = 0) -> Usages:
    """Usages over one image, some days later."""
    subject = make.subject(**make.match(findings=findings))
    entries = load_exceptions(exceptions, "e.yml")
    verdict = judge(subject, load_policies(policies, "p.yml"), entries, now=make.NOW)
    usages = Usages(Exceptions(entries), make.NOW.date() + datetime.timedelta(days=days))
    usages.add(image_document(subject, verdict))
    return usages


@pytest.mark.parametrize(
    ("keys", "findings", "state"),
    [
        ({}, (FOUND,), "used"),
        ({}, (), "unused"),
        ({"images": "['quay.io/*']"}, (FOUND,), "unused"),
        ({"packages": "[openssl-libs]"}, (FOUND,), "used"),
        ({"policies": "[base]"}, (FOUND,), "used"),
        ({"policies": "[other]"}, (FOUND,), "unused"),
        ({"expires": "2026-11-23"}, (FOUND,), "expired"),
        ({"expires": "2026-11-23"}, (), "expired"),
        ({"when": "fixed"}, (FOUND,), "used"),
        ({"when": "fixed"}, (FIXED,), "fixed"),
        ({"when": "fixed"}, (FIXED, make.finding(status="affected", package="b-0:1-1.noarch")), "used"),
    ],
)
def test_each_entry_has_a_state(keys: dict[str, str], findings: tuple[t.Any, ...], state: str) -> None:
    (one,) = used(accept(**keys), findings).result()
    assert one.state == state
    assert bool(one.images) is (one.number > 0)


def test_an_entry_for_an_unconfirmed_name_is_used() -> None:
    """The report has the name with the digest of the image that passed; the entry was written for the name alone."""
    subject = make.subject(**make.match(findings=(FOUND,)))
    subject = dataclasses.replace(subject, references=(), unconfirmed=(subject.reference,))
    entries = load_exceptions(accept(images=f"['{subject.reference}']"), "e.yml")
    document = image_document(subject, judge(subject, load_policies(POLICY, "p.yml"), entries, now=make.NOW))
    assert document["verdict"] == "passed"
    assert document["references"] == [f"{subject.reference}@{subject.digest}"] == [document["reference"]]
    usages = Usages(Exceptions(entries), make.NOW.date())
    usages.add(document)
    assert [one.state for one in usages.result()] == ["used"]


@pytest.mark.parametrize(("days", "left", "expiring"), [(0, 38, False), (8, 30, True), (38, 0, True), (39, -1, False)])
def test_the_days_that_are_left_are_counted(days: int, left: int, expiring: bool) -> None:
    (one,) = used(accept(), days=days).result()
    assert (one.days_left, one.expires_within(30)) == (left, expiring)


def test_who_needs_somebody_is_named_with_file_and_line() -> None:
    text = accept() + accept(id="CVE-1") + accept(expires="2026-01-01") + accept(expires="2026-11-30")
    found = used(text).result()
    assert counts(found, 7) == {"used": 2, "unused": 1, "expired": 1, "fixed": 0, "expiring": 1}
    assert warnings(found, 7, whole=True) == [
        "1 exception expired: CVE-2026-1001 (e.yml, line 3)",
        "1 exception with an end within 7 days: CVE-2026-1001 (e.yml, line 4)",
        "1 exception about nothing in any image: CVE-1 (e.yml, line 2)",
    ]
    # Where a part of the images was judged, nobody knows what is unused.
    assert len(warnings(found, 7, whole=False)) == 2


def test_a_text_is_as_long_as_the_schema_allows() -> None:
    (entry,) = load_exceptions(accept(reason="x" * VALUE_LIMIT), "e.yml")
    assert isinstance(entry, Acceptance)
    assert len(entry.reason) == VALUE_LIMIT
    with pytest.raises(InputError, match=f"longer than {VALUE_LIMIT} characters"):
        load_exceptions(accept(reason="x" * (VALUE_LIMIT + 1)), "e.yml")


def test_each_image_of_an_entry_is_named_once_and_not_all_of_many() -> None:
    entries = load_exceptions(accept(), "e.yml")
    subject = make.subject(**make.match(findings=(FOUND, dataclasses.replace(FOUND, package="b-0:1-1.noarch"))))
    document = image_document(subject, judge(subject, load_policies(POLICY, "p.yml"), entries, now=make.NOW))
    usages = Usages(Exceptions(entries), make.NOW.date())
    for number in range(IMAGES_KEPT + 5):
        usages.add({**document, "reference": f"registry.example/app:{number}"})
    (one,) = usages.result()
    assert one.number == 2 * (IMAGES_KEPT + 5)
    assert list(one.images) == [f"registry.example/app:{number}" for number in range(IMAGES_KEPT)]


def test_two_equal_entries_are_two() -> None:
    assert [one.state for one in used(accept() + accept()).result()] == ["used", "used"]
