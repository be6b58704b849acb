# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation as one site in build/docs: guides, pages of plugins and roles, event sources (make docs).

The stage ``content`` of suite.py runs the same in its environment. Any warning fails, such as a dead link. Nothing is
fetched.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from environments import BUILD, CHECKOUT, TEST_REQUIREMENTS, USER_REQUIREMENTS, environment, this_python

COLLECTION = "imagescan.openshift"
SOURCE, SITE = BUILD / "docs-source", BUILD / "docs"
#: A page or folder of docs/ that a guide names, as in ``docs/feeds.md``, outside of fenced blocks.
_PAGE = re.compile(r"(?<!\[)`docs/(?P<page>[\w/]+\.md)`")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
REFERENCE = """
```{toctree}
:caption: Reference
:maxdepth: 2

plugins/index
events/index
```
"""


def main() -> int:
    """Make the site with the programs of the environment of tests."""
    venv = environment("test", this_python(), USER_REQUIREMENTS + TEST_REQUIREMENTS)
    if Path(sys.prefix) != venv:
        return subprocess.run([venv / "bin" / "python", __file__], check=False).returncode
    copy_guides()
    for step in (antsibull_docs, write_event_pages, sphinx):
        step(venv / "bin")
    print(f"{SITE.relative_to(CHECKOUT)}/index.html")
    return 0


def copy_guides() -> None:
    """Copy docs/, with links where a page names another, and with the reference in the index."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(CHECKOUT / "docs", SOURCE)
    for path in SOURCE.rglob("*.md"):
        folder = path.parent.relative_to(SOURCE).as_posix()
        path.write_text(linked(path.read_text(encoding="utf-8"), folder), encoding="utf-8")
    with (SOURCE / "index.md").open("a", encoding="utf-8") as index:
        index.write(REFERENCE)


def linked(text: str, folder: str) -> str:
    """Return a guide in a folder of docs/ with a link for each page that it names."""

    def link(match: re.Match[str]) -> str:
        return f"[{match[0]}]({posixpath.relpath(match['page'], folder)})"

    parts = _FENCED.split(text)
    return "".join(part if part.startswith("```") else _PAGE.sub(link, part) for part in parts)


def antsibull_docs(binaries: Path) -> None:
    """Write the pages of modules, filters, lookups and roles."""
    target = SOURCE / "plugins"
    target.mkdir()
    command = [binaries / "antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    command += ["--no-add-antsibull-docs-version", "--dest-dir", target, COLLECTION]
    # It starts ansible-doc.
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, check=True, env={**os.environ, "PATH": path, "ANSIBLE_HOME": str(BUILD / "ansible-home")})


def write_event_pages(_binaries: Path) -> None:
    """Write the pages of event sources and filters, which ansible-doc does not know."""
    target = SOURCE / "events"
    target.mkdir()
    names = []
    for path in sorted((CHECKOUT / "extensions" / "eda" / "plugins").glob("event_*/*.py")):
        texts = documentation(path)
        if texts:
            (target / f"{path.stem}.rst").write_text(event_page(path, texts), encoding="utf-8")
            names.append(path.stem)
    toctree = "".join(f"   {name}\n" for name in names)
    title = "Event sources and filters"
    (target / "index.rst").write_text(f"{headed(title)}\n.. toctree::\n\n{toctree}", encoding="utf-8")


def documentation(path: Path) -> dict[str, str]:
    """Return the strings DOCUMENTATION and EXAMPLES of a plugin."""
    texts = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts[ast.unparse(node.targets[0])] = node.value.value
    return {name: texts[name] for name in ("DOCUMENTATION", "EXAMPLES") if name in texts}


def headed(title: str, line: str = "=") -> str:
    """Return a heading of reStructuredText."""
    return f"{title}\n{line * len(title)}\n"


def event_page(path: Path, texts: dict[str, str]) -> str:
    """Return the page of an event plugin: description, options and examples."""
    import yaml

    described = yaml.safe_load(texts["DOCUMENTATION"])
    kind = path.parent.name.replace("_", " ")
    page = [headed(f"{COLLECTION}.{described.get('name', path.stem)} {kind} -- {described['short_description']}")]
    page += [f"{paragraph}\n" for paragraph in paragraphs(described["description"])]
    page += [headed("Options", "-"), *options(described.get("options") or {})]
    if "EXAMPLES" in texts:
        body = "".join(f"   {line}\n" if line else "\n" for line in texts["EXAMPLES"].strip().splitlines())
        page += [headed("Examples", "-"), f".. code-block:: yaml\n\n{body}"]
    return "\n".join(page)


def options(specs: dict[str, t.Any], indent: str = "") -> t.Iterator[str]:
    """Yield options as a definition list, and suboptions as one within."""
    for name, spec in specs.items():
        facts = [str(spec.get("type", "str"))]
        facts += [f"of {spec['elements']}"] if "elements" in spec else []
        facts += ["required"] if spec.get("required") else []
        facts += [f"one of {', '.join(map(str, spec['choices']))}"] if "choices" in spec else []
        facts += [f"default ``{spec['default']}``"] if spec.get("default") not in (None, "") else []
        yield f"{indent}**{name}** ({', '.join(facts)})"
        yield from (f"{indent}  {paragraph}\n" for paragraph in paragraphs(spec["description"]))
        yield from options(spec.get("suboptions") or {}, indent + "  ")


def paragraphs(text: str | list[str]) -> list[str]:
    """Return the paragraphs of a description, with Ansible's markup as reStructuredText."""
    from antsibull_docs_parser.parser import Context, parse
    from antsibull_docs_parser.rst import to_rst_plain

    texts = [text] if isinstance(text, str) else text
    return [to_rst_plain(parse([one], Context(), errors="exception")) for one in texts]


def sphinx(binaries: Path) -> None:
    """Build the site of what was gathered."""
    shutil.rmtree(SITE, ignore_errors=True)
    subprocess.run([binaries / "sphinx-build", "-q", "-W", "--keep-going", SOURCE, SITE], check=True)


if __name__ == "__main__":
    sys.exit(main())
