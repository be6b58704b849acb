# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``repository-to-cpe.json``: which products the packages of a repository belong to."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ..._core.errors import CorruptData, InputError, LimitExceeded
from .digests import digest_of
from .downloads import FeedClient, is_url, local_path, shown_url

if t.TYPE_CHECKING:
    from ..._images.access import Access

REPOSITORY_MAP = "repository-to-cpe.json"
REPOSITORY_MAP_LIMIT = 64 << 20


@dataclasses.dataclass(frozen=True)
class Repositories:
    """CPEs by repository id. ``digest`` is equal where they are. ``etag``: of the version on a server."""

    cpes: t.Mapping[str, tuple[str, ...]]
    digest: str
    etag: str = ""


def given_map(
    source: str,
    access: Access | None,
    tick: t.Callable[[], None],
    etag: str = "",
    earlier_map: t.Callable[[], t.Mapping[str, t.Sequence[str]]] = dict,
) -> Repositories | None:
    """The map of a file or URL; None where there is neither. Raises InputError, CorruptData or another ScanError.

    ``etag``: of the version that ``earlier_map`` gives, if it is the same map.
    """
    if not source:
        return None
    if is_url(source) and not source.lower().startswith("file://"):
        fetched = FeedClient(access, tick=tick).read_if_changed(source, etag, limit=REPOSITORY_MAP_LIMIT)
        if fetched.data is None:
            return known_repositories(earlier_map(), fetched.etag)
        return dataclasses.replace(read_repository_map(fetched.data, shown_url(source)), etag=fetched.etag)
    path = local_path(source)
    try:
        with path.open("rb") as stream:
            data = stream.read(REPOSITORY_MAP_LIMIT + 1)
    except OSError as error:
        raise InputError(f"the repository map {path} cannot be read: {error.strerror or error}") from error
    return read_repository_map(data, str(path))


def read_repository_map(data: bytes, where: str) -> Repositories:
    """Read ``repository-to-cpe.json``: ``{"data": {"<repository id>": {"cpes": ["cpe:/..."]}}}``."""
    if len(data) > REPOSITORY_MAP_LIMIT:
        raise LimitExceeded(f"the repository map {where} has more than {REPOSITORY_MAP_LIMIT} bytes")
    try:
        entries = json.loads(data.decode("utf-8-sig"))["data"]
        cpes = {key: tuple(value["cpes"]) for key, value in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptData(
            f"the repository map {where} is not one: expected JSON like"
            ' {"data": {"<repository id>": {"cpes": ["cpe:/..."]}}}',
            code="repository-map-corrupt",
        ) from error
    for key, values in cpes.items():
        if not all(isinstance(value, str) and value.startswith("cpe:") and len(value) <= 256 for value in values):
            raise CorruptData(
                f"the repository map {where} has something else than CPEs for {ascii(key)[:100]}",
                code="repository-map-corrupt",
            )
    if not cpes:
        raise CorruptData(f"the repository map {where} is empty", code="repository-map-corrupt")
    return known_repositories(cpes)


def known_repositories(cpes: t.Mapping[str, t.Sequence[str]], etag: str = "") -> Repositories:
    """A map that was read before, as ``FeedIndex.repositories`` gives it."""
    return Repositories(
        {key: tuple(value) for key, value in cpes.items()}, digest_of(json.dumps(cpes, sort_keys=True)), etag
    )
