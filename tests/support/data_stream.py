# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small SCAP source data stream, of the form that the SCAP Security Guide has."""

from __future__ import annotations

import typing as t

PROFILE = "xccdf_org.ssgproject.content_profile_"
RULE = "xccdf_org.ssgproject.content_rule_"


def rule(name: str, inside: str = "", **attributes: str) -> str:
    """A rule that an OVAL definition of its name checks."""
    more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return (
        f'<x:Rule id="{RULE}{name}" selected="false" severity="medium"{more}>\n<x:title>{name}</x:title>\n'
        f"<x:description>long text</x:description>\n<x:rationale>why</x:rationale>\n"
        f'<x:reference href="h">1.{name}</x:reference>\n{inside}'
        f'<x:fix system="urn:xccdf:fix:script:sh">rm -rf /</x:fix>\n<x:ident system="cce">CCE-{name}</x:ident>\n'
        '<x:check system="http://oval.mitre.org/XMLSchema/oval-definitions-5">\n'
        f'<x:check-content-ref href="oval.xml" name="oval:d-{name}:def:1"/>\n</x:check>\n'
        '<x:check system="http://scap.nist.gov/schema/ocil/2">\n'
        f'<x:check-content-ref href="ocil.xml" name="ocil:{name}"/>\n</x:check>\n</x:Rule>\n'
    )


def profile(name: str, *rules: str, extends: str = "", more: str = "") -> str:
    """A profile that selects rules."""
    base = f' extends="{PROFILE}{extends}"' if extends else ""
    selects = "".join(f'<x:select idref="{RULE}{one}" selected="true"/>\n' for one in rules)
    return (
        f'<x:Profile id="{PROFILE}{name}"{base}>\n<x:title>Profile {name}</x:title>\n'
        f"<x:description>about {name}</x:description>\n{selects}{more}</x:Profile>\n"
    )


def definition(name: str, *tests: str, extends: str = "") -> str:
    """An OVAL definition; its tests have objects and states of their names."""
    criteria = "".join(f'<criterion test_ref="oval:t-{one}:tst:1"/>' for one in tests)
    base = f'<extend_definition definition_ref="oval:d-{extends}:def:1"/>' if extends else ""
    return (
        f'<definition class="compliance" id="oval:d-{name}:def:1" version="1">'
        f"<metadata><title>{name}</title></metadata><criteria>{criteria}{base}</criteria></definition>\n"
    )


def data_stream(
    rules: t.Sequence[str], profiles: t.Sequence[str], definitions: t.Sequence[str], *, items: str = "", more: str = ""
) -> bytes:
    """A data stream. ``items``: tests, objects, states and variables (sections and all). ``more``: in the benchmark."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ds:data-stream-collection xmlns:ds="http://scap.nist.gov/schema/scap/source/1.2"'
        ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:cat="urn:oasis:names:tc:entity:xmlns:xml:catalog"'
        ' xmlns:x="http://checklists.nist.gov/xccdf/1.2" id="scap_c" schematron-version="1.3">\n'
        '<ds:data-stream id="scap_d" scap-version="1.3" use-case="OTHER">\n<ds:checklists>\n'
        '<ds:component-ref id="scap_cref_xccdf" xlink:href="#scap_comp_xccdf">\n<cat:catalog>\n'
        '<cat:uri name="oval.xml" uri="#scap_cref_oval"/>\n<cat:uri name="ocil.xml" uri="#scap_cref_ocil"/>\n'
        "</cat:catalog>\n</ds:component-ref>\n</ds:checklists>\n<ds:checks>\n"
        '<ds:component-ref id="scap_cref_oval" xlink:href="#scap_comp_oval"/>\n'
        '<ds:component-ref id="scap_cref_ocil" xlink:href="#scap_comp_ocil"/>\n'
        '<ds:component-ref id="scap_cref_cpe" xlink:href="#scap_comp_cpe"/>\n</ds:checks>\n</ds:data-stream>\n'
        '<ds:component id="scap_comp_xccdf" timestamp="2026-01-01T00:00:00">\n'
        '<x:Benchmark id="xccdf_test_benchmark_RHEL-9" resolved="true">\n<x:status>draft</x:status>\n'
        '<x:title>Guide</x:title>\n<x:description>very long</x:description>\n<x:notice id="n">text</x:notice>\n'
        '<x:platform idref="cpe:/o:redhat:enterprise_linux:9"/>\n<x:version>0.1</x:version>\n'
        f"{''.join(profiles)}{more}"
        '<x:Group id="xccdf_test_group_one">\n<x:title>Group</x:title>\n<x:description>text</x:description>\n'
        '<x:Value id="xccdf_test_value_one"><x:title>v</x:title><x:description>text</x:description>'
        "<x:value>5</x:value></x:Value>\n"
        f"{''.join(rules)}</x:Group>\n</x:Benchmark>\n</ds:component>\n"
        '<ds:component id="scap_comp_oval" timestamp="2026-01-01T00:00:00">\n'
        '<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"'
        ' xmlns:i="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent">\n'
        f"<definitions>\n{''.join(definitions)}</definitions>\n{items}</oval_definitions>\n</ds:component>\n"
        '<ds:component id="scap_comp_ocil" timestamp="2026-01-01T00:00:00">\n'
        '<ocil xmlns="http://scap.nist.gov/schema/ocil/2.0"><questionnaires/></ocil>\n</ds:component>\n'
        '<ds:component id="scap_comp_cpe" timestamp="2026-01-01T00:00:00">\n'
        '<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5">\n'
        '<definitions><definition class="inventory" id="oval:platform:def:1" version="1"/></definitions>\n'
        "</oval_definitions>\n</ds:component>\n</ds:data-stream-collection>\n"
    ).encode()


ITEMS = """<tests>
<i:textfilecontent54_test id="oval:t-a:tst:1" version="1"><i:object object_ref="oval:o-a:obj:1"/>
<i:state state_ref="oval:s-a:ste:1"/></i:textfilecontent54_test>
<i:variable_test id="oval:t-b:tst:1" version="1"><i:object object_ref="oval:o-b:obj:1"/></i:variable_test>
<i:textfilecontent54_test id="oval:t-c:tst:1" version="1"><i:object object_ref="oval:o-c:obj:1"/>
</i:textfilecontent54_test>
</tests>
<objects>
<i:textfilecontent54_object id="oval:o-a:obj:1" version="1"><i:filepath>/etc/a</i:filepath></i:textfilecontent54_object>
<i:variable_object id="oval:o-b:obj:1" version="1"><i:var_ref>oval:v-b:var:1</i:var_ref></i:variable_object>
<i:textfilecontent54_object id="oval:o-c:obj:1" version="1"><set><object_reference>oval:o-d:obj:1</object_reference>
<filter action="exclude">oval:s-d:ste:1</filter></set></i:textfilecontent54_object>
<i:textfilecontent54_object id="oval:o-d:obj:1" version="1"><i:filepath var_ref="oval:v-d:var:1"/>
</i:textfilecontent54_object>
<i:textfilecontent54_object id="oval:o-e:obj:1" version="1"/>
</objects>
<states>
<i:textfilecontent54_state id="oval:s-a:ste:1" version="1"><i:text>a</i:text></i:textfilecontent54_state>
<i:textfilecontent54_state id="oval:s-d:ste:1" version="1"><i:text>d</i:text></i:textfilecontent54_state>
</states>
<variables>
<local_variable id="oval:v-b:var:1" version="1"><count><object_component object_ref="oval:o-e:obj:1" item_field="x"/>
</count></local_variable>
<constant_variable id="oval:v-d:var:1" version="1"><value>/etc/d</value></constant_variable>
<constant_variable id="oval:v-z:var:1" version="1"><value>z</value></constant_variable>
</variables>
"""
