# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of pages below docs/triggers, taken out of them and run.

A fenced block is run where its first line says so, as in `````console run=host exit=2`` or
`````yaml run=host,cluster file=imagescan.yml``. ``run``: ``host``, ``cluster`` or both. ``file``: the block is the
content of this file. Else its lines that begin with ``$`` are commands, which end with the status ``exit`` (0), and all
other lines must be printed by them, but for ``...``. Another word for ``run`` names a block that one test takes:
commands that do not end are begun by ``Runner.start``, and data is read by ``Runner.here``.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import typing as t
from pathlib import Path

#: Where Red Hat's vulnerability data and map of repositories come from, as the pages say.
FEED = "https://security.access.redhat.com/data/csaf/v2/vex/"
MAP = "https://security.access.redhat.com/data/metrics/repository-to-cpe.json"
#: For Ansible, which else warns that there is no inventory.
WITHOUT_INVENTORY = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}

PAGES = Path(__file__).resolve().parents[2] / "docs" / "triggers"
_FENCE = re.compile(
    r"^```(?P<language>\w+) (?P<words>[^\n]*\brun=[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
#: A command, with the lines that a backslash continues it on.
_COMMAND = re.compile(r"^\$ ((?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE)
_WORDS = {"run", "exit", "file"}


@dataclasses.dataclass(frozen=True)
class Example:
    """A block of a page. ``line``: where its text begins."""

    page: str
    line: int
    text: str
    file: str = ""
    status: int = 0


def examples(where: str, page: str = "*") -> list[Example]:
    """The blocks that are run there, in their order, of one page or of all."""
    found = []
    for path in sorted(PAGES.glob(f"{page}.md")):
        content = path.read_text(encoding="utf-8")
        for block in _FENCE.finditer(content):
            words = dict(word.split("=", 1) for word in block["words"].split())
            assert set(words) <= _WORDS, f"{path.name}: {block['words']}"
            if where in words["run"].split(","):
                line = content.count("\n", 0, block.start("text")) + 1
                status = int(words.get("exit", "0"))
                found.append(Example(path.name, line, block["text"], words.get("file", ""), status))
    return found


def data_in(folder: Path | str) -> dict[str, str]:
    """What is replaced on a page to have the data of the example fleet in a folder."""
    return {FEED: f"{folder}/feed", MAP: f"{folder}/repository-to-cpe.json"}


def nested_data_in(folder: Path | str) -> dict[str, str]:
    """The same where the variables of the role scan stand in others, with policies for data that is as small."""
    policies = f"\n  scan_policies: [{folder}/policies.yml]"
    return {
        f"  scan_repository_map: {MAP}": f"  scan_repository_map: {folder}/repository-to-cpe.json{policies}",
        **data_in(folder),
    }


@dataclasses.dataclass
class Runner:
    """Runs examples in ``folder``.

    ``replaced``: what stands for something else here, such as the name of a registry, the first that fits first.
    ``more``: file -> lines that it has here beside those of the page. ``inside``: what makes a command run elsewhere.
    """

    folder: Path
    environment: t.Mapping[str, str]
    replaced: t.Mapping[str, str]
    more: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    inside: t.Sequence[str] = ()

    def run(self, example: Example) -> str:
        """Do what an example says; what it printed."""
        text = self.here(example)
        place = f"{example.page}, line {example.line}"
        if example.file:
            (self.folder / example.file).write_text(text + self.more.get(example.file, ""), encoding="utf-8")
            return ""
        commands = _COMMAND.findall(text)
        assert commands, f"{place}: no command"
        printed = ""
        for number, command in enumerate(commands):
            done = subprocess.run(
                [*self.inside, "bash", "-euo", "pipefail", "-c", command],
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=900,
                check=False,
            )
            printed += done.stdout.decode("utf-8", "replace")
            wanted = example.status if number == len(commands) - 1 else 0
            assert done.returncode == wanted, f"{place}: {command}\n{printed}"
        lines = {" ".join(line.split()) for line in printed.splitlines()}
        for line in _COMMAND.sub("", text).splitlines():
            shown = " ".join(line.split())
            assert shown in ("", "...") or shown in lines, f"{place}: not printed: {line}\n{printed}"
        return printed

    def start(self, example: Example, output: t.IO[bytes]) -> subprocess.Popen[bytes]:
        """Begin commands of which the last does not end by itself, all in one shell."""
        commands = _COMMAND.findall(self.here(example))
        return subprocess.Popen(
            [*self.inside, "bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def here(self, example: Example) -> str:
        """The text of an example, with what stands for something else here."""
        text = example.text
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        return text
