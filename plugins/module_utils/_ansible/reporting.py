# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``scan_report``: read the verdicts and write the files of a report that differ."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError, ScanError
from .._reports import json_report, metrics, table
from .._reports.document import build_report, newest_time
from .._reports.formats import OPENSCAP
from .._reports.next_steps import next_steps
from .._store.current import InForce, in_force
from .._store.store import Store
from .report_clusters import ClusterReports
from .report_files import Pages, absolute, read_before, render_files, write_files, write_pages
from .store_options import existing_store, requested_images


def write_report(module: AnsibleModule) -> dict[str, t.Any]:
    """Write the report. Returns the result of the module."""
    params = module.params
    dest, check_mode = absolute(params["dest"]), module.check_mode
    if params["metrics_file"] and metrics.FORMAT.name not in params["formats"]:
        raise InputError("metrics_file is given, and formats has no metrics", hint="add metrics to formats")
    requests = requested_images(params)
    with existing_store(module) as store:
        now = datetime.now(timezone.utc)
        state = in_force(store, requests, now.date())
        report = _report(params["clusters"], state, ClusterReports(store, state, now, record=not check_mode))
        pages = _pages(module, store, state, dest)
    counts_before = _counts_of(read_before(dest / json_report.FORMAT.filename)) if module._diff else {}
    files = render_files(params, report, state)
    if not check_mode:
        write_files(files)
    result: dict[str, t.Any] = {
        "changed": pages.made or any(file.is_news for file in files),
        "files": {file.format.name: str(file.path) for file in files},
        "counts": report["counts"],
        "summary": table.summary(report),
    }
    if OPENSCAP.name in params["formats"]:
        result["files"][OPENSCAP.name] = str(dest / OPENSCAP.filename)
        result["pages"] = pages.paths
    result.update(_shown(module, report, counts_before))
    if pages.errors:
        first = pages.errors[0]
        message = f"{len(pages.errors)} pages of OpenSCAP could not be made; all else is written. The first: {first}"
        raise ScanError(message, code=first.code, partial=result)
    return result


def _report(
    clusters: t.Sequence[t.Mapping[str, t.Any]] | None, state: InForce, reports: ClusterReports
) -> dict[str, t.Any]:
    """Build the report, of images and, where they are asked for, of clusters."""
    described = None if clusters is None else [reports.describe(cluster) for cluster in clusters]
    return build_report(state.documents + reports.unseen, state.feed, newest_time(state.times), described)


def _pages(module: AnsibleModule, store: Store, state: InForce, dest: Path) -> Pages:
    """Make OpenSCAP's pages where they are asked for."""
    if OPENSCAP.name not in module.params["formats"]:
        return Pages()
    digests = [image.digest for image in state.images if image.evaluated_at]
    return write_pages(store, digests, dest / OPENSCAP.filename, check_mode=module.check_mode)


def _shown(
    module: AnsibleModule, report: t.Mapping[str, t.Any], counts_before: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """Build the return values for people who look at them. ``counts_before``: of the report that was there."""
    texts: dict[str, t.Any] = {}
    if "clusters" in report:
        keys = ("name", "state", "reason", "known", "seen", "counts")
        texts["clusters"] = [{key: cluster[key] for key in keys} for cluster in report["clusters"]]
    if module.params["table"]:
        texts["table"] = table.render(report, changes=module.params["changes"]).splitlines()
        texts["next_steps"] = next_steps(report, module.params["store"], module.params["index"])
    if module._diff:
        texts["diff"] = {"before": _counts_text(counts_before), "after": _counts_text(report["counts"])}
    return texts


def _counts_of(content: bytes | None) -> dict[str, t.Any]:
    """Read the counts of an earlier report; none where it cannot be read."""
    try:
        report = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    counts = report.get("counts") if isinstance(report, dict) else None
    return counts if isinstance(counts, dict) else {}


def _counts_text(counts: t.Mapping[str, t.Any]) -> str:
    """Render counts as lines, for --diff."""
    return "".join(f"{verdict}: {counts[verdict]}\n" for verdict in sorted(counts))
