# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a scanner pod: reads the images of one shard, each in a process of its own, and tells what is in them.

``shard_run`` has the event loop, ``image_process`` the process for one image, ``image_reader`` what it does, and
``image_answers`` the packed record that it answers with. Standard error is free for noise. Where rules are to be
evaluated, a second container does that (see ``evaluator``). Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t
from pathlib import Path

from .._core.errors import ScanError
from .._images.access import read_small_file
from .image_answers import MESSAGE_LIMIT
from .plan import EVALUATE, PLAN_LIMIT, ScanPlan, plan_from_json
from .pod_paths import PodPaths, write_status
from .shard_run import ShardRun


def main(arguments: t.Sequence[str] = ()) -> int:
    """Scan the pod's shard, or evaluate for the container that does (``evaluate``). Returns the exit status.

    ``arguments``: behind that, optionally, the folder that stands for ``/``.
    """
    if arguments[:1] == [EVALUATE]:
        # Only here: other pods need not read that code.
        from .evaluator import serve

        return serve("".join(arguments[1:2]))
    places = PodPaths(*arguments[:1])
    try:
        plan = plan_from_json(read_small_file(places.plan, "the plan", PLAN_LIMIT))
        shard = _shard_number(plan)
        uid = os.environ.get("IMAGESCAN_POD_UID", "")
        if not uid:
            raise ScanError("IMAGESCAN_POD_UID is not set, so nobody could tell whose frames these are")
    except ScanError as error:
        # Without plan and name there is no key to frames with.
        sys.stderr.write(f"{error}\n")
        write_status(places, {"error": str(error)[:MESSAGE_LIMIT]})
        return 2
    with contextlib.suppress(OSError):
        Path(places.layers).mkdir(parents=True, exist_ok=True)
    return ShardRun(plan, shard, uid, places).run()


def _shard_number(plan: ScanPlan) -> int:
    text = os.environ.get("IMAGESCAN_SHARD") or os.environ.get("JOB_COMPLETION_INDEX") or ""
    if not text.isdecimal() or not text.isascii() or int(text) >= len(plan.shards):
        raise ScanError(f"IMAGESCAN_SHARD is {text[:20]!r}; expected a number below {len(plan.shards)}")
    return int(text)
