# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an inventory is not complete: every code that reading an inventory gives, in one place.

Codes of the layer walk come beside these (``_images``). Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t

from .._images.model import Problem

#: code -> what it means for whoever reads a report.
PROBLEMS: t.Mapping[str, str] = {
    "rpmdb-missing": "The distribution is RPM-based, but none of the three places holds an rpm database.",
    "rpmdb-empty": "There is an rpm database, and it holds no package.",
    "rpmdb-corrupt": "A page, slot or record of the rpm database is damaged; packages behind it were not read.",
    "rpmdb-row-corrupt": "One header of the rpm database is damaged; that package is not in the inventory.",
    "rpmdb-row-mismatch": "The rpm database's own count of packages differs from the number that could be read.",
    "rpmdb-wal-damaged": "The write-ahead log beside the rpm database is not readable; newer packages may be in it.",
    "rpmdb-journal": "A rollback journal lies beside the rpm database: its last transaction was interrupted.",
    "rpmdb-too-large": "The rpm database is larger than what we are willing to read.",
    "rpmdb-ambiguous": "Several rpm databases name different packages; the one that rpm would use was taken.",
    "rpmdb-stray": "There are rpm databases in other places, too: what is installed there was not looked at.",
    "module-unknown": "No readable label says of which module a package is; what is said of that module was not found.",
    "os-release-missing": "There are packages, but no os-release says of which distribution.",
    "os-release-unreadable": "The os-release file is too large or has no ID.",
    "content-manifest-unreadable": "A content manifest is damaged, so repositories of the image may be unknown.",
    "dnf-history-unreadable": "The dnf history is damaged, so repositories of packages may be unknown.",
    "labels-unreadable": "A labels.json is damaged, so CPEs of the image may be unknown.",
    "root-empty": "The root folder holds nothing at all: most likely nothing was mounted there.",
    "layers-unseen": "No content manifest was seen, and the layers could not be read: one of them may hold one.",
    "config-unseen": "Only the files of the image could be read: its labels, and CPEs that they name, are unknown.",
}


def problem(code: str, message: str) -> Problem:
    """A problem with a code of PROBLEMS."""
    if code not in PROBLEMS:
        raise KeyError(code)
    return Problem(code, message)
