# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source for ansible-rulebook: images that are new in a cluster or a registry."""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import json
import logging
import sys
import types
import typing as t
from pathlib import Path

DOCUMENTATION = r"""
name: images
short_description: Images that are new in a cluster or a registry
version_added: 0.5.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Watches the Image objects and image streams of OpenShift, what pods run on any Kubernetes cluster, and polls
    registries. Each batch of new images is one event, for one run of a playbook.
  - Lists first and watches from there. When a watch breaks, is cut or has grown too old, it lists again, and what
    appeared meanwhile is in the next event. With O(state_file) that holds over a restart, too.
  - An image counts as new under each of its names, since a deny list needs all of them. An Image object that was
    deleted and made anew is new, since its flag is gone.
  - While nobody takes an event, new images are gathered for the next one. None is dropped, and none is handed on twice
    in one run. After a kill an event can come a second time; M(imagescan.openshift.image_scan) then finds its images
    scanned.
  - It ends, and with it ansible-rulebook, when the cluster refuses it for good (401 or 403).
options:
  watch:
    description:
      - What of a cluster is watched.
      - V(images) are the Image objects of OpenShift. V(streams) are its image streams, which tell the tags.
        V(pods) tell what runs, by the digest that the node pulled, also on plain Kubernetes.
    type: list
    elements: str
    choices: [images, streams, pods]
    default: []
  registries:
    description: Registries that are asked which tags they have. At least one of O(watch) and O(registries) is needed.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The registry, as C(host) or C(host:port).
        type: str
        required: true
      repositories:
        description:
          - Regular expressions, one of which must match the whole name of a repository. Empty means all.
          - Where every entry is a plain name, the registry's catalogue is not asked for.
        type: list
        elements: str
        default: []
      tags:
        description: Regular expressions, one of which must match the whole tag. Empty means all.
        type: list
        elements: str
        default: []
      limit:
        description: With more matching tags than this the registry counts as not readable.
        type: int
        default: 10000
      interval:
        description: Seconds between two looks, at least 1. Each look fetches the manifest of each tag.
        type: float
        default: 300
  namespaces:
    description:
      - Regular expressions, one of which must match the whole name of a namespace. Empty means all.
      - Up to 20 plain names are watched one by one, so that rights in them are enough.
      - Image objects are in no namespace, so V(images) cannot be chosen by it.
    type: list
    elements: str
    default: []
  exclude_namespaces:
    description: Regular expressions. A namespace whose whole name one of them matches is left out.
    type: list
    elements: str
    default: []
  system_namespaces:
    description: Whether the platform's own namespaces (C(kube-...), on OpenShift C(openshift-...)) count too.
    type: bool
    default: false
  label_selector:
    description: Only image streams and pods with these labels.
    type: str
  scan_namespace:
    description: The namespace of our own scanner pods, which are not news.
    type: str
    default: imagescan
  initial:
    description:
      - What becomes of images that are there when something is looked at for the first time, by what O(state_file)
        says. V(all) are handed on, V(new) only those that appear later.
    type: str
    choices: [all, new]
    default: all
  batch_count:
    description: The largest number of images in one event.
    type: int
    default: 1000
  batch_delay:
    description: Seconds that the first image of an event waits for others.
    type: float
    default: 2.0
  state_file:
    description:
      - Keeps which images are known, so that after a restart only those are handed on that appeared meanwhile.
      - It belongs to one source of one rulebook. It is written with mode 0600 when an event was taken.
      - Without it each start is the first one.
    type: path
  feedback:
    description:
      - Wait until the rulebook has an event in its own store before it counts as known. ansible-rulebook has this from
        1.3 on, and only with C(--persistence-id).
    type: bool
    default: false
extends_documentation_fragment:
  - imagescan.openshift.cluster
  - imagescan.openshift.registry_access
"""

EXAMPLES = r"""
- imagescan.openshift.images:
    kubeconfig: /etc/imagescan/kubeconfigs/imagescan-discover.kubeconfig
    watch: [images, streams, pods]
    state_file: /var/lib/imagescan/events.json

- imagescan.openshift.images:
    kubeconfig: /etc/imagescan/kubeconfigs/imagescan-discover.kubeconfig
    watch: [pods]
    namespaces: [".*-prod"]
    initial: new

- imagescan.openshift.images:
    registries:
      - host: registry.example.com
        repositories: [team/app, team/web]
        tags: ["v[0-9.]+"]
        interval: 60
    registry_auth_file: /etc/imagescan/auth.json
    state_file: /var/lib/imagescan/registry.json
"""

Args = dict[str, t.Any]
#: What ansible-rulebook adds to the options.
FEEDBACK_QUEUE = "eda_feedback_queue"


def _use_this_collection() -> None:
    """Make the collection that this file lies in importable. ansible-rulebook runs the file outside of any package."""
    package = ""
    for part in ("ansible_collections", "imagescan", "openshift"):
        package = f"{package}.{part}".lstrip(".")
        try:
            importlib.import_module(package)
        except ModuleNotFoundError:
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = []
    sys.modules[package].__path__ = [str(Path(__file__).absolute().parents[4])]


def argument_spec() -> Args:
    """The options."""
    _use_this_collection()
    from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import SELECTORS
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.registry import OPTIONS
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import WATCHED

    registry = {**OPTIONS, "interval": {"type": "float", "default": 300}}
    return {
        **specs.cluster(),
        **specs.registry_access(),
        "watch": {"type": "list", "elements": "str", "choices": list(WATCHED), "default": []},
        "registries": {"type": "list", "elements": "dict", "default": [], "options": registry},
        **SELECTORS,
        "scan_namespace": {"type": "str", "default": "imagescan"},
        "initial": {"type": "str", "choices": ["all", "new"], "default": "all"},
        "batch_count": {"type": "int", "default": 1000},
        "batch_delay": {"type": "float", "default": 2.0},
        "state_file": {"type": "path"},
        "feedback": {"type": "bool", "default": False},
    }


def options_of(args: Args) -> Args:
    """The options, checked and with their types: a rulebook's variables give text."""
    spec = argument_spec()
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible.module_utils.errors import UnsupportedError
    from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError

    checked = ArgumentSpecValidator(spec).validate({name: args[name] for name in args if name != FEEDBACK_QUEUE})
    messages = [
        f"there is no option {error.msg}" if isinstance(error, UnsupportedError) else str(error.msg)
        for error in checked.errors.errors
    ]
    if messages:
        raise InputError("; ".join(messages))
    params: Args = checked.validated_parameters
    check_watch(params)
    too_small = [name for name, least in {"batch_count": 1, "batch_delay": 0.0}.items() if not params[name] >= least]
    too_small += ["registries.interval" for registry in params["registries"] if not registry["interval"] >= 1]
    if too_small:
        raise InputError(f"{too_small[0]} is too small")
    return params


def check_watch(params: Args) -> None:
    """Raise InputError where nothing is watched, or something that cannot be chosen as the options say."""
    from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import WATCHED

    if not params["watch"] and not params["registries"]:
        raise InputError("there is nothing to watch; give watch, registries or both")
    if not (params["namespaces"] or params["label_selector"]):
        return
    selectable = " and ".join(name for name, kind in WATCHED.items() if kind.namespaced)
    for name in params["watch"]:
        if not WATCHED[name].namespaced:
            raise InputError(
                f"{WATCHED[name].label} are in no namespace and have no labels of their own",
                hint=f"watch {selectable} instead of {name}, or leave out namespaces and label_selector",
            )


async def main(queue: t.Any, args: Args) -> None:
    """Put new images into the queue until cancelled. Raises ScanError when the cluster or a registry refuses."""
    params = options_of(args)
    from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.cluster_options import connection_of
    from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import access_of
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_publisher import Handing
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_queue import (
        Backlog,
        State,
        read_state,
    )
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_sources import Arrivals, Poll
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import read_selection
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source import registry
    from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import WATCHED
    from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import connect

    selection = read_selection(params)
    polls = [Poll(registry.parse(options), options["interval"]) for options in params["registries"]]
    state_file = Path(params["state_file"]) if params["state_file"] else None
    state = read_state(state_file) if state_file else State()
    handing = Handing(
        queue,
        functools.partial(Backlog, state),
        most=params["batch_count"],
        delay=params["batch_delay"],
        state_file=state_file,
        feedback=args.get(FEEDBACK_QUEUE),
    )
    arrivals = Arrivals(handing.backlog, handing.end, only_new=params["initial"] == "new")

    def begin() -> None:
        if params["watch"]:
            client = connect(connection_of(params))
            for warning in client.warnings:
                logging.getLogger(__name__).warning("%s", warning)
            cluster = Cluster(client, selection, params["scan_namespace"])
            arrivals.watch(cluster, [WATCHED[name] for name in params["watch"]])
        if polls:
            access = access_of(params)
            for poll in polls:
                arrivals.poll(poll, access)

    try:
        await asyncio.get_running_loop().run_in_executor(None, begin)
        await handing.run()
    finally:
        arrivals.stop()
    # Whoever returns ends ansible-rulebook as if all were well.
    raise arrivals.failure or RuntimeError("a watch ended by a defect of ours; its traceback stands above")


async def show(args: Args) -> None:
    """Print events as lines of JSON, in place of ansible-rulebook."""
    queue: asyncio.Queue[Args] = asyncio.Queue(1)
    source = asyncio.ensure_future(main(queue, args))
    try:
        while True:
            event = asyncio.ensure_future(queue.get())
            await asyncio.wait((source, event), return_when=asyncio.FIRST_COMPLETED)
            if not event.done():
                event.cancel()
                await source  # it never returns, so this raises
            print(json.dumps(event.result()), flush=True)
    finally:
        source.cancel()


def from_command_line() -> Args:
    """The options, as text that is converted later. Secrets come by variables of the environment alone."""
    parser = argparse.ArgumentParser(description="Print new images as lines of JSON.")
    for name, option in sorted(argument_spec().items()):
        if not option.get("no_log") or name == "kubeconfig":  # here a path
            parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar=option["type"].upper())
    arguments = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    return {name: json.loads(value) if value.startswith(("[", "{")) else value for name, value in arguments.items()}


def run() -> int:
    """The program; its exit status."""
    _use_this_collection()
    from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError

    try:
        asyncio.run(show(from_command_line()))
    except ScanError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 130


if __name__ == "__main__":
    sys.exit(run())
