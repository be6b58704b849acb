# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of DESIGN 1: what each verdict does to a flag."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import fate
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS

#: Verdict -> what happens to an image without a flag of ours and to one with it; plain, and with the option that speaks
#: of this verdict.
TABLE = {
    "passed": (("keep", "clear"), ("keep", "clear")),
    "failed": (("set", "set"), ("set", "set")),
    "inconclusive": (("keep", "keep"), ("set", "set")),
    "error": (("keep", "keep"), ("set", "set")),
}
OPTION = {"inconclusive": "flag_inconclusive", "error": "flag_errors"}


@pytest.mark.parametrize(
    ("verdict", "flagged", "inconclusive", "errors"), list(itertools.product(TABLE, *[(False, True)] * 3))
)
def test_every_verdict_with_every_option(verdict: str, flagged: bool, inconclusive: bool, errors: bool) -> None:
    # An option that is not given does not flag.
    given = {name: True for name, value in (("flag_inconclusive", inconclusive), ("flag_errors", errors)) if value}
    option = given.get(OPTION.get(verdict, ""), False)
    assert fate(verdict, flagged=flagged, **given) == TABLE[verdict][option][flagged]


def test_the_table_has_every_verdict() -> None:
    assert set(TABLE) == set(VERDICTS)


@pytest.mark.parametrize("verdict", ["", "Passed", "passed ", "ok", None, True])
def test_an_unknown_verdict_is_refused(verdict: t.Any) -> None:
    with pytest.raises(CorruptData, match="known are passed") as caught:
        fate(verdict, flagged=True)
    assert caught.value.code == "unknown-verdict"
