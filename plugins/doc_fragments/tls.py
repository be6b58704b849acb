# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.tls``."""

from __future__ import annotations


class ModuleDocFragment:
    """Verification of servers."""

    DOCUMENTATION = r"""
options:
  ca_cert:
    description: File with PEM certificates that are trusted beside those of the system.
    type: path
  validate_certs:
    description:
      - Whether the certificates of servers are verified.
      - Credentials are never sent to a server that did not prove who it is.
    type: bool
    default: true
  timeout:
    description: Seconds of silence after which a connection counts as broken.
    type: float
    default: 20.0
"""
