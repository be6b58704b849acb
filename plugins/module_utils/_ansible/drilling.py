# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``enforcement_info``: a drill, which tries every way to run a flagged image."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import ScanError
from .._enforcement.drill import (
    NOT_TRIED,
    REFUSED,
    Drill,
    DrillRow,
    drill,
    is_closed,
    open_ways,
    table,
    unproved_ways,
    why_not_proved,
)
from .._enforcement.drill_cases import DIGEST, REFERENCES, UNKNOWN_DIGEST, UNKNOWN_REFERENCES, Images
from .._enforcement.installation import read_installation
from .._images.references import parse_reference
from .._podscan.manifests import check_name
from .cluster_options import client_of


def make_drill(module: AnsibleModule) -> dict[str, t.Any]:
    """Make the drill. Returns the result of the module."""
    params = module.params
    check_name(params["namespace"], "namespace")
    if params["policy"]:
        check_name(params["policy"], "policy")
    images = _images_of(params)
    client = client_of(module)
    trial = Drill(
        params["namespace"],
        images,
        params["policy"] or f"imagescan-{'passed' if images.only_good else 'deny'}",
        params["action"],
        params["targets"] and not module.check_mode,
    )
    installed = read_installation(client, trial.policy, (images.digest, *images.references))
    if trial.action == "deny":  # else somebody wanted it milder
        for limit in installed["limits"]:
            module.warn(f"{trial.policy} does not count everywhere, or not in full: {limit}")
    rows = drill(client, trial, module.warn)
    result = _result(rows, trial.action, installed)
    if params["fail_on_open"]:
        _fail(rows, trial.action, result, check_mode=module.check_mode)
    return result


def _images_of(params: t.Mapping[str, t.Any]) -> Images:
    required = params["require_passed"]
    references = params["references"] or (UNKNOWN_REFERENCES if required else REFERENCES)
    return Images(
        params["digest"] or (UNKNOWN_DIGEST if required else DIGEST),
        tuple(str(parse_reference(text)) for text in references),
        params["good_digest"],
        required,
    )


def _blocked(rows: t.Sequence[DrillRow]) -> list[DrillRow]:
    """List the ways on which an image without a flag is not let in either."""
    return [row for row in rows if row.claimed and row.good]


def _result(rows: t.Sequence[DrillRow], action: str, installed: dict[str, t.Any]) -> dict[str, t.Any]:
    blocked = _blocked(rows)
    return {
        "proved": not blocked and all(is_closed(row, action) for row in rows if row.claimed),
        "control": not blocked,
        "ways": [_shown(row) for row in rows],
        "open": [_shown(row) for row in open_ways(rows, action)],
        "unproved": [_shown(row) for row in unproved_ways(rows, action)],
        "counts": dict(collections.Counter(row.outcome for row in rows)),
        "lines": [*table(rows), "", installed["scope"]],
        "installed": installed,
    }


def _fail(rows: t.Sequence[DrillRow], action: str, result: dict[str, t.Any], *, check_mode: bool) -> None:
    """Apply fail_on_open. What check mode alone left untried does not count."""
    counting = [row for row in unproved_ways(rows, action) if not (check_mode and row.outcome == NOT_TRIED)]
    problem = why_not_proved(open_ways(rows, action), counting, _blocked(rows))
    if problem:
        raise ScanError(problem, code="way-open", partial=result)


def _shown(row: DrillRow) -> dict[str, t.Any]:
    return {**dataclasses.asdict(row), "refused": row.outcome == REFUSED}
