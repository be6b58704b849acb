# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.store``."""

from __future__ import annotations


class ModuleDocFragment:
    """The store, which keeps results."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - Where results are kept, either the path of a SQLite file, or a SQLAlchemy URL.
      - A team whose runs share results uses PostgreSQL, as in V(postgresql://scanner@db.example.com/imagescan).
        This needs the Python package C(psycopg).
      - A URL with a password in it is refused, see O(store_password).
      - In a job of AWX or Automation Controller, a SQLite file that would be gone with the job is refused. There it is
        PostgreSQL, or a file on a volume that is mounted into the execution environment and stays.
    type: str
    required: true
  store_password:
    description:
      - Password for the database of O(store).
      - Without it, the environment variable E(IMAGESCAN_STORE_PASSWORD) is used.
    type: str
requirements:
  - SQLAlchemy >= 2.0
"""
