# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs of modules that judge, beside the store: policies, exceptions, VEX, and vulnerability data."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from .._core.errors import InputError, ScanError
from .._verdicts.applying import Entry
from .._verdicts.exceptions import load_exceptions
from .._verdicts.policies import DEFAULT_POLICY_TEXT, Policy, load_policies
from .._verdicts.vex import load_vex
from .._verdicts.vex_statements import VexDocument
from .._vulnerabilities.index.reader import FeedIndex
from .module import read_document

#: Most days that an exception may be asked to hold for: a century, so that a typing error is seen.
_DAYS_LIMIT = 36_525


def read_policies(paths: t.Sequence[str]) -> list[Policy]:
    """The policies of all files, or the built-in one. Two of one name would make reports unclear."""
    if not paths:
        return load_policies(DEFAULT_POLICY_TEXT, "the built-in policy")
    policies: list[Policy] = []
    place: dict[str, str] = {}
    for path in paths:
        for policy in load_policies(read_document(path, "policy file"), path):
            if policy.name in place:
                raise ScanError(
                    f"{path}: there is a policy {policy.name!r} in {place[policy.name]} already",
                    code="invalid-input",
                    hint="give one of them another name",
                )
            place[policy.name] = path
            policies.append(policy)
    return policies


def read_exceptions(
    params: t.Mapping[str, t.Any], warn: t.Callable[[str], None], *, now: datetime.datetime
) -> tuple[list[Entry], list[VexDocument]]:
    """The exceptions of all files together with the statements of all VEX, and the files of VEX.

    ``params`` has the options of ``argument_specs.exceptions``. ``warn`` gets what is not used of VEX, and why.
    """
    entries: list[Entry] = []
    days = params["exceptions_max_days"]
    if not 1 <= days <= _DAYS_LIMIT:
        raise InputError(f"exceptions_max_days is {days}; expected a number of days from 1 to {_DAYS_LIMIT}")
    latest = now.astimezone(datetime.timezone.utc).date() + datetime.timedelta(days=days)
    for path in params["exceptions"]:
        entries += load_exceptions(read_document(path, "exceptions file"), path, latest=latest)
    documents = [load_vex(item["path"], item["signature_key"], now=now) for item in params["vex"]]
    for document in documents:
        entries += document.statements
        for problem in document.problems:
            warn(f"VEX file {document.path}: {problem}")
    return entries, documents


def open_indexes(paths: t.Sequence[str], missing: t.Callable[[str], None]) -> t.Iterator[FeedIndex]:
    """The vulnerability data. Without it images are judged all the same, and none passes that needs it.

    ``missing`` gets a sentence for each that is not there.
    """
    for path in dict.fromkeys(filter(None, paths)):
        if Path(path).exists():
            yield FeedIndex.open(path)
        else:
            missing(f"there is no vulnerability data at {path}; make it with imagescan.openshift.vulnerability_feed")
