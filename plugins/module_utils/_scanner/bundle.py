# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the zip file that a scanner pod runs: the very modules of this collection that ``pod`` needs, and no others."""

from __future__ import annotations

import ast
import importlib.util
import io
import typing as t
import zipfile

from .._core.errors import ScanError
from . import pod

#: ``pod`` must be imported above: only then does Ansible ship it, and all that it needs, to where a module runs.
_START = pod.__name__
_MAIN = f"""import sys

from {_START} import main

sys.exit(main(sys.argv[1:]))
"""
_TIME = (1980, 1, 1, 0, 0, 0)
#: A ConfigMap holds 1 MiB.
BUNDLE_LIMIT = 900_000


def make_bundle() -> bytes:
    """A zip file for ``python3``; equal sources give equal bytes."""
    files = {"__main__.py": _MAIN}
    for name, source in _sources(_START).items():
        # zipimport needs an __init__.py at every level.
        parts = name.split(".")
        for depth in range(1, len(parts)):
            files.setdefault("/".join(parts[:depth]) + "/__init__.py", "")
        files["/".join(parts) + ".py"] = source
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[path].encode("utf-8"))
    data = buffer.getvalue()
    if len(data) > BUNDLE_LIMIT:
        raise ScanError(f"the scanner's program has {len(data)} bytes; at most {BUNDLE_LIMIT} fit into a ConfigMap")
    return data


def _sources(start: str) -> dict[str, str]:
    """The source of a module and of all that it imports of ours, in whatever function."""
    sources: dict[str, str] = {}
    pending = [start]
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        sources[name] = _source(name)
        pending.extend(_imports(name, sources[name]))
    return sources


def _source(name: str) -> str:
    """Source of a module, also where it lies in a zip file itself, as on the hosts that Ansible sends it to."""
    spec = importlib.util.find_spec(name)
    read: t.Callable[[str], str | bytes | None] | None = getattr(spec.loader, "get_source", None) if spec else None
    source = read(name) if read else None
    if source is None:
        raise ScanError(f"the source of {name} cannot be read, so there is no program for the pods")
    # Ansible's own loader of collections gives bytes.
    return source.decode() if isinstance(source, bytes) else source


def _imports(name: str, source: str) -> t.Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        package = ".".join(name.split(".")[: -node.level])
        origin = f"{package}.{node.module}" if node.module else package
        spec = importlib.util.find_spec(origin)
        if spec is not None and spec.submodule_search_locations is not None:
            for alias in node.names:
                yield f"{origin}.{alias.name}"
        else:
            yield origin
