# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: survey_value
short_description: Give a variable the type that it is meant to have
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Surveys, C(-e name=value) and some inventories give text for everything, and argument specs validate without
    converting. This filter makes one value of the wanted type out of all of these.
  - An empty text, and a variable that is not defined, mean that nothing was given.
  - Whatever cannot be converted is an error, since a wrong guess could switch off a check.
positional: type, default
options:
  _input:
    description: The value.
    type: raw
    required: true
  type:
    description:
      - V(bool) takes yes, no, true, false, on, off, 1 and 0 in any case.
      - V(list) splits text at commas and line breaks, and reads it as JSON where it begins with C([). Its entries are
        texts and numbers.
      - True, false and nothing are neither texts nor entries of lists.
      - V(dict) reads text as JSON. V(dicts) is a list of dictionaries; a single dictionary makes a list of one.
      - V(path) is made absolute, from the folder in which ansible-playbook was started. V(paths) is a list of them.
      - V(location) is a URL, or a path that is made absolute.
      - V(kubeconfig) is a dictionary, or paths separated by colons, each of which is made absolute.
      - V(images) is a list of names of images. The path of a local one, as in C(oci:PATH), is made absolute.
    type: str
    required: true
    choices: [bool, int, float, str, list, dict, dicts, path, paths, images, location, kubeconfig]
  default:
    description: What to give when nothing was given.
    type: raw
"""

EXAMPLES = r"""
- name: Normalise what a survey gave
  ansible.builtin.set_fact:
    platforms: "{{ survey_platforms | imagescan.openshift.survey_value('list', []) }}"
    strict: "{{ survey_strict | imagescan.openshift.survey_value('bool', true) }}"
"""

RETURN = r"""
_value:
  description: The value with its type.
  type: raw
"""

import json
import os
import typing as t

from ansible.errors import AnsibleFilterError
from jinja2.runtime import Undefined

from ..module_utils._images.references import TRANSPORTS

TRUE = ("yes", "true", "on", "1", "y", "t")
FALSE = ("no", "false", "off", "0", "n", "f")


def survey_value(value: t.Any, type: str, default: t.Any = None) -> t.Any:
    """See the documentation of the filter."""
    if type not in CONVERTERS:
        raise AnsibleFilterError(
            f"survey_value: {type!r} is not a type; expected one of {', '.join(sorted(CONVERTERS))}"
        )
    if value is None or isinstance(value, Undefined) or (isinstance(value, str) and not value.strip()):
        return default
    try:
        return CONVERTERS[type](plain(value))
    except (TypeError, ValueError) as error:
        shown = repr(plain(value))
        raise AnsibleFilterError(
            f"survey_value: {shown[:200]} is not {NAMES.get(type, f'a {type}')}: {error}"
        ) from error


def plain(value: t.Any) -> t.Any:
    """Return the value without the marks that ansible-core 2.19 and newer put on it."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return str(value)
    return json.loads(json.dumps(value))


def as_bool(value: t.Any) -> bool:
    """Convert to a truth value."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError("expected yes or no")


def as_int(value: t.Any) -> int:
    """Convert to a whole number."""
    if isinstance(value, (bool, list, dict)) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("expected a whole number")
    return int(value)


def as_float(value: t.Any) -> float:
    """Convert to a number."""
    if isinstance(value, (bool, list, dict)):
        raise ValueError("expected a number")
    return float(value)


def as_str(value: t.Any) -> str:
    """Convert to a text. True and false are refused: as a name they would select nothing."""
    if isinstance(value, (bool, list, dict)) or value is None:
        raise ValueError("expected a text")
    return str(value).strip()


def as_list(value: t.Any) -> list[t.Any]:
    """Convert to a list of texts and numbers; text is split."""
    return [as_entry(entry) for entry in _split(value)]


def as_entry(value: t.Any) -> t.Any:
    """Return an entry of a list as it is, if it names something."""
    if as_str(value) == "":
        raise ValueError("expected entries that are texts, and not empty")
    return value


def _split(value: t.Any) -> list[t.Any]:
    """Return a list as it is, and the parts of a text."""
    if isinstance(value, list):
        return value
    if isinstance(value, (bool, dict)):
        raise ValueError("expected a list")
    text = str(value).strip()
    if text.startswith("["):
        entries = json.loads(text)
        if not isinstance(entries, list):
            raise ValueError("expected a list")
        return entries
    return [part.strip() for line in text.splitlines() for part in line.split(",") if part.strip()]


def as_dict(value: t.Any) -> dict[str, t.Any]:
    """Convert to a dictionary; text is JSON."""
    dictionary = json.loads(value) if isinstance(value, str) else value
    if not isinstance(dictionary, dict):
        raise ValueError("expected a dictionary")
    return dictionary


def as_dicts(value: t.Any) -> list[dict[str, t.Any]]:
    """Convert to a list of dictionaries; one alone counts too."""
    entries = json.loads(value) if isinstance(value, str) else value
    if isinstance(entries, dict):
        return [entries]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("expected a list of dictionaries")
    return entries


def as_path(value: t.Any) -> str:
    """Make a path absolute."""
    return os.path.abspath(os.path.expanduser(as_str(value)))  # noqa: PTH100, PTH111 - text in, text out


def as_paths(value: t.Any) -> list[str]:
    """Make paths absolute."""
    return [as_path(path) for path in as_list(value)]


def as_location(value: t.Any) -> str:
    """Return a URL as it is, a path made absolute."""
    text = as_str(value)
    return text if "://" in text else as_path(text)


def as_kubeconfig(value: t.Any) -> t.Any:
    """Return the content of a kubeconfig, or absolute paths of files as the variable KUBECONFIG has them."""
    if isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{")):
        return as_dict(value)
    return os.pathsep.join(as_path(part) for part in as_str(value).split(os.pathsep) if part.strip())


def as_images(value: t.Any) -> list[t.Any]:
    """Convert to a list of names of images."""
    return [as_image(image) for image in _split(value)]


def as_image(value: t.Any) -> t.Any:
    """Convert to the name of an image; a dictionary stays as it is."""
    if isinstance(value, dict) and value:
        return value
    value = str(as_entry(value))
    transport, colon, path = value.strip().partition(":")
    if colon and path and transport in TRANSPORTS:
        return f"{transport}:{as_path(path)}"
    return value.strip()


CONVERTERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "bool": as_bool,
    "int": as_int,
    "float": as_float,
    "str": as_str,
    "list": as_list,
    "dict": as_dict,
    "dicts": as_dicts,
    "path": as_path,
    "paths": as_paths,
    "images": as_images,
    "location": as_location,
    "kubeconfig": as_kubeconfig,
}
NAMES = {
    "bool": "a truth value",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "dict": "a dictionary",
    "dicts": "a list of dictionaries",
    "paths": "a list of paths",
    "images": "a list of images",
}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"survey_value": survey_value}
