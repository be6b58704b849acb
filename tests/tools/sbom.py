# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection and the packages of requirements.lock as CycloneDX 1.6 in build/sbom.cdx.json (make sbom)."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

from environments import BUILD, CHECKOUT, TEST_REQUIREMENTS, USER_REQUIREMENTS, environment, this_python

if t.TYPE_CHECKING:
    from cyclonedx.model.component import Component

TARGET = BUILD / "sbom.cdx.json"
#: The name that uv, which makes the lock, gives environment markers in its own SBOMs.
MARKER = "uv:package:marker"
#: A hash in CycloneDX belongs to a component. The lock has one for each file of a package, so most cannot be stated.
HASHES = "A component has a hash where its package has one file. All others are in requirements.lock."


def main() -> int:
    """Write the document with the libraries of the environment of tests."""
    venv = environment("test", this_python(), USER_REQUIREMENTS + TEST_REQUIREMENTS)
    if Path(sys.prefix) != venv:
        return subprocess.run([venv / "bin" / "python", __file__], check=False).returncode
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(document(), encoding="utf-8")
    print(TARGET.relative_to(CHECKOUT))
    return 0


def document() -> str:
    """Return the document. Its serial number depends on what it describes, its time on SOURCE_DATE_EPOCH if set."""
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.output.json import JsonV1Dot6

    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    collection = main_component()
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    made = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else datetime.datetime.now(datetime.UTC)
    bom = Bom(
        components=components(lock),
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{collection.bom_ref.value}\n{lock}"),
        metadata=BomMetaData(component=collection, timestamp=made),
        properties=[Property(name="imagescan:hashes", value=HASHES)],
    )
    bom.register_dependency(collection, bom.components)
    written = json.loads(JsonV1Dot6(bom).output_as_string())
    # An empty entry would say that a package needs nothing. The lock does not say what each needs.
    written["dependencies"] = [one for one in written["dependencies"] if "dependsOn" in one]
    return json.dumps(written, indent=2) + "\n"


def main_component() -> Component:
    """Return the collection. It has no package URL, since there is no type for Ansible collections."""
    import yaml
    from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression

    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    name = f"{galaxy['namespace']}.{galaxy['name']}"
    needed = [f"{other} {versions}" for other, versions in galaxy["dependencies"].items()]
    return Component(
        type=ComponentType.APPLICATION,
        name=name,
        version=galaxy["version"],
        bom_ref=f"{name}@{galaxy['version']}",
        description=galaxy["description"],
        licenses=[LicenseExpression(" AND ".join(galaxy["license"]))],
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(galaxy["repository"]))],
        properties=[Property(name="imagescan:needs-collection", value=one) for one in needed],
    )


def components(lock: str) -> list[Component]:
    """Return the packages of a lock."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL
    from packaging.requirements import Requirement

    found = []
    for line in re.sub(r"\\\n", "", lock).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        text, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        package = Requirement(text)
        url = PackageURL("pypi", None, package.name, str(package.specifier).removeprefix("=="))
        found.append(
            Component(
                type=ComponentType.LIBRARY,
                name=package.name,
                version=url.version,
                purl=url,
                bom_ref=str(url),
                properties=[Property(name=MARKER, value=str(package.marker))] if package.marker else [],
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashes[0])] if len(hashes) == 1 else [],
            )
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
