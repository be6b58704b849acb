# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``vulnerability_feed``: keep an index of vulnerability data up to date, or check a feed."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError, ScanError
from .._core.progress import Progress, remaining
from .._core.times import now_text, parse_time
from .._vulnerabilities.feeds.build import BuildResult, Signatures, is_proved
from .._vulnerabilities.feeds.checking import check_feed, lines_of
from .._vulnerabilities.feeds.importing import import_feed
from .._vulnerabilities.feeds.parsing import Form
from .._vulnerabilities.feeds.signatures import Keys
from .._vulnerabilities.feeds.sources import shown, sources_of
from .._vulnerabilities.formats.table import FORMATS
from .._vulnerabilities.index.reader import FeedIndex, RejectedDocument
from .._vulnerabilities.model import FeedInfo
from .module import make_folder, server_access_of
from .store_options import package_names

REJECTED_SHOWN = 100
_TAKE_URLS = " and ".join(item.name for item in FORMATS.values() if item.takes_urls)


def keep_index(module: AnsibleModule) -> dict[str, t.Any]:
    """Compile the feed unless it is compiled already, or only check it. Returns the result of the module."""
    params = module.params
    if params["state"] == "checked":
        return _check(params)
    names = _names_of(params, module.check_mode)
    if names == [] and params["only_names"]:
        # No image could be scanned, or none was in check mode. Their verdicts say so; this is not a reason to stop.
        return _nothing(params["index"])
    started = datetime.now(timezone.utc)
    source, form = source_of(params), _form_of(params)
    form.check()
    indexed = names if params["only_names"] else None
    keys = _keys_of(params)
    sources = sources_of(source, _text(params, "repository_map"))
    young = young_index(params["index"], params["max_age"], started, sources, form, keys)
    if young is not None and _is_enough(young, params, indexed):
        return _result(False, young, [], params["index"], 0)
    if not module.check_mode:
        make_folder(Path(params["index"]).parent, "index")
    built = import_feed(
        source,
        params["index"],
        form=form,
        repository_map=_text(params, "repository_map"),
        names=indexed,
        access=server_access_of(params),
        # With the time of a check that is young enough an unchanged feed leaves the index untouched, byte for byte.
        now=young.checked if young is not None else now_text(),
        progress=_progress_since(started),
        dry_run=module.check_mode,
        signatures=_signatures_of(keys, names),
        checksum=_text(params, "checksum"),
    )
    return _built_result(built, params["index"], module.warn)


def _check(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Read the feed and say what of it would be refused."""
    source = source_of(params)
    keys = _keys_of(params)
    checked = check_feed(
        source,
        form=_form_of(params),
        repository_map=_text(params, "repository_map"),
        access=server_access_of(params),
        now=now_text(),
        progress=_progress_since(datetime.now(timezone.utc)),
        signatures=_signatures_of(keys),
        checksum=_text(params, "checksum"),
    )
    index, info = _text(params, "index"), checked.info
    return {
        **(_nothing(index) if info is None else _result(False, info, [], index, 0)),
        "partial": False,
        "rejected": [_rejected_document(document) for document in checked.rejected[:REJECTED_SHOWN]],
        "rejected_count": len(checked.rejected),
        "causes": [dataclasses.asdict(cause) for cause in checked.causes],
        "left_out": dict(checked.skipped),
        "years": list(info.years) if info is not None else [],
        "fewest_documents": checked.fewest,
        "table": lines_of(checked, shown(source)),
    }


def _progress_since(started: datetime) -> t.Callable[[int, int], None]:
    """Make what tells the controller how many documents are read."""
    progress = Progress()

    def show(done_count: int, total: int) -> None:
        seconds = (datetime.now(timezone.utc) - started).total_seconds()
        of = f"/{total}" if total else ""
        progress.beat(f"read {done_count}{of} documents{remaining(done_count, total, seconds)}")

    return show


def _text(params: dict[str, t.Any], option: str) -> str:
    return params[option] or ""


def _form_of(params: dict[str, t.Any]) -> Form:
    return Form(params["format"], _text(params, "distribution"))


def _keys_of(params: dict[str, t.Any]) -> Keys | None:
    return Keys.read(params["signature_key"]) if params["signature_key"] else None


def _signatures_of(keys: Keys | None, names: t.Iterable[str] | None = None) -> Signatures | None:
    return None if keys is None else Signatures(keys, frozenset(names or ()))


def _names_of(params: dict[str, t.Any], check_mode: bool) -> list[str] | None:
    """List the names of the packages that the index is for; None for all."""
    if params["names"] is not None and not params["names"]:
        raise InputError("names is empty", hint="name at least one package, or leave it out to index all")
    if not params["for_store"]:
        return sorted(set(params["names"])) if params["names"] else None
    return sorted(package_names(params, check_mode).union(params["names"] or ()))


def source_of(params: t.Mapping[str, t.Any]) -> str:
    """Return the path, or the addresses with blanks between them."""
    if params["path"]:
        return str(params["path"])
    urls = [url.strip() for url in params["url"] or ()]
    if not urls or any(len(url.split()) != 1 for url in urls):
        raise InputError("url has an entry that is not an address", hint="write one address in each entry")
    if len(urls) > 1 and not FORMATS[params["format"]].takes_urls:
        raise InputError(
            f"url has {len(urls)} addresses, and the format {params['format']} takes one",
            hint=f"several repositories go together with the format {_TAKE_URLS} alone",
        )
    return " ".join(urls)


def _is_enough(young: FeedInfo, params: dict[str, t.Any], names: list[str] | None) -> bool:
    """Return True if nothing has to be read: changes in a folder are always, and a bundle that has a checksum."""
    return bool(params["url"]) and not params["checksum"] and list(young.names) == sorted(names or ())


def young_index(
    path: str, hours: float, present: datetime, sources: list[str], form: Form, keys: Keys | None = None
) -> FeedInfo | None:
    """Read of the index that is there, if it was made from the same sources, with these keys if any, so young."""
    if hours <= 0 or not Path(path).exists():
        return None
    try:
        with FeedIndex.open(path) as index:
            info = index.info
            if index.meta.get("sources") != sources or index.meta.get("form") != list(form):
                return None
            if keys is not None and (info.signature_key != keys.fingerprint or not is_proved(index, keys)):
                return None
        checked = parse_time(info.checked, "checked")
    except ScanError:
        return None  # It is built anew.
    return info if timedelta(0) <= present - checked <= timedelta(hours=hours) else None


def _rejected_document(document: RejectedDocument) -> dict[str, str]:
    """Describe a document that could not be read, as the module returns it."""
    scope = "packages" if document.scope.names else "distribution" if document.scope.distributions else "feed"
    return {"path": document.path, "reason": document.reason, "sha256": document.sha256, "scope": scope}


def _built_result(built: BuildResult, index: str, warn: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Build the return values after the feed was read; documents that were rejected are a warning."""
    rejected = [_rejected_document(document) for document in built.rejected]
    if rejected:
        full_count = sum(document["scope"] != "packages" for document in rejected)
        warn(
            f"{len(rejected)} documents of the feed were rejected; {full_count} of them hold up every image, the others"
            " those that have a package they name, until the feed has documents that can be read or a policy accepts"
            f" these (accept_unread); the first: {rejected[0]['path']}: {rejected[0]['reason']}"
        )
    return _result(built.changed, built.info, rejected, index, built.changed_documents)


def _result(
    changed: bool, info: FeedInfo, rejected: list[dict[str, str]], index: str, changed_documents: int
) -> dict[str, t.Any]:
    """Build the return values of the module."""
    return {
        "changed": changed,
        "serial": info.serial,
        "documents": info.documents,
        "statements": info.statements,
        "changed_documents": changed_documents,
        "checked": info.checked,
        "newest": info.newest,
        "verified": info.verified,
        "signature_key": info.signature_key,
        "rejected": rejected[:REJECTED_SHOWN],
        "rejected_count": info.rejected,
        "partial": bool(info.names),
        "index": index,
    }


def _nothing(index: str) -> dict[str, t.Any]:
    """Build the return values if there is no package to index anything for."""
    numbers = dict.fromkeys(("documents", "statements", "changed_documents", "verified", "rejected_count"), 0)
    texts = dict.fromkeys(("serial", "checked", "newest", "signature_key"), "")
    return {"changed": False, **texts, **numbers, "rejected": [], "partial": True, "index": index}
