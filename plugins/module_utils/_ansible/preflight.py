# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``scan_preflight``: check what a run was given, and tell all that is wrong at once."""

from __future__ import annotations

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
from .inputs import read_exceptions, read_policies
from .module import LIBRARIES, access_of

Params = t.Mapping[str, t.Any]
#: Options that name what is read, and what is written.
READ_OPTIONS = ("feed_path", "repository_map", "feed_signature_key")
WRITTEN_OPTIONS = ("dest", "metrics_file")


def check_inputs(module: AnsibleModule) -> dict[str, t.Any]:
    """Check everything that a run was given. Raises ScanError with all problems; the code is that of the first."""
    problems: dict[str, ScanError] = {}
    absent = _absent_libraries(module.params)
    for check in _checks(module):
        try:
            check()
        except ScanError as problem:
            problems.setdefault(str(problem), problem)  # files are looked at alone, and together
        except ImportError as error:
            name = (error.name or "").partition(".")[0]
            if name not in LIBRARIES:
                raise
            absent.add(LIBRARIES[name])
    if absent:
        missing = _missing(absent)
        problems = {str(missing): missing, **problems}
    if not problems:
        return {"changed": False, "problems": []}
    message = next(iter(problems))
    if len(problems) > 1:
        numbered = "; ".join(f"({number}) {text}" for number, text in enumerate(problems, 1))
        message = f"{len(problems)} problems were found before anything was read: {numbered}"
    told = {"problems": [{"code": problem.code, "message": text} for text, problem in problems.items()]}
    raise ScanError(message, code=told["problems"][0]["code"], partial=told)


def _absent_libraries(params: Params) -> set[str]:
    """Find the packages that this run needs whatever its files say, and that this Python does not have."""
    needed = {"sqlalchemy"} if params["store"] else set()
    needed |= {"kubernetes", "urllib3"} if params["cluster_steps"] else set()
    needed |= {"pysequoia"} if params["vex"] or params["feed_signature_key"] else set()
    needed |= {"packageurl"} if params["vex"] else set()
    needed |= {"prometheus_client"} if metrics.FORMAT.name in params["formats"] else set()
    return {LIBRARIES[name] for name in needed if importlib.util.find_spec(name) is None}


def _missing(packages: t.Iterable[str]) -> ScanError:
    return ScanError(
        f"{sys.executable} does not have the Python packages {', '.join(sorted(packages))}",
        code="missing-library",
        hint="install what requirements.txt of the collection names, with the pip of this Python",
    )


def _checks(module: AnsibleModule) -> t.Iterator[t.Callable[[], object]]:
    """List the checks, in the order in which problems are told; each file is one, so that all of them are told.

    Servers are asked last: what is wrong here is told whether they answer or not.
    """
    params = module.params
    for path in params["policies"]:
        yield partial(read_policies, [path])
    yield partial(read_policies, params["policies"])  # no two of one name
    for path in params["exceptions"]:
        yield partial(_read_exceptions, {**params, "exceptions": [path], "vex": []})
    yield partial(_read_exceptions, {**params, "exceptions": []})
    yield from (partial(_check_readable, params, option) for option in READ_OPTIONS)
    yield partial(access_of, params)
    yield partial(_open_store, params)
    if not module.check_mode:  # which writes nothing
        if params["store"] and params["writes_store"]:
            yield partial(_check_store_writable, params["store"])
        yield from (partial(_check_writable, params[option] or "", option) for option in WRITTEN_OPTIONS)
    yield partial(_check_oscap, params)
    if params["cluster_steps"]:
        from .preflight_cluster import account_checks

        yield from account_checks(module)
    if params["feed_url"]:
        from .preflight_feed import check_feed_url

        yield partial(check_feed_url, params)


def _read_exceptions(params: Params) -> None:
    read_exceptions(params, lambda _text: None, now=datetime.now(timezone.utc))


def _check_readable(params: Params, option: str) -> None:
    path = params[option]
    if path and "://" not in path and not os.access(path, os.R_OK):
        reason = "cannot be read" if os.path.lexists(path) else "is not there"
        raise InputError(f"{option}: {path} {reason}", hint="check the path and its rights")


def _open_store(params: Params) -> None:
    if params["store"]:
        open_store(params["store"], params["store_password"] or "", create=False, read_only=True).close()


def _check_store_writable(url: str) -> None:
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
