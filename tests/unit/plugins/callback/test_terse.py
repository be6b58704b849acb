# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: A task that goes well
      ansible.builtin.set_fact: {answer: 42}
    - name: A task that is skipped
      ansible.builtin.set_fact: {answer: 43}
      when: false
    - name: A task that warns
      ansible.builtin.set_fact: {answer: "{{ lookup('ansible.builtin.file', '/nowhere/at/all', errors='warn') }}"}
    - name: A message
      ansible.builtin.debug: {msg: "the answer"}
    - name: A task that fails
      ansible.builtin.assert: {that: not fails, fail_msg: "what went wrong", quiet: true}
"""


@pytest.fixture
def play(tmp_path: Path) -> t.Callable[[bool], tuple[int, str]]:
    """Run the play above. Returns its status and everything that it printed."""
    file = tmp_path / "play.yml"
    file.write_text(PLAY, encoding="utf-8")

    def run(fails: bool) -> tuple[int, str]:
        program = Path(sys.executable).parent / "ansible-playbook"
        command = [str(program), "-i", "localhost,", str(file), "-e", f'{{"fails": {str(fails).lower()}}}']
        settings = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "imagescan.openshift.terse", "ANSIBLE_HOME": str(tmp_path)}
        ran = subprocess.run(
            command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return ran.returncode, ran.stdout

    return run


def test_what_went_well_is_not_shown(play: t.Callable[[bool], tuple[int, str]]) -> None:
    status, output = play(False)
    assert status == 0
    assert "the answer" in output
    assert "/nowhere/at/all" in output, "the warning"
    for hidden in ("PLAY", "A task that goes well", "A task that is skipped", "A task that fails", "Callback dispatch"):
        assert hidden not in output


def test_what_failed_is_shown_with_a_recap(play: t.Callable[[bool], tuple[int, str]]) -> None:
    status, output = play(True)
    assert status == 2
    assert "TASK [A task that fails]" in output
    assert "what went wrong" in output
    assert "failed=1" in output
    assert "A task that goes well" not in output
