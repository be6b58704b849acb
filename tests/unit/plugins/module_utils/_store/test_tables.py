# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database itself refuses: a row that lacks something."""

from __future__ import annotations

from ansible_collections.imagescan.openshift.plugins.module_utils._store.tables import tables


def test_a_row_has_every_column_but_the_raw_results_of_rules() -> None:
    columns = [column for table in tables().metadata.tables.values() for column in table.columns]
    assert len(columns) > 80
    assert [str(column) for column in columns if column.nullable] == ["imagescan_evaluations.arf"]
