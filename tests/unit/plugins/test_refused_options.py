# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules refuse options that are wrong, and say why.

The integration targets have some of these for each module, and all of them in ``make test-full``.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.modules import run_module

EXCEPTION = "- {id: CVE-1, reason: a, expires: 2099-01-01, policies: [defualt]}\n"
CLUSTER = {"host": "https://127.0.0.1:1", "api_key": "none", "validate_certs": True}
PODS = {"method": "job", "images": ["r.example/a"], "scanner_image": "r.example/python:3", **CLUSTER}

#: Module, options beside a path of its own ({work} is a folder with the files below), what it says.
CASES: list[tuple[str, dict[str, t.Any], str]] = [
    ("image_scan", {"parallel": 0}, "parallel is 0; expected 1 or more"),
    ("image_scan", {"images": [5]}, "'5' does not name an image|invalid-input"),
    ("image_scan", {"store": "mysql://localhost/x"}, "the store cannot be a mysql database"),
    ("image_scan", {"registry_auth_file": "{work}/nothing.json"}, "nothing.json. cannot be read"),
    ("image_scan", {"compliance": {"profile": "cis", "content": "{work}/text"}}, "is not XML"),
    (
        "image_scan",
        {"compliance": {"profile": "cis", "content_image": f"r.example/content@sha256:{'c' * 64}"}},
        "content_image of compliance is for pods",
    ),
    ("image_scan", {**PODS, "scanner_image": "a b"}, "image reference 'a b'"),
    ("image_scan", {**PODS, "images_per_pod": 0}, "images_per_pod is 0; expected 1 to 1000"),
    ("image_scan", {**PODS, "image_timeout": 0}, "image_timeout is 0; expected 1 to 86400"),
    ("image_scan", {**PODS, "start_timeout": 0}, "start_timeout is 0"),
    ("image_scan", {**PODS, "pod_memory": "1Mi"}, "pod_memory is '1Mi'; expected 128Mi or more"),
    ("image_scan", {**PODS, "pod_cpu": "fast"}, "pod_cpu: 'fast' is not a quantity"),
    ("image_scan", {**PODS, "pull_secrets": ["../x"]}, "pull_secrets: '../x' is not a name that an object can have"),
    ("image_scan", {**PODS, "integrated_registry": "a/b"}, "a/b"),
    ("image_flag", {**CLUSTER, "provider": "Not A Name"}, "the provider 'Not A Name' is not a name"),
    ("image_flag", {**CLUSTER, "max_new_flags": "many"}, "max_new_flags is 'many'; expected a number like 20"),
    ("image_flag", {**CLUSTER, "grace": -1}, "grace is -1; expected hours"),
    ("image_flag", {**CLUSTER, "concurrency": 0}, "concurrency is 0; expected 1 to 100"),
    ("image_flag", {**CLUSTER, "report_url": "javascript:alert(1)"}, "which is not a URL that people could follow"),
    ("image_flag", {**CLUSTER, "images": [5]}, "'5' does not name an image|invalid-input"),
    ("image_verdict", {"policies": ["{work}/missing.yml"]}, "the policy file .*missing.yml cannot be read"),
    ("image_verdict", {"policies": ["{work}/policies.yml"] * 2}, "there is a policy 'default'"),
    ("image_verdict", {"platforms": ["x"]}, "'x' is not a platform"),
    ("exception_info", {"exceptions": ["{work}/missing.yml"]}, "the exceptions file .*missing.yml cannot be read"),
    ("exception_info", {"exceptions_max_days": 0}, "exceptions_max_days is 0; expected a number of days from 1"),
    (
        "exception_info",
        {"exceptions": ["{work}/typo.yml"], "exceptions_max_days": 36500, "policies": ["{work}/policies.yml"]},
        "no policy 'defualt'; did you mean 'default'",
    ),
    ("scan_preflight", {"policies": ["{work}/missing.yml"]}, "^the policy file .*missing.yml cannot be read"),
    ("scan_preflight", {"policies": ["{work}/policies.yml"] * 2}, "^.*there is a policy 'default'"),
    ("scan_preflight", {"exceptions": ["{work}/missing.yml"]}, "^the exceptions file .*missing.yml cannot be read"),
    ("scan_preflight", {"exceptions_max_days": 0}, "^exceptions_max_days is 0; expected a number of days from 1"),
    ("scan_preflight", {"feed_path": "{work}/nothing"}, "^feed_path: .*nothing is not there"),
    ("scan_preflight", {"repository_map": "{work}/nothing"}, "^repository_map: .*nothing is not there"),
    ("scan_preflight", {"feed_signature_key": "{work}/nothing"}, "^feed_signature_key: .*nothing is not there"),
    ("scan_preflight", {"store": "{work}/text/store.db"}, "^store.*text/store.db"),
    ("scan_preflight", {"store": "mysql://localhost/x"}, "^the store cannot be a mysql database"),
    ("scan_preflight", {"dest": "{work}/text/report"}, "^dest: .*text is not a folder"),
    ("scan_preflight", {"metrics_file": "{work}/text/x"}, "^metrics_file: .*text is not a folder"),
    ("scan_preflight", {"registry_auth_file": "{work}/nothing.json"}, "nothing.json. cannot be read"),
    (
        "scan_preflight",
        {"policies": ["{work}/missing.yml"], "dest": "{work}/text/report", "formats": ["json"]},
        r"^2 problems were found before anything was read: \(1\) the policy file .*; \(2\) dest: ",
    ),
    ("verdict_info", {"policies": ["{work}/missing.yml"]}, "the policy file .*missing.yml cannot be read"),
    ("verdict_info", {"limit": 0}, "expected 1 to 1000"),
    ("vulnerability_feed", {"path": "x", "state": "gone"}, "value of state must be one of: present, checked"),
    ("vulnerability_feed", {"path": "{work}", "names": []}, "names is empty"),
    ("vulnerability_feed", {"path": "{work}", "format": "updateinfo"}, "distribution"),
    ("vulnerability_feed", {"path": "{work}", "format": "updateinfo", "distribution": "rhel:9"}, "is not known"),
    ("vulnerability_feed", {"path": "{work}", "format": "osv", "distribution": "rocky:9"}, "says by itself"),
    ("vulnerability_feed", {"path": "{work}", "format": "osv", "repository_map": "x"}, "belongs to Red Hat's data"),
    ("vulnerability_feed", {"url": ["https://a.example/x.tar", "https://b.example/x.tar"]}, "takes one"),
    ("vulnerability_feed", {"path": "{work}", "for_store": "{work}/missing.db"}, "there is no such store"),
    (
        "vulnerability_feed",
        {"path": "{work}", "index": "{work}/text/x.idx"},
        "the folder .* of the index cannot be made",
    ),
]
#: Module, options, what it says at the end: Ansible's own text names no nearest, and the first mistake alone.
MISSPELT: list[tuple[str, dict[str, t.Any], str]] = [
    ("image_info", {"refrences": ["x"]}, ".; there is no option refrences; did you mean 'references'?"),
    ("image_info", {"apikey": "x"}, "; there is no option apikey; did you mean 'api_key'?"),
    (
        "image_scan",
        {"methd": "job", "compliance": {"profle": "x"}},
        "missing required arguments: images, store; there is no option compliance.profle; did you mean 'profile'?; "
        "there is no option methd; did you mean 'method'?",
    ),
    (
        "image_info",
        {"sources": ["workload", "references", 7]},
        "; sources: workload is not possible; did you mean 'workloads'?",
    ),
    (
        "vulnerability_feed",
        {"index": "x", "path": "x", "state": "presnt"},
        "value of state must be one of: present, checked, got: presnt; "
        "state: presnt is not possible; did you mean 'present'?",
    ),
    ("vulnerability_feed", {"index": "x", "path": "x", "state": "gone"}, "checked, got: gone"),
    ("verdict_info", {"store": "x", "limit": "many"}, "cannot be converted to an int"),
]
#: What a call needs beside the options of a case.
NEEDED: dict[str, dict[str, t.Any]] = {
    "image_scan": {"images": ["x"], "store": "{work}/new.db"},
    "image_flag": {"store": "{work}/store.db"},
    "image_verdict": {"store": "{work}/store.db"},
    "scan_preflight": {},
    "verdict_info": {"store": "{work}/store.db"},
    "vulnerability_feed": {"index": "{work}/new.idx"},
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and files that options name."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "text").write_text("no XML, no folder", encoding="utf-8")
    (folder / "policies.yml").write_text("- {name: default, unexamined: fail}\n", encoding="utf-8")
    (folder / "typo.yml").write_text(EXCEPTION, encoding="utf-8")
    made = run_module("image_scan", {"images": [], "store": str(folder / "store.db")}, folder)
    assert not made.get("failed"), made
    return folder


def placed(options: t.Any, work: Path) -> t.Any:
    """The options with the folder where it is named."""
    if isinstance(options, dict):
        return {key: placed(value, work) for key, value in options.items()}
    if isinstance(options, list):
        return [placed(value, work) for value in options]
    return options.replace("{work}", str(work)) if isinstance(options, str) else options


@pytest.mark.parametrize(("module", "options", "message"), CASES)
def test_wrong_options_are_refused(work: Path, module: str, options: dict[str, t.Any], message: str) -> None:
    result = run_module(module, placed({**NEEDED.get(module, {}), **options}, work), work)
    assert result.get("failed"), result
    assert re.search(message, result["msg"]), result["msg"]
    assert not (work / "new.idx").exists()


@pytest.mark.parametrize(("module", "options", "message"), MISSPELT)
def test_what_was_meant_by_a_misspelt_option_is_said_last(
    tmp_path: Path, module: str, options: dict[str, t.Any], message: str
) -> None:
    result = run_module(module, options, tmp_path)
    assert result.get("failed"), result
    assert result["msg"].endswith(message), result["msg"]


@pytest.mark.parametrize("module", [name for name in NEEDED if name not in ("image_flag", "vulnerability_feed")])
def test_the_same_calls_without_them_are_not(work: Path, module: str) -> None:
    options = {**NEEDED[module], "_ansible_check_mode": True}
    options.update({"images": []} if module != "scan_preflight" else {})
    result = run_module(module, placed(options, work), work)
    assert not result.get("failed"), result


def test_a_run_that_reports_or_plans_needs_no_store_that_can_be_written(work: Path) -> None:
    """A policy that exceptions name may belong to another job, too."""
    for more in ({"writes_store": False}, {"_ansible_check_mode": True, "writes_store": True}):
        given = {
            "store": "{work}/text/store.db",
            "exceptions": ["{work}/typo.yml"],
            "exceptions_max_days": 36500,
            **more,
        }
        result = run_module("scan_preflight", placed(given, work), work)
        assert result["problems"] == [], result
    refused = run_module("scan_preflight", placed({"store": "{work}/text/store.db"}, work), work)
    assert refused["problems"], refused
