# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``image_scan`` in a process of its own, as Ansible does, with clocks in it: ARGUMENTS.json CLOCKS.json."""

from __future__ import annotations

import functools
import json
import runpy
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import jobs, pod_watcher

MODULE = "ansible_collections.imagescan.openshift.plugins.modules.image_scan"
#: Seconds since the process began: the first Job is asked for, the first pod speaks, the last image came.
clocks: dict[str, float] = {}
began = time.perf_counter()
#: The module takes one argument.
target = Path(sys.argv.pop())


def clock(owner: type, name: str, marks: t.Callable[..., t.Iterable[str]]) -> None:
    """Note when a method is called; ``marks`` gives, from its arguments, what that means."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def timed(self: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        for mark in marks(*arguments, **options):
            now = time.perf_counter() - began
            clocks[mark] = now if mark.startswith("last") else clocks.get(mark, now)
            leave()
        return method(self, *arguments, **options)

    setattr(owner, name, timed)


def spoken(_watched: t.Any, event: t.Any) -> t.Iterable[str]:
    """What a record of a pod marks."""
    return ["first word"] if event.record.kind == "hello" else ["last image"] * (event.record.kind == "image")


def leave() -> None:
    """Write the clocks: at each mark, since a module that waits for nobody ends without a last word."""
    target.write_text(json.dumps(clocks), encoding="ascii")


if __name__ == "__main__":
    clock(jobs.Jobs, "create_job", lambda *_arguments, dry_run=False, **_options: [] if dry_run else ["first Job"])
    clock(pod_watcher.PodWatcher, "_received", spoken)
    leave()
    runpy.run_module(MODULE, run_name="__main__")
