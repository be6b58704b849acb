# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End of every module of the collection: a result, or one message that says what is wrong and what to do."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._core.errors import Abandoned, InputError, ScanError
from .._core.spelling import nearest
from .._core.text import visible
from .._images.access import Access
from .._images.credentials import Credentials
from .._images.mirrors import Mirror, read_mirror
from .._images.transport import tls_context

#: Import name -> name of the package that brings it.
LIBRARIES = {
    "sqlalchemy": "SQLAlchemy",
    "jmespath": "jmespath",
    "yaml": "PyYAML",
    "packageurl": "packageurl-python",
    "prometheus_client": "prometheus-client",
    "zstandard": "zstandard",
    "isal": "isal",
    "pysequoia": "pysequoia",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2",
    "kubernetes": "kubernetes",
    "urllib3": "urllib3",
    "openshift": "openshift",
}


class Module(AnsibleModule):
    """A module that says which option was meant by one that it does not have, and which choice by a wrong one."""

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn:
        """Fail. Also the end of options that Ansible refuses, of which its own text names the first alone."""
        super().fail_json("; ".join([msg, *self._advice()]), **result)
        raise SystemExit(1)  # fail_json never returns, which its type does not say

    def _advice(self) -> list[str]:
        """Write what was meant by options that Ansible refused; nothing once it has taken them."""
        refused = getattr(self, "validation_result", None)
        if refused is None or not refused.errors:
            return []
        texts = []
        for path in sorted((name,) if isinstance(name, str) else name for name in refused.unsupported_parameters):
            options = self.argument_spec
            for outer in path[:-1]:
                options = options[outer]["options"]
            known = [word for option in options for word in (option, *options[option].get("aliases", ()))]
            texts.append(f"there is no option {visible('.'.join(path), 100)}{nearest(path[-1], known)}")
        return texts + _wrong_choices(self.argument_spec, self.params)


def _wrong_choices(spec: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> list[str]:
    """Write what was meant by values that resemble a choice of an option."""
    texts = []
    for name, option in spec.items():
        choices = [choice for choice in option.get("choices", ()) if isinstance(choice, str)]
        given = params.get(name)
        for word in given if isinstance(given, list) else [given]:
            advice = nearest(word, choices) if isinstance(word, str) and word not in choices else ""
            if advice:
                texts.append(f"{name}: {visible(str(word), 100)} is not possible{advice}")
    return texts


def run(module: AnsibleModule, work: t.Callable[[AnsibleModule], dict[str, t.Any]]) -> t.NoReturn:
    """Do the work of a module and leave. ``work`` gives the result; what it raises becomes the message."""
    # Newer versions of Ansible end a module by SIGTERM; like an interrupt, it lets the work clean up after itself.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 1
    try:
        _run(module, work)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
        raise
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        # Whatever ended the work early, threads may still be reading a layer. Waiting for them, as an interpreter
        # does, kept a module alive that nobody waits for.
        if threading.active_count() > 1:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def _run(module: AnsibleModule, work: t.Callable[[AnsibleModule], dict[str, t.Any]]) -> t.NoReturn:
    try:
        result = work(module)
    except KeyboardInterrupt:
        module.fail_json(msg="interrupted", code=Abandoned.code)
    except ScanError as error:
        partial = error.partial if isinstance(error.partial, dict) else {}
        module.fail_json(msg=str(error), code=error.code, **partial)
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in LIBRARIES:
            raise
        module.fail_json(
            msg=missing_required_lib(LIBRARIES[name]), code="missing-library", exception=traceback.format_exc()
        )
    module.exit_json(**result)
    raise SystemExit(0)  # exit_json never returns, which its type does not say


def read_document(path: str, description: str, limit: int = 4 << 20) -> str:
    """Text of a file that a person wrote; says what is wrong where it cannot be read."""
    try:
        with open(path, "rb") as source:
            data = source.read(limit + 1)
    except OSError as error:
        raise ScanError(
            f"the {description} {path} cannot be read: {error.strerror or error}",
            code="invalid-input",
            hint="check the path and its rights",
        ) from error
    if len(data) > limit:
        raise ScanError(f"the {description} {path} is larger than {limit >> 20} MiB", code="limit-exceeded")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScanError(f"the {description} {path} is not UTF-8 text: {error}", code="invalid-input") from error


def make_folder(folder: Path, description: str) -> None:
    """Make a folder that a file is written to, for its owner alone where it is new. Raises InputError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} of the {description} cannot be made: {error.strerror or error}"
        ) from error


def access_of(params: t.Mapping[str, t.Any], cluster_mirrors: t.Sequence[Mirror] = ()) -> Access:
    """Read the access to registries from the options of ``argument_specs.registry_access``.

    ``cluster_mirrors``: what a cluster says of mirrors, beside the option of that name.
    Files are read once here, so that a wrong one is one message and not an error of each image.
    """
    access = Access(
        auth_files=tuple(filter(None, [params["registry_auth_file"]])),
        ca_file=params["registry_ca_cert"] or "",
        validate_certs=params["registry_validate_certs"],
        plain_http=tuple(params["plain_http_registries"]),
        token_realms=tuple(params["token_realms"]),
        timeout=params["timeout"],
        mirrors=(*map(read_mirror, params["mirrors"]), *cluster_mirrors),
    )
    Credentials(access)
    tls_context(access)
    return access


def server_access_of(params: t.Mapping[str, t.Any]) -> Access:
    """Read the access to other servers from the options of ``argument_specs.tls``."""
    access = Access(ca_file=params["ca_cert"] or "", validate_certs=params["validate_certs"], timeout=params["timeout"])
    tls_context(access)
    return access
