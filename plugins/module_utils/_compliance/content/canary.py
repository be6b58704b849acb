# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the rule of ours that tells whether oscap sees what we see.

It declares its own namespaces, so it does not matter which prefixes the content uses.
Source: OVAL 5.11. Standard library only: it runs in the pod.
"""

from __future__ import annotations

CANARY_RULE = "xccdf_io.github.imagescan_rule_canary"
#: Where the canary looks for ``TOKEN`` (see ``tree``): podman makes this file in every container.
CANARY_FILE = "run/.containerenv"
PACKAGES_MARK, TOKEN_MARK = b"@imagescan-packages@", b"@imagescan-token@"
CANARY_URI = (
    b'<uri xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog" name="imagescan-canary-oval.xml"'
    b' uri="#scap_io.github.imagescan_cref_canary"/>\n'
)
CANARY_REFERENCE = (
    b'<component-ref xmlns="http://scap.nist.gov/schema/scap/source/1.2" xmlns:xlink="http://www.w3.org/1999/xlink"'
    b' id="scap_io.github.imagescan_cref_canary" xlink:href="#scap_io.github.imagescan_comp_canary"/>\n'
)
CANARY_RULE_XML = (
    b'\n<Rule xmlns="http://checklists.nist.gov/xccdf/1.2" id="' + CANARY_RULE.encode() + b'" selected="true"'
    b' severity="info" weight="0.0">\n<title>oscap sees what imagescan sees</title>\n'
    b'<check system="http://oval.mitre.org/XMLSchema/oval-definitions-5">\n'
    b'<check-content-ref href="imagescan-canary-oval.xml" name="oval:io.github.imagescan:def:1"/>\n</check>\n</Rule>\n'
)
CANARY_COMPONENT = (
    rb"""<component xmlns="http://scap.nist.gov/schema/scap/source/1.2" id="scap_io.github.imagescan_comp_canary"
 timestamp="2026-01-01T00:00:00">
<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"
 xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"
 xmlns:ind="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent"
 xmlns:linux="http://oval.mitre.org/XMLSchema/oval-definitions-5#linux">
<generator><oval:product_name>imagescan</oval:product_name><oval:schema_version>5.11</oval:schema_version>
<oval:timestamp>2026-01-01T00:00:00</oval:timestamp></generator>
<definitions><definition class="compliance" id="oval:io.github.imagescan:def:1" version="1">
<metadata><title>oscap sees what imagescan sees</title><description>packages, and a file</description></metadata>
<criteria operator="AND"><criterion test_ref="oval:io.github.imagescan:tst:1"/>
<criterion test_ref="oval:io.github.imagescan:tst:2"/></criteria></definition></definitions>
<tests>
<ind:variable_test check="all" check_existence="at_least_one_exists" comment="as many packages"
 id="oval:io.github.imagescan:tst:1" version="1"><ind:object object_ref="oval:io.github.imagescan:obj:1"/>
<ind:state state_ref="oval:io.github.imagescan:ste:1"/></ind:variable_test>
<ind:textfilecontent54_test check="all" check_existence="only_one_exists" comment="the same file"
 id="oval:io.github.imagescan:tst:2" version="1"><ind:object object_ref="oval:io.github.imagescan:obj:3"/>
</ind:textfilecontent54_test>
</tests>
<objects>
<ind:variable_object id="oval:io.github.imagescan:obj:1" version="1">
<ind:var_ref>oval:io.github.imagescan:var:1</ind:var_ref></ind:variable_object>
<linux:rpminfo_object id="oval:io.github.imagescan:obj:2" version="1">
<linux:name operation="pattern match">.*</linux:name></linux:rpminfo_object>
<ind:textfilecontent54_object id="oval:io.github.imagescan:obj:3" version="1">
<ind:behaviors recurse="directories" recurse_direction="down" recurse_file_system="local"/>
<ind:path>/"""
    + b"</ind:path><ind:filename>".join(CANARY_FILE.encode().rsplit(b"/", 1))
    + rb"""</ind:filename><ind:pattern operation="pattern match">^imagescan="""
    + TOKEN_MARK
    + rb"""$</ind:pattern>
<ind:instance datatype="int">1</ind:instance></ind:textfilecontent54_object>
</objects>
<states><ind:variable_state id="oval:io.github.imagescan:ste:1" version="1">
<ind:value datatype="int" operation="equals">"""
    + PACKAGES_MARK
    + rb"""</ind:value></ind:variable_state></states>
<variables><local_variable comment="number of packages" datatype="int" id="oval:io.github.imagescan:var:1" version="1">
<count><object_component item_field="name" object_ref="oval:io.github.imagescan:obj:2"/></count></local_variable>
</variables>
</oval_definitions></component>
"""
)
