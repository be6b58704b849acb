# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids of vulnerabilities as they are compared: feeds, exceptions and VEX write one id in several ways."""

from __future__ import annotations

import re
import unicodedata

#: Dashes other than the hyphen-minus, which editors and PDF files put in its place.
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_CVE = re.compile(r"cve[\s_:-]*([0-9]{4})[\s_:-]*([0-9]{1,19})")
_TOKEN = re.compile(r"[a-z][a-z0-9]{0,30}(?:-[a-z0-9:]{1,40}){1,8}")


def folded_id(text: str) -> str:
    """Return an id as it is compared: ``cve-2026-1`` for ``CVE-2026-1``, whatever its letters, dashes and blanks."""
    plain = unicodedata.normalize("NFKC", _DASHES.sub("-", text))
    return "".join(character for character in plain if unicodedata.category(character) != "Cf").strip().casefold()


def mentioned_ids(text: str) -> tuple[str, ...]:
    """Return every id that a text may mean, each once: the text itself, and what looks like an id in it.

    ``https://nvd.nist.gov/vuln/detail/CVE-2026-1`` and ``CVE 2026 1`` mean ``cve-2026-1``, too.
    """
    folded = folded_id(text)
    numbers = [f"cve-{year}-{number}" for year, number in _CVE.findall(folded)]
    return tuple(dict.fromkeys([folded, *numbers, *_TOKEN.findall(folded)]))
