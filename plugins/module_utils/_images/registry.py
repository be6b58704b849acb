# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client for the registry API (OCI distribution specification 1.1): manifests, blobs, tag lists and the catalogue."""

from __future__ import annotations

import functools
import re
import typing as t
import urllib.parse
from pathlib import Path

from .._core.errors import CorruptData, InputError, IntegrityError, LimitExceeded, RegistryError, ScanError
from .._core.safe_json import field, read_object
from .._core.text import quoted
from .access import Access
from .credentials import Credential, Credentials
from .manifests import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA_1,
    MANIFEST_LIMIT,
    OCI_INDEX,
    OCI_MANIFEST,
    in_image,
    verify_digest,
)
from .mirrors import pull_places
from .model import BlobReader, Descriptor
from .pull_sources import PullSource, PullSources
from .references import DOCKER_HUB, Reference, is_digest, is_repository, is_tag, parse_registry
from .tokens import Authenticator, is_transient, status_code
from .transport import ConnectionLost, Patience, Response, Transport, retry_after
from .urls import Endpoint, Url, parse_url

_DOCKER_HUB_HOST = "registry-1.docker.io"
# Schema 1 last: a registry that has nothing else then says so, and the error can name it.
_ACCEPT = ", ".join(
    (OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST, *(f"{kind};q=0.1" for kind in DOCKER_SCHEMA_1))
)
_CATALOGUE_SCOPE = "registry:catalog:*"
_PAGE = 1000
_PAGE_BYTES = 8 << 20
_PAGE_LIMIT = 10_000
_NAME_LIMIT = 1_000_000
_ERROR_BYTES = 1 << 16
_SKIP = 1 << 20
_SLOWEST = 128 << 10  # bytes a second that a layer must come in at, beside the deadline of one request
_ERROR_CODE = re.compile(r"[A-Z_]{1,40}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_LINK = re.compile(r"<([^<>]*)>\s*((?:;[^,]*)?)")


def open_repository(reference: Reference, access: Access) -> Repository | PullSources:
    """The repository of a reference, with its mirrors. Raises InputError or RegistryError where nothing can be asked.

    Clients, with their connections and tokens, are shared by equal ``access``.
    """
    ways: list[PullSource] = []
    for place in pull_places(reference, access.mirrors):
        client = _client(place.registry, access)
        try:
            credentials = client.credentials.find_all(place.registry, place.repository)
        except InputError as error:
            ways.append(PullSource(place, error))
            continue
        ways += [PullSource(place, Repository(client, place, credential)) for credential in credentials or (None,)]
    if len(ways) > 1 or ways[0].place != reference:
        return PullSources(reference, ways)
    if isinstance(ways[0].repository, ScanError):
        raise ways[0].repository
    return ways[0].repository


def list_repositories(registry: str, access: Access) -> t.Iterator[str]:
    """Names of all repositories that the registry's catalogue shows to us, page by page."""
    registry = parse_registry(registry)
    client = _client(registry, access)
    pages = client.pages("/v2/_catalog", "repositories", _CATALOGUE_SCOPE, client.credentials.find(registry))
    return _checked(pages, is_repository, registry, "repository")


def list_tags(registry: str, repository: str, access: Access) -> t.Iterator[str]:
    """All tags of a repository, page by page."""
    registry = parse_registry(registry)
    subject = f"{registry}/{repository}"
    if not is_repository(repository):
        raise InputError(f"{quoted(repository)} is not the name of a repository", subject=registry)
    client = _client(registry, access)
    pages = client.pages(
        f"/v2/{repository}/tags/list",
        "tags",
        f"repository:{repository}:pull",
        client.credentials.find(registry, repository),
        subject,
    )
    return _checked(pages, is_tag, subject, "tag")


def _checked(names: t.Iterator[str], is_good: t.Callable[[str], bool], subject: str, kind: str) -> t.Iterator[str]:
    for count, name in enumerate(names):
        if not is_good(name):
            raise CorruptData(f"the registry lists {quoted(name)}, which is not the name of a {kind}", subject=subject)
        if count >= _NAME_LIMIT:
            raise LimitExceeded(f"the registry lists more than {_NAME_LIMIT} names", subject=subject)
        yield name


class RegistryClient:
    """One registry, asked with one ``Access``. Safe to use from several threads."""

    def __init__(self, registry: str, access: Access) -> None:
        self.registry = registry
        self.access = access
        self.credentials = Credentials(access)
        host = _DOCKER_HUB_HOST if registry == DOCKER_HUB else registry
        url = parse_url(f"{'http' if access.is_plain_http(registry) else 'https'}://{host}/")
        if url is None:
            raise CorruptData(f"{quoted(registry)} is not a registry")
        self.endpoint: Endpoint = url.endpoint
        self._transport = Transport(access)
        self._authenticator = Authenticator(self.endpoint, access, self._transport)

    def get(
        self,
        target: str,
        scope: str,
        credential: Credential | None,
        patience: Patience,
        headers: t.Mapping[str, str],
    ) -> Response:
        """GET a path of the registry: an answer with status 200 or 206. Raises RegistryError.

        Rate limits, server errors and lost connections are tried again as long as ``patience`` lasts; 401 once, with
        what the registry asks for.
        """
        url = Url(self.endpoint, target)
        is_answered = False
        while True:
            authorization = self._authenticator.header(scope, credential, patience)
            try:
                response = self._transport.send("GET", url, headers, patience, authorization=authorization)
                if response.status in (200, 206):
                    return response
                error = self._refusal(response, url, credential)
            except ConnectionLost as failure:
                patience.pause(failure)
                continue
            if response.status == 401 and response.url.endpoint == self.endpoint and not is_answered:
                self._authenticator.answer(response, authorization, scope, credential)
                is_answered = True
            elif is_transient(response.status):
                patience.pause(error, retry_after(response.headers))
            else:
                raise error

    def fetch(
        self,
        target: str,
        scope: str,
        credential: Credential | None,
        limit: int,
        headers: t.Mapping[str, str],
        document_name: str,
    ) -> tuple[bytes, Response]:
        """GET a small document whole."""
        patience = Patience(self.access)
        while True:
            response = self.get(target, scope, credential, patience, headers)
            try:
                return response.read_all(limit, document_name), response
            except ConnectionLost as failure:
                patience.pause(failure)

    def pages(
        self, path: str, name: str, scope: str, credential: Credential | None, subject: str = ""
    ) -> t.Iterator[str]:
        """Entries of a paged list. The link to the next page must stay on this registry."""
        target = f"{path}?n={_PAGE}"
        targets: set[str] = set()
        first: list[str] = []
        guessed = False
        list_name = f"the registry's list of {name}"
        try:
            while target:
                if target in targets or len(targets) >= _PAGE_LIMIT:
                    raise LimitExceeded(f"{list_name} has more than {_PAGE_LIMIT} pages, or goes in a circle")
                targets.add(target)
                headers = {"User-Agent": "imagescan", "Accept": "application/json"}
                data, response = self.fetch(target, scope, credential, _PAGE_BYTES, headers, list_name)
                entries = _page_entries(data, name, list_name)
                if guessed and entries[:1] == first:
                    return  # A server that does not know "last" begins again: it has given everything.
                first = first or entries[:1]
                yield from entries
                linked = self._next_page(target, response.headers.get_all("Link") or [], list_name)
                guessed = not linked
                target = linked or _guessed_page(path, entries)
        except ScanError as error:
            raise in_image(error, subject or self.registry)

    def _next_page(self, target: str, links: list[str], list_name: str) -> str:
        for link in _LINK.finditer(", ".join(links)[:16_384]):
            if not re.search(r";\s*rel\s*=\s*\"?next\"?\s*(?:;|$)", link[2], re.IGNORECASE):
                continue
            following = parse_url(urllib.parse.urljoin(str(Url(self.endpoint, target)), link[1]))
            if following is None or following.endpoint.host != self.endpoint.host:
                raise RegistryError(
                    f"{list_name} goes on at another host, which is not followed", code="redirect-refused"
                )
            # Behind a proxy that ends TLS a registry can get scheme and port wrong; the host is what counts.
            if not following.target.startswith("/v2/"):
                raise RegistryError(f"{list_name} goes on outside the registry's API", code="redirect-refused")
            return following.target
        if re.search(r"\bnext\b", " ".join(links), re.IGNORECASE):
            raise CorruptData(f"{list_name} has a link to a next page that cannot be read: {quoted(' '.join(links))}")
        return ""

    def _refusal(self, response: Response, url: Url, credential: Credential | None) -> RegistryError:
        """Explain a status other than 200. Of the server's own words only its error code is shown: bodies echo."""
        try:
            body = response.read_all(_ERROR_BYTES, "the error")
        except LimitExceeded:
            body = b""
        status = response.status
        reason = _error_code(body)
        away = f", redirected to {response.url.endpoint}," if response.url.endpoint != url.endpoint else ""
        message = f"{self.registry}{away} answers {status}{f' ({reason})' if reason else ''}"
        message += f" for {url.target.partition('?')[0]}"
        used = f"it was asked with {credential.origin}" if credential else "it was asked without credentials"
        hints = {
            401: f"{used}; log in again, as with podman login, or mend that entry" if credential else used,
            403: f"{used}; a right to pull is needed",
            404: "check the name, and the right to see it",
            429: "wait, or raise the limit by pulling with credentials",
        }
        return RegistryError(message, status=status, code=status_code(status), hint=hints.get(status, ""))


class Repository:
    """One repository as a source of manifests and blobs. ``reference`` is what errors call it."""

    def __init__(self, client: RegistryClient, reference: Reference, credential: Credential | None) -> None:
        self._client = client
        self._name = reference.repository
        self._scope = f"repository:{reference.repository}:pull"
        self._given = credential
        self.reference = reference

    @property
    def _credential(self) -> Credential | None:
        return self._given.current() if self._given else None

    def fetch_manifest(self, version: str) -> tuple[bytes, str]:
        """Manifest or index of a tag or digest, and its media type. Raises IntegrityError on a wrong digest header."""
        headers = {"User-Agent": "imagescan", "Accept": _ACCEPT}
        target = f"/v2/{self._name}/manifests/{version}"
        data, response = self._client.fetch(
            target, self._scope, self._credential, MANIFEST_LIMIT, headers, "the manifest"
        )
        digest = response.headers.get("Docker-Content-Digest", "").strip()
        if is_digest(digest):
            verify_digest(data, digest, "the manifest that the registry sent")
        return data, response.headers.get("Content-Type", "")

    def read_manifest(self, descriptor: Descriptor, /) -> bytes:
        return self.fetch_manifest(descriptor.digest)[0]

    def read_blob(self, descriptor: Descriptor, limit: int, /) -> bytes:
        headers = {"User-Agent": "imagescan"}
        subject = f"the blob {descriptor.digest}"
        try:
            target = self._blob_target(descriptor)
            return self._client.fetch(target, self._scope, self._credential, limit, headers, subject)[0]
        except RegistryError as error:
            raise _blob_missing(error, descriptor)

    def open_blob(self, descriptor: Descriptor, offset: int = 0, /) -> BlobReader:
        return BlobStream(self, descriptor, offset)

    def request_blob(self, descriptor: Descriptor, offset: int, patience: Patience) -> Response:
        """An answer whose body is the blob from ``offset`` on, or from its start where the status is 200."""
        headers = {"User-Agent": "imagescan"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        target = self._blob_target(descriptor)
        return self._client.get(target, self._scope, self._credential, patience, headers)

    def _blob_target(self, descriptor: Descriptor) -> str:
        if not is_digest(descriptor.digest):
            raise CorruptData(f"{quoted(descriptor.digest)} is not a digest")
        return f"/v2/{self._name}/blobs/{descriptor.digest}"


class BlobStream:
    """A blob as it arrives. Where the connection drops, it goes on from there (RFC 9110, range requests).

    Gives exactly the descriptor's size or raises; what the bytes are is verified by whoever reads them. Used by one
    thread at a time.
    """

    def __init__(self, repository: Repository, descriptor: Descriptor, offset: int = 0) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._offset = offset
        self._response: Response | None = None
        self._patience = Patience(repository._client.access, descriptor.size / _SLOWEST)
        self._guarded(self._open)

    def read(self, size: int, /) -> bytes:
        return self._guarded(functools.partial(self._read, size))

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _guarded(self, action: t.Callable[[], bytes]) -> bytes:
        try:
            return action()
        except ScanError as error:
            self.close()
            if isinstance(error, RegistryError):
                _blob_missing(error, self._descriptor)
            raise in_image(error, f"{self._repository.reference}, layer {self._descriptor.digest}")

    def _read(self, size: int) -> bytes:
        total = self._descriptor.size
        while self._offset < total:
            try:
                if self._response is None:
                    self._open()
                data = t.cast(Response, self._response).read(min(size, total - self._offset))
            except ConnectionLost as failure:
                self.close()
                self._patience.pause(failure)
                continue
            if not data:
                raise self._wrong_size(self._offset)
            self._offset += len(data)
            self._patience.progress()
            return data
        if self._response is not None:
            if self._response.read(1):
                raise self._wrong_size(total + 1)
            self.close()
        return b""

    def _open(self) -> bytes:
        while True:
            response = self._repository.request_blob(self._descriptor, self._offset, self._patience)
            self._response = response
            try:
                if response.status == 206:
                    self._check_range(response)
                else:
                    self._check_length(response, 0)
                    self._skip(response)
                return b""
            except ConnectionLost as failure:
                self.close()
                self._patience.pause(failure)

    def _skip(self, response: Response) -> None:
        """A server that knows no ranges starts anew; leave out what is here already."""
        bytes_left = self._offset
        while bytes_left:
            data = response.read(min(bytes_left, _SKIP))
            if not data:
                raise self._wrong_size(self._offset - bytes_left)
            bytes_left -= len(data)

    def _check_length(self, response: Response, offset: int) -> None:
        if response.length is not None and response.length != self._descriptor.size - offset:
            raise self._wrong_size(response.length + offset)

    def _check_range(self, response: Response) -> None:
        text = response.headers.get("Content-Range", "")
        content_range = _CONTENT_RANGE.fullmatch(text.strip())
        total = self._descriptor.size
        if (
            self._offset == 0
            or content_range is None
            or int(content_range[1]) != self._offset
            or int(content_range[2]) != total - 1
            or content_range[3] not in ("*", str(total))
        ):
            raise RegistryError(
                f"{response.url.endpoint} was asked for the bytes {self._offset}-{total - 1} of {total}, "
                f"but answers {quoted(text, 60)}"
            )
        self._check_length(response, self._offset)

    def _wrong_size(self, size: int) -> IntegrityError:
        expected = self._descriptor.size
        if size < expected:
            return IntegrityError(f"the registry has only {size} of its {expected} bytes", code="layer-truncated")
        return IntegrityError(f"the registry sends more than its {expected} bytes")


def _blob_missing(error: RegistryError, descriptor: Descriptor) -> RegistryError:
    if error.code == "image-not-found":
        error.code = "blob-not-found"
        error.message = f"the blob {descriptor.digest} is missing: {error.message}"
    return error


def _guessed_page(path: str, entries: list[str]) -> str:
    """The page behind a full one without a link, which may not be the last: the specification has "last" for it."""
    return f"{path}?n={_PAGE}&last={urllib.parse.quote(entries[-1], safe='')}" if len(entries) >= _PAGE else ""


def _page_entries(data: bytes, name: str, list_name: str) -> list[str]:
    document = read_object(data, list_name, limit=_PAGE_BYTES)
    if name not in document:
        raise CorruptData(f"{list_name} is an object without {name!r}, so nobody knows what there is")
    entries: list[t.Any] = field(document, name, list, list_name) or []
    if not all(isinstance(entry, str) for entry in entries):
        raise CorruptData(f"{list_name} has an entry that is not text")
    return entries


def _error_code(body: bytes) -> str:
    """The first error code of a registry's error document, if there is one."""
    try:
        errors = field(read_object(body, "the error", limit=_ERROR_BYTES), "errors", list, "the error") or []
    except ScanError:
        return ""
    code = errors[0].get("code") if errors and isinstance(errors[0], dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def _client(registry: str, access: Access) -> RegistryClient:
    return _cached_client(registry, access, *map(_stamp, (*access.auth_files, access.ca_file)))


@functools.lru_cache(maxsize=64)
def _cached_client(registry: str, access: Access, *_stamps: object) -> RegistryClient:
    return RegistryClient(registry, access)


def _stamp(path: str) -> object:
    """Changes when the file does: mounted secrets are renewed while we run."""
    try:
        status = Path(path).stat() if path else None
    except (OSError, ValueError):
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None
