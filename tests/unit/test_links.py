# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages for people name files, pages and headings that exist. Addresses elsewhere are not asked."""

from __future__ import annotations

import importlib
import re
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "tests/README.md")),
    *sorted((CHECKOUT / "docs").rglob("*.md")),
    *sorted((CHECKOUT / "roles").glob("*/README.md")),
]
_FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_NAMED = re.compile(r"`((?:docs|examples|roles|images|meta|extensions)/[\w./-]+|\w+\.md)`")


def dead(page: Path, text: str) -> list[str]:
    """Return what a page names and is not there."""
    prose = _FENCED.sub("", text)
    found = []
    for match in _LINK.finditer(prose):
        path, _hash, anchor = match["target"].partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" not in match["target"] and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(match["target"])
    for name in _NAMED.findall(prose):
        if not any((folder / name).exists() for folder in (CHECKOUT, page.parent)):
            found.append(name)
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [str(page.relative_to(CHECKOUT)) for page in PAGES])
def test_what_a_page_names_is_there(page: str) -> None:
    path = CHECKOUT / page
    assert dead(path, path.read_text(encoding="utf-8")) == []


def test_what_is_dead_is_found() -> None:
    page = CHECKOUT / "docs" / "rights.md"
    text = (
        "[a](feeds.md) [b](gone.md) [c](limits.md#limits) [d](limits.md#gone) `docs/gone.md` `docs/feeds.md` `gone.md`"
    )
    assert dead(page, text) == ["gone.md", "limits.md#gone", "docs/gone.md", "gone.md"]
    assert dead(page, f"```\n{text}\n```\n") == []


def test_the_site_links_pages_that_guides_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT / "tests" / "tools"))
    documentation: t.Any = importlib.import_module("documentation")
    text = "See `docs/feeds.md`.\n```\n`docs/feeds.md`\n```\n"
    assert documentation.linked(text, "triggers") == (
        "See [`docs/feeds.md`](../feeds.md).\n```\n`docs/feeds.md`\n```\n"
    )
    plugin = CHECKOUT / "extensions" / "eda" / "plugins" / "event_source" / "images.py"
    assert set(documentation.documentation(plugin)) == {"DOCUMENTATION", "EXAMPLES"}
