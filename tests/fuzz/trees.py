# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of JSON and XML documents: every single one there is, and random ones."""

from __future__ import annotations

import copy
import json
import random
import typing as t
from xml.etree import ElementTree

Path = tuple[t.Union[str, int], ...]

#: What a value becomes: every other type, and what readers trip over.
OTHER_VALUES: tuple[t.Any, ...] = (
    *(None, True, 0, -1, 1e300, 1 << 80, "", "x", " ", "\x00", "\ud800", "\ufeff", "x" * 5000),
    *([], {}, [[]], [None], [""], {"": ""}, {"x": []}),
)

#: Stands for a second entry of the same key until the text is written.
_TWICE = "\x01twice\x01"


def nodes(value: t.Any, path: Path = ()) -> t.Iterator[Path]:
    """The path of every value inside a tree."""
    pairs: t.Iterable[tuple[t.Any, t.Any]] = ()
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield (*path, key)
        yield from nodes(inner, (*path, key))


def at(root: t.Any, path: Path) -> t.Any:
    for key in path:
        root = root[key]
    return root


def written(value: t.Any) -> bytes:
    """The tree as text; a key that was marked stands twice."""
    text = json.dumps(value).replace(json.dumps(_TWICE)[1:-1], "")
    return text.encode()


def single_changes(root: t.Any) -> t.Iterator[tuple[str, bytes]]:
    """Every change of one place: what was changed, and the text."""
    for path in nodes(root):
        shown = "/".join(map(str, path))
        for kind, change in CHANGES.items():
            changed = copy.deepcopy(root)
            if change(at(changed, path[:-1]), path[-1]):
                yield f"{kind} {shown}", written(changed)
        for value in OTHER_VALUES:
            changed = copy.deepcopy(root)
            at(changed, path[:-1])[path[-1]] = value
            yield f"{ascii(value)[:20]} for {shown}", written(changed)


def random_change(root: t.Any, source: random.Random) -> bytes:
    """The text of the tree with one to four changes anywhere."""
    changed = copy.deepcopy(root)
    for _change in range(source.choice((1, 1, 1, 2, 4))):
        paths = list(nodes(changed))
        if not paths:
            break
        path = source.choice(paths)
        holder, key = at(changed, path[:-1]), path[-1]
        kind = source.randrange(4)
        if kind == 0:
            holder[key] = copy.deepcopy(source.choice(OTHER_VALUES))
        elif kind == 1:
            # Another place of the same document: what belongs somewhere else.
            holder[key] = copy.deepcopy(at(changed, source.choice(paths)))
        else:
            source.choice(list(CHANGES.values()))(holder, key)
    return written(changed)


def _delete(holder: t.Any, key: t.Any) -> bool:
    del holder[key]
    return True


def _rename(holder: t.Any, key: t.Any) -> bool:
    if not isinstance(holder, dict):
        return False
    items = [(f"{name}s" if name == key else name, value) for name, value in holder.items()]
    holder.clear()
    holder.update(items)
    return True


def _other_case(holder: t.Any, key: t.Any) -> bool:
    if not isinstance(holder, dict) or key.upper() == key:
        return False
    holder[key.upper()] = holder.pop(key)
    return True


def _twice(holder: t.Any, key: t.Any) -> bool:
    """The key once more, with nothing in it: the last one counts for a reader that does not look."""
    if not isinstance(holder, dict):
        return False
    value = holder[key]
    holder[_TWICE + key] = type(value)() if isinstance(value, (dict, list, str)) else None
    return True


def _halve(holder: t.Any, key: t.Any) -> bool:
    value = holder[key]
    if not isinstance(value, (str, list)) or not value:
        return False
    holder[key] = value[: len(value) // 2]
    return True


def _wrap(holder: t.Any, key: t.Any) -> bool:
    holder[key] = [holder[key]]
    return True


def _unwrap(holder: t.Any, key: t.Any) -> bool:
    value = holder[key]
    if not isinstance(value, list) or not value:
        return False
    holder[key] = value[0]
    return True


def _repeat(holder: t.Any, key: t.Any) -> bool:
    if not isinstance(holder, list):
        return False
    holder.append(copy.deepcopy(holder[key]))
    return True


def _spoil(holder: t.Any, key: t.Any) -> bool:
    """One letter of a text that no name, id or version has."""
    value = holder[key]
    if not isinstance(value, str) or not value:
        return False
    holder[key] = value[: len(value) // 2] + "\x7f" + value[len(value) // 2 + 1 :]
    return True


CHANGES: t.Mapping[str, t.Callable[[t.Any, t.Any], bool]] = {
    "delete": _delete,
    "rename": _rename,
    "other case": _other_case,
    "twice": _twice,
    "halve": _halve,
    "wrap": _wrap,
    "unwrap": _unwrap,
    "repeat": _repeat,
    "spoil": _spoil,
}


class Repeated(ValueError):
    """A key stands twice."""


def parsed(data: bytes) -> t.Any:
    """The tree of a text. Raises Repeated, and ValueError or RecursionError for what is not JSON."""
    return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Repeated
    return found


# -- XML --


def xml_changes(text: str) -> t.Iterator[tuple[str, bytes]]:
    """Every change of one place of an XML document: what was changed, and the text."""
    root = ElementTree.fromstring(text)
    for number, element in enumerate(root.iter()):
        for name, change in XML_CHANGES.items():
            changed = copy.deepcopy(root)
            if change(changed, list(changed.iter())[number]):
                yield f"{name} <{element.tag}> {number}", ElementTree.tostring(changed)
        for key in element.attrib:
            for what, value in (("delete", None), ("empty", ""), ("spoil", _spoiled(element.attrib[key]))):
                changed = copy.deepcopy(root)
                attributes = list(changed.iter())[number].attrib
                del attributes[key]
                attributes.update({} if value is None else {key: value})
                yield f"{what} {key} of <{element.tag}> {number}", ElementTree.tostring(changed)


def random_xml_change(data: bytes, source: random.Random) -> bytes:
    """One to three changes. Raises ElementTree.ParseError for what is not XML."""
    root = ElementTree.fromstring(data)
    for _change in range(source.choice((1, 1, 2, 3))):
        elements = list(root.iter())
        element = source.choice(elements)
        if element.attrib and source.random() < 0.5:
            key = source.choice(list(element.attrib))
            del element.attrib[key]
            if source.random() < 0.7:
                other = source.choice(elements).attrib
                words = ("", "0", "-1", "9" * 12, "security", "src", *other.values())
                element.attrib[source.choice((key, *other))] = source.choice(words)
        else:
            source.choice(list(XML_CHANGES.values()))(root, element)
    return ElementTree.tostring(root)


def _spoiled(text: str) -> str:
    return text[: len(text) // 2] + "\x7f" + text[len(text) // 2 + 1 :]


def _parent(root: ElementTree.Element, element: ElementTree.Element) -> ElementTree.Element | None:
    return next((parent for parent in root.iter() if element in list(parent)), None)


def _drop(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    parent = _parent(root, element)
    if parent is None:
        return False
    parent.remove(element)
    return True


def _hollow(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    element[:] = []
    element.text = ""
    return True


def _call_otherwise(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    element.tag += "s"
    return True


def _again(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    parent = _parent(root, element)
    if parent is None:
        return False
    parent.append(copy.deepcopy(element))
    return True


def _spoil_text(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    if not element.text or not element.text.strip():
        return False
    element.text = _spoiled(element.text)
    return True


def _deepen(root: ElementTree.Element, element: ElementTree.Element) -> bool:
    inner = ElementTree.Element(element.tag, element.attrib)
    inner.text, inner[:] = element.text, list(element)
    element.text, element[:] = "", [inner]
    element.attrib = {}
    return True


XML_CHANGES: t.Mapping[str, t.Callable[[ElementTree.Element, ElementTree.Element], bool]] = {
    "drop": _drop,
    "hollow": _hollow,
    "rename": _call_otherwise,
    "again": _again,
    "spoil": _spoil_text,
    "deepen": _deepen,
}
