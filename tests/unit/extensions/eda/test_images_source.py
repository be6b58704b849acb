# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``images``: its options, and that it finds the collection that it lies in. More in tests/cluster."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.extensions.eda.plugins.event_source import images as source
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError

CHECKOUT = Path(__file__).resolve().parents[4]
FILE = CHECKOUT / "extensions/eda/plugins/event_source/images.py"
SCHEMA = json.loads((FILE.parent / "schemas/images.json").read_text(encoding="utf-8"))
TYPES = {"str": "string", "path": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object"}
OF_FRAGMENTS = {*argument_specs.cluster(), *argument_specs.registry_access()}


def test_every_option_is_described_as_it_is() -> None:
    described = yaml.safe_load(source.DOCUMENTATION)
    fragments = {"imagescan.openshift.cluster", "imagescan.openshift.registry_access"}
    assert set(described["extends_documentation_fragment"]) == fragments
    own = {name: option for name, option in source.argument_spec().items() if name not in OF_FRAGMENTS}
    same(described["options"], own)


def same(described: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    """Compare a description with the options, and those inside of them."""
    assert set(described) == set(options)
    for name, option in options.items():
        facts = {key: described[name].get(key) for key in ("type", "elements", "default", "required", "choices")}
        assert facts == {key: option.get(key) for key in facts}, name
        if "options" in option:
            same(described[name]["suboptions"], option["options"])


def test_the_schema_has_every_option() -> None:
    fits(SCHEMA, source.argument_spec())


def fits(schema: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    """Compare a schema with the options, and those inside of them."""
    aliases = {alias for option in options.values() for alias in option.get("aliases", ())}
    assert set(schema["properties"]) == set(options) | aliases
    assert schema["additionalProperties"] is False
    for name, option in options.items():
        found = schema["properties"][name]
        assert found.get("default") == option.get("default"), name
        if "options" in option:
            fits(found["items"] if option["type"] == "list" else found, option["options"])
        elif option["type"] == "list":
            assert (found["type"], found["items"]["type"]) == ("array", TYPES[option["elements"]])
            assert found["items"].get("enum") == option.get("choices")
        elif option["type"] != "raw":
            assert (found["type"], found.get("enum")) == (TYPES[option["type"]], option.get("choices")), name


def test_the_examples_are_what_the_options_take() -> None:
    for example in yaml.safe_load(source.EXAMPLES):
        source.options_of(example["imagescan.openshift.images"])


def test_text_of_variables_becomes_what_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "https://api.example.com")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "token-of-the-environment")
    found = source.options_of({"watch": "pods,streams", "batch_count": "7", "batch_delay": "0.5", "feedback": "yes"})
    assert found["watch"] == ["pods", "streams"]
    assert (found["batch_count"], found["batch_delay"], found["feedback"]) == (7, 0.5, True)
    assert (found["host"], found["api_key"]) == ("https://api.example.com", "token-of-the-environment")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to watch"),
        ({"watch": ["nodes"]}, "watch must be one or more of"),
        ({"watch": ["pods"], "wait": 1}, "there is no option wait"),
        ({"watch": ["images"], "namespaces": ["shop"]}, "in no namespace"),
        ({"watch": ["pods"], "batch_count": 0}, "batch_count is too small"),
        ({"watch": ["pods"], "batch_delay": float("nan")}, "batch_delay is too small"),
        ({"registries": [{"repositories": ["app"]}]}, "missing required arguments: host"),
        ({"registries": [{"host": "x.example", "interval": 0}]}, "interval is too small"),
    ],
)
def test_options_that_are_wrong_say_so(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        source.options_of(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"watch": ["pods"], "namespaces": ["("]}, "not a regular expression"),
        ({"watch": ["pods"], "kubeconfig": "/nowhere/kubeconfig"}, "does not exist"),
        ({"watch": ["pods"], "state_file": "/dev/null/state"}, "cannot be read"),
    ],
)
def test_it_raises_where_it_cannot_begin(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ScanError, match=message):
        asyncio.run(source.main(asyncio.Queue(1), options))


def test_it_finds_the_collection_as_ansible_rulebook_runs_it() -> None:
    module = runpy.run_path(str(FILE))
    assert asyncio.iscoroutinefunction(module["main"])
    with pytest.raises(ScanError, match="nothing to watch"):
        asyncio.run(module["main"](asyncio.Queue(1), {}))


def run(*options: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run it as a program, where nothing else says where collections are."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [sys.executable, str(FILE), *options], env=environment, cwd=home, check=False, capture_output=True, text=True
    )


def test_as_a_program_it_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    done = run("--watch", "pods", home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "kubeconfig" in done.stderr


def test_a_program_takes_no_secret_that_others_could_read(tmp_path: Path) -> None:
    done = run("--help", home=tmp_path)
    assert "--watch" in done.stdout
    assert not [name for name in ("--api-key", "--password", "--proxy-auth") if name in done.stdout]
