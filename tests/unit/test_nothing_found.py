# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the role scan finds no image it says what it searched, and advises nothing that was done already."""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2
import yaml

TASKS = Path(__file__).resolve().parents[2] / "roles/scan/tasks/discover.yml"
NOTHING: t.Mapping[str, t.Any] = {
    "scan__found": {"excluded": [1, 2]},
    "scan__sources": [],
    "scan__references": [],
    "scan__paths": [],
    "scan__registry": [],
    "scan__openshift": {},
    "scan__workloads": {},
    "scan__namespaces": [],
    "scan__exclude_namespaces": [],
    "scan__system_namespaces": False,
    "scan__selector": "",
    "scan__in_use": False,
}


def message(**values: t.Any) -> str:
    tasks = yaml.safe_load(TASKS.read_text(encoding="utf-8"))
    (text,) = (task["ansible.builtin.assert"]["fail_msg"] for task in tasks if "ansible.builtin.assert" in task)
    return str(jinja2.Template(text, undefined=jinja2.StrictUndefined).render({**NOTHING, **values}))


def test_without_a_source_the_ways_to_name_one_are_told() -> None:
    assert message() == (
        "no image was found (2 were excluded); name some in scan_references, scan_paths or scan_registry, or look into"
        " a cluster with scan_sources"
    )


def test_what_was_searched_is_told_with_what_would_find_more() -> None:
    text = message(scan__sources=["workloads"], scan__namespaces=["shop-.*"], scan__selector="app=x", scan__in_use=True)
    said = "searched: workloads, namespaces shop-.*, none of the platform, labels app=x, only what runs. To find more,"
    assert said in text and "widen scan_namespaces" in text and "scan_sources" not in text
    text = message(scan__openshift={"streams": []}, scan__exclude_namespaces=["b"], scan__system_namespaces=True)
    assert "searched: what was named, namespaces all without b. To find more" in text
