# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the role ``scan`` that follow another where they are empty."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.filter.survey_value import survey_value

ROLE = Path(__file__).resolve().parents[2] / "roles/scan"


@pytest.mark.parametrize(
    ("own", "registries", "wanted"),
    [
        (None, {"registry_ca_cert": "/r.pem"}, "/r.pem"),
        ("/f.pem", {"registry_ca_cert": "/r.pem"}, "/f.pem"),
        ("/f.pem", {}, "/f.pem"),
        (None, {}, ""),
    ],
)
def test_a_feed_is_trusted_by_the_certificates_of_registries_unless_it_has_its_own(
    own: str | None, registries: dict[str, str], wanted: str
) -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    text = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["scan__feed_ca_cert"]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters["imagescan.openshift.survey_value"] = survey_value
    given = {"scan_feed_ca_cert": defaults["scan_feed_ca_cert"] if own is None else own, "scan__registries": registries}
    assert environment.from_string(text).render(given) == wanted
