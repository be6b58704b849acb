# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip file for the pods: everything that the program needs, nothing else, and equal bytes each time."""

from __future__ import annotations

import io
import zipfile

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import bundle, pod
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle

UTILS = "/".join(pod.__name__.split(".")[:-2])


def test_it_holds_the_program_and_all_that_it_imports() -> None:
    with zipfile.ZipFile(io.BytesIO(make_bundle())) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        source = archive.read(f"{UTILS}/_scanner/pod.py").decode("utf-8")
    assert source == bundle._source(pod.__name__)
    modules = {name.removeprefix(f"{UTILS}/") for name in names if name.startswith(UTILS)}
    assert {
        "_core/errors.py",
        "_images/registry.py",
        "_images/walk.py",
        "_packages/rpm/sqlite.py",
        "_scanner/cache.py",
    } <= modules
    assert {"_scanner/evaluator.py", "_compliance/evaluate.py", "_compliance/oscap.py"} <= modules
    assert not modules & {"_scanner/bundle.py", "_scanner/local.py", "_scanner/local_rules.py", "_scanner/ledger.py"}
    assert {name.split("/")[0] for name in modules} == {
        "__init__.py",
        "_compliance",
        "_core",
        "_images",
        "_packages",
        "_scanner",
    }
    folders = {name.rpartition("/")[0] for name in names if "/" in name}
    parts = {"/".join(folder.split("/")[:depth]) for folder in folders for depth in range(1, folder.count("/") + 2)}
    assert {f"{part}/__init__.py" for part in parts} <= set(names)


def test_equal_sources_give_equal_bytes() -> None:
    assert make_bundle() == make_bundle()


def test_modules_of_a_folder_are_followed() -> None:
    utils = pod.__name__.rpartition("._scanner")[0]
    source = "from .rpm import sqlite\nfrom . import dpkg\nfrom .apk import KIND\n"
    names = [f"{utils}._packages.{name}" for name in ("rpm.sqlite", "dpkg", "apk")]
    assert list(bundle._imports(f"{utils}._packages.table", source)) == names


def test_one_that_fits_into_no_config_map_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "BUNDLE_LIMIT", 1000)
    with pytest.raises(ScanError, match="at most 1000"):
        make_bundle()


def test_a_module_without_source_is_an_error() -> None:
    with pytest.raises(ScanError, match="sys cannot be read"):
        bundle._source("sys")
