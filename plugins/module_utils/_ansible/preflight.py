# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``scan_preflight``: check what a run was given, and tell all that is wrong at once."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import typing as t
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._compliance.oscap import find_tools
from .._core.errors import InputError, ScanError
from .._reports import metrics
from .._store.database import sqlite_path
from .._store.store import open_store
from .._verdicts.applying import Entry
from .._verdicts.exceptions import Acceptance, check_policies
from .inputs import read_exceptions, read_policies
from .module import LIBRARIES, access_of

Params = t.Mapping[str, t.Any]
#: Options that name what is read, and what is written.
READ_OPTIONS = ("feed_path", "repository_map", "feed_signature_key")
WRITTEN_OPTIONS = ("dest", "metrics_file")


def check_inputs(module: AnsibleModule) -> dict[str, t.Any]:
    """Check everything that a run was given. Raises ScanError with all problems; the code is that of the first."""
    params = module.params
    problems = [problem for check in _checks(params) if (problem := _problem_of(check))]
    if not problems:
        return {"changed": False, "problems": []}
    texts = [str(problem) for problem in problems]
    message = texts[0]
    if len(texts) > 1:
        numbered = "; ".join(f"({number}) {text}" for number, text in enumerate(texts, 1))
        message = f"{len(texts)} problems were found before anything was read: {numbered}"
    told = {"problems": [{"code": problem.code, "message": str(problem)} for problem in problems]}
    raise ScanError(message, code=problems[0].code, partial=told)


def _problem_of(check: t.Callable[[], object]) -> ScanError | None:
    """Run a check. A library that is missing is left to ``_check_libraries``, which names all of them."""
    try:
        check()
    except ScanError as problem:
        return problem
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
    return None


def _checks(params: Params) -> t.Iterator[t.Callable[[], object]]:
    """List the checks, in the order in which problems are told; each file is one, so that all of them are told."""
    yield partial(_check_libraries, params)
    for path in params["policies"]:
        yield partial(read_policies, [path])
    for path in params["exceptions"]:
        yield partial(_read_exceptions, {**params, "exceptions": [path], "vex": []})
    yield partial(_read_exceptions, {**params, "exceptions": []})
    yield partial(_check_names_of_policies, params)
    yield from (partial(_check_readable, params, option) for option in READ_OPTIONS)
    yield partial(access_of, params)
    yield partial(_check_store, params)
    yield from (partial(_check_writable, params[option] or "", option) for option in WRITTEN_OPTIONS)
    yield partial(_check_oscap, params)


def _check_libraries(params: Params) -> None:
    """Raise InputError that names every library that this run needs and this Python does not have."""
    # The first of these are small, and whether a policy or a file of VEX needs them shows where it is read alone.
    needed = {"sqlalchemy", "yaml", "jmespath", "packageurl"}
    needed |= {"kubernetes", "urllib3"} if params["uses_cluster"] else set()
    needed |= {"pysequoia"} if params["vex"] or params["feed_signature_key"] else set()
    needed |= {"prometheus_client"} if metrics.FORMAT.name in params["formats"] else set()
    absent = sorted(LIBRARIES[name] for name in needed if importlib.util.find_spec(name) is None)
    if absent:
        raise InputError(
            f"{sys.executable} does not have the Python packages {', '.join(absent)}",
            code="missing-library",
            hint="install what requirements.txt of the collection names, with the pip of this Python",
        )


def _read_exceptions(params: Params) -> list[Entry]:
    return read_exceptions(params, lambda _text: None, now=datetime.now(timezone.utc))[0]


def _check_names_of_policies(params: Params) -> None:
    """Check that policies have different names, and that there are those that exceptions name."""
    for path in params["policies"]:
        if _problem_of(partial(read_policies, [path])):
            return  # which is told already
    policies = read_policies(params["policies"])
    entries: list[Entry] = []
    for path in params["exceptions"]:
        with contextlib.suppress(ScanError):  # which is told already
            entries += _read_exceptions({**params, "exceptions": [path], "vex": []})
    acceptances = [entry for entry in entries if isinstance(entry, Acceptance)]
    check_policies(acceptances, [policy.name for policy in policies])


def _check_readable(params: Params, option: str) -> None:
    path = params[option]
    if path and not os.access(path, os.R_OK):
        reason = "cannot be read" if os.path.lexists(path) else "is not there"
        raise InputError(f"{option}: {path} {reason}", hint="check the path and its rights")


def _check_store(params: Params) -> None:
    url = params["store"]
    if url:
        open_store(url, params["store_password"] or "", create=False, read_only=True).close()
        _check_writable(sqlite_path(url), "store")


def _check_oscap(params: Params) -> None:
    if params["evaluates_here"]:
        find_tools()


def _check_writable(path: str, option: str) -> None:
    """Raise InputError if neither a path nor, where it is not there, the nearest folder above can be written."""
    if not path:
        return
    place = wanted = Path(path).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if place != wanted and not place.is_dir():
        raise InputError(f"{option}: {path} cannot be made, since {place} is not a folder", hint="check the path")
    if not os.access(place, os.W_OK):
        raise InputError(f"{option}: {place} cannot be written", hint="check the path and its rights")
