# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.exceptions``."""

from __future__ import annotations


class ModuleDocFragment:
    """Accepted findings, and statements of the makers of images."""

    DOCUMENTATION = r"""
options:
  exceptions:
    description:
      - Files with exceptions, in YAML, each an accepted finding or OpenSCAP rule with its reason and its end.
      - An exception never hides that something of an image could not be seen, or that a rule could not be evaluated.
    type: list
    elements: path
    default: []
  exceptions_max_days:
    description:
      - Days from now within which every exception must end. One that ends later is an error with its file and line.
    type: int
    default: 730
    version_added: "0.6.0"
  vex:
    description:
      - Files with VEX of the makers of images, as OpenVEX 0.2.0 or CSAF 2.x.
      - Findings that a maker calls fixed, or not affected with a justification or an impact statement, are accepted for
        the images that the file names by digest or repository. Nothing is ever taken from an image itself.
      - A file that is not signed as it should be is reported and not used.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file. Its detached OpenPGP signature lies beside it, with C(.asc) at the end of its name.
        type: path
        required: true
      signature_key:
        description: File with the public key of the maker, armored or binary.
        type: path
        required: true
"""
