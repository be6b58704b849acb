# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explanations are printed as lines, with an empty line between two of them."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.action import verdict_info


def test_explanations_are_printed_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(verdict_info, "show_line", lines.append)
    verdict_info.show([{"lines": ["Image a", "  passed"]}, {"lines": ["Image b"]}])
    assert lines == ["Image a", "  passed", "", "Image b"]
