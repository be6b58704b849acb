# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""View of a process in the container on the stacked layers of an image, for a few paths only.

``Interest`` says which entries of a layer matter; the reader of a layer records them as events, in their order.
``Tree`` replays the events of all layers, lowest first, as umoci unpacks layers onto a disk: parents are resolved
through symlinks that exist at that moment, whiteouts delete only what lower layers brought, a hard link takes the
file that its target is at that moment. Because all symlinks are recorded, whether they matter or not, ``Links`` can
tell which further paths must be known (a rpmdb behind a symlink, an entry that goes through one).
Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

from .._core.errors import CorruptData, LimitExceeded
from .symlinks import FOLLOWED, PathSteps
from .tar import FOLDER, HARD_LINK, SYMLINK, clean_name

WHITEOUT = "w"
OPAQUE = "o"
IMPLIED = "i"  # a folder that exists because something stands in it

Buffer = t.Any  # bytes or mmap

_PATHS = 20_000
_REWRITES = 512
_CROSSED = 1000


def parent_of(path: str) -> str:
    """The folder that holds a path; "" is the root."""
    return path.rpartition("/")[0]


def join(folder: str, name: str) -> str:
    """A path right inside a folder; "" is the root."""
    return f"{folder}/{name}" if folder else name


def link_target(path: str, target: str) -> str:
    """Where a symlink at ``path`` points, lexically, inside the root."""
    return clean_name(target if target.startswith("/") else join(parent_of(path), target))


@dataclasses.dataclass
class Content:
    """A regular file of one layer. ``data`` is None when it was not kept, and ``why`` says why not."""

    size: int
    data: Buffer | None = None
    why: str = ""


# (name, kind, symlink or hard link target, content of a regular file)
Event = tuple[str, str, str, t.Optional[Content]]


class Interest:
    """The paths whose entries must be recorded: wanted files and folders, and everything above them.

    ``origins``: folder -> folders as asked for that it may be. ``added``: folders in which a path was added.
    """

    def __init__(self, files: t.Iterable[str], folders: t.Mapping[str, tuple[str, ...]]) -> None:
        self.files: set[str] = set()
        self.folders: dict[str, tuple[str, ...]] = {}
        self.origins: dict[str, set[str]] = {folder: {folder} for folder in folders}
        self.added: set[str] = set()
        self.above: set[str] = {""}
        for path in files:
            self.add(path)
        for path, patterns in folders.items():
            self.add_folder(path, patterns)

    def add_above(self, path: str) -> None:
        """Add a path, and all above it, of which the content does not matter."""
        while path not in self.above:
            self.above.add(path)
            path = parent_of(path)
            self.added.add(path)
        if len(self.above) + len(self.files) > _PATHS:
            raise LimitExceeded(f"symlinks lead from the wanted files to more than {_PATHS} paths", code="limit-paths")

    def add(self, path: str) -> bool:
        """Add a file; False when it is known already."""
        if path in self.files:
            return False
        self.files.add(path)
        self.added.add(parent_of(path))
        self.add_above(parent_of(path))
        return True

    def add_folder(self, path: str, patterns: tuple[str, ...]) -> bool:
        """Add patterns for the files right inside a folder; False when they are known already."""
        known_patterns = self.folders.get(path, ())
        new = tuple(pattern for pattern in patterns if pattern not in known_patterns)
        if not new and path in self.folders:
            return False
        self.folders[path] = known_patterns + new
        self.added.add(path)
        self.add_above(path)
        return True

    def covers(self, path: str) -> bool:
        """Return whether entries with this name are recorded, with their content."""
        if path in self.files:
            return True
        folder, _slash, name = path.rpartition("/")
        return matches(name, self.folders.get(folder, ()))

    def sees(self, path: str) -> bool:
        """Return whether entries with this name are recorded at all."""
        return path in self.above or self.covers(path)


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    """Return whether a file name fits one of the patterns (as in a shell, case matters)."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Links:
    """All symlinks of all layers, whether visible in the end or not: path -> lexical targets."""

    def __init__(self) -> None:
        self._targets: dict[str, set[str]] = {}
        self._layer: dict[str, int] = {}
        self._crossed_sources: dict[str, set[str]] = {}

    def add(self, path: str, target: str, layer: int) -> None:
        """Record one symlink; ``target`` as it stands in the archive."""
        place = link_target(path, target)
        if place == path or place.startswith(path + "/"):
            return  # whoever follows it comes back to it, until the kernel gives up
        self._targets.setdefault(path, set()).add(place)
        self._layer[path] = min(layer, self._layer.get(path, layer))

    def widen(
        self, interest: Interest, crossed: t.Callable[[str, int], bool], populated: t.Callable[[str], bool]
    ) -> None:
        """Add the paths that symlinks lead to or from.

        ``crossed(path, layer)``: an entry of this layer or a higher one has a name below this symlink.
        ``populated(folder)``: some entry has a name right inside this folder; where there is none, nothing can be
        recorded, and so ``/lib -> usr/lib`` alone costs nothing.
        """
        sources = self._crossed_sources = self._sources(crossed)
        for path in list(interest.files):
            for new in self._aliases(path, sources):
                self._add_links(new, interest)
                if populated(parent_of(new)):
                    interest.add(new)
        for folder, patterns in list(interest.folders.items()):
            for new in self._aliases(folder, sources):
                self._add_links(new, interest)
                if populated(new) and interest.add_folder(new, patterns):
                    interest.origins.setdefault(new, set()).update(interest.origins.get(folder, ()))

    @property
    def crossed(self) -> t.Collection[str]:
        """Symlinks that entries go through. After ``widen``."""
        return self._crossed_sources.keys()

    def _add_links(self, path: str, interest: Interest) -> None:
        """Whoever follows a path must know the symlinks on it."""
        for place in and_above(path):
            if place in self._targets and not interest.sees(place):
                interest.add_above(place)

    def decided(self, path: str, populated: t.Callable[[str], bool]) -> bool:
        """Return whether some entry, under whatever name, may have put something at a path. After ``widen``."""
        if not self._crossed_sources:
            return populated(parent_of(path))
        return any(populated(parent_of(name)) for name in self._aliases(path, self._crossed_sources))

    def _sources(self, crossed: t.Callable[[str, int], bool]) -> dict[str, set[str]]:
        """Symlinks that entries go through, and all that they may lead to."""
        through: set[str] = set()
        while True:
            new = {path for path, layer in self._layer.items() if path not in through and crossed(path, layer)}
            if not new:
                break
            through |= new
            if len(through) > _CROSSED:
                raise LimitExceeded(f"entries go through more than {_CROSSED} symlinks", code="limit-paths")
            # A symlink that was itself created through another symlink really stands elsewhere.
            for path in list(self._targets):
                folder, _slash, name = path.rpartition("/")
                if any(above in new for above in and_above(folder)):
                    for real in self._rewrites(folder):
                        place = join(real, name)
                        self._targets.setdefault(place, set()).update(self._targets[path])
                        self._layer[place] = min(self._layer[path], self._layer.get(place, self._layer[path]))
        sources: dict[str, set[str]] = {}
        for path in through:
            targets = sources[path] = set().union(*map(self._rewrites, self._targets[path]))
            if len(targets) > _REWRITES:
                raise LimitExceeded(
                    f"the symlink {path!r}, which entries go through, may lead to more than {_REWRITES} paths",
                    code="limit-paths",
                )
        return sources

    def _rewrites(self, path: str) -> set[str]:
        """The path, and all paths that it may turn into when symlinks on it are followed."""
        return self._aliases(path, {})

    def _aliases(self, path: str, sources: t.Mapping[str, set[str]]) -> set[str]:
        """All names under which an entry may decide what is at a path.

        Loops of symlinks make endless names; what is cut off here would be asked for by ``Tree.find``.
        """
        aliases = {path}
        level = [path]
        for _followed in range(FOLLOWED):
            names: set[str] = set()
            for current in level:
                for prefix in and_above(current):
                    for target in self._targets.get(prefix, ()):
                        names.add(clean_name(target + current[len(prefix) :]))
                names.update(_names_through(current, sources))
            level = sorted(names - aliases)
            aliases.update(level)
            if not level or len(aliases) > _REWRITES:
                break
        return aliases


def _linked(name: str, source_name: str, source: _Node | None, layer: int) -> _Node:
    if source is None:
        raise CorruptData(f"the hard link {name!r} points to nothing: {source_name!r}", code="layer-entry")
    if source.kind is FOLDER:
        raise CorruptData(f"the hard link {name!r} points to the folder {source_name!r}", code="layer-entry")
    return _Node(source.kind, layer, source.target, source.content)


def _names_through(path: str, sources: t.Mapping[str, set[str]]) -> t.Iterator[str]:
    """The names that a path has below symlinks."""
    for source, targets in sources.items():
        for target in targets:
            if path == target:
                yield source
            elif not target or path.startswith(target + "/"):
                yield join(source, path[len(target) :].lstrip("/"))


def and_above(path: str) -> t.Iterator[str]:
    """A path and all folders above it but the root."""
    while path:
        yield path
        path = parent_of(path)


class _Node:
    """A place in the tree. ``layer``: the last layer that created it, or (folders) something below it."""

    __slots__ = ("children", "content", "kind", "layer", "target")

    def __init__(self, kind: str, layer: int, target: str = "", content: Content | None = None) -> None:
        self.kind = kind
        self.layer = layer
        self.target = target
        self.content = content
        self.children: dict[str, _Node] = {}


@dataclasses.dataclass(frozen=True)
class ResolvedPath:
    """Where a path leads: the real path, and the node's kind ("" where nothing is), content, layer and children."""

    path: str
    kind: str
    content: Content | None
    layer: int
    children: tuple[str, ...]


class Tree:
    """The merged root, as far as the events tell."""

    def __init__(self) -> None:
        self._root = _Node(FOLDER, -1)

    def apply(self, layer: int, events: t.Iterable[Event], covers: t.Callable[[str], bool], unknown: set[str]) -> None:
        """Replay one layer.

        ``unknown`` collects targets of hard links that were not recorded and must be, for an exact result.
        """
        for name, kind, target, content in events:
            if kind is WHITEOUT:
                parent = self._parents(parent_of(name), layer, create=False)
                if parent is not None:
                    self._hide(parent[-1], name.rpartition("/")[2], layer)
            elif kind is OPAQUE:
                self._hide_all(name, layer)
            elif kind is IMPLIED:
                for node in self._parents(name, layer, create=True) or ():
                    node.layer = layer
            elif name:
                self._put(name, kind, target, content, layer, covers, unknown)

    def _hide_all(self, folder: str, layer: int) -> None:
        parent = self._parents(folder, layer, create=False)
        if parent is not None:
            for child in list(parent[-1].children):
                self._hide(parent[-1], child, layer)

    def _put(
        self,
        name: str,
        kind: str,
        target: str,
        content: Content | None,
        layer: int,
        covers: t.Callable[[str], bool],
        unknown: set[str],
    ) -> None:
        folder, _slash, base = name.rpartition("/")
        parents = t.cast("list[_Node]", self._parents(folder, layer, create=True))
        children = parents[-1].children
        old = children.get(base)
        if kind is FOLDER:
            if old is None or old.kind is not FOLDER:
                children[base] = _Node(FOLDER, layer)
            else:
                old.layer = layer
        else:
            children.pop(base, None)
            if kind is HARD_LINK:
                source_name = clean_name(target)
                if not covers(source_name):
                    unknown.add(source_name)
                    return
                source = self._hard_link_source(source_name, layer)
                if source is None and unknown:
                    return
                children[base] = _linked(name, source_name, source, layer)
            else:
                children[base] = _Node(kind, layer, target, content)
        for node in parents:
            node.layer = layer

    def _hard_link_source(self, path: str, layer: int) -> _Node | None:
        parents = self._parents(parent_of(path), layer, create=False)
        return parents[-1].children.get(path.rpartition("/")[2]) if parents else None

    def _parents(self, path: str, layer: int, *, create: bool) -> list[_Node] | None:
        """The folder at a path and all above it, symlinks followed; None where it is missing and not to be created.

        A missing component does not stop ``..`` behind it, as in umoci's lexical resolution.
        """
        names: list[str] = []
        nodes = [self._root]
        steps = PathSteps(path)
        for name in steps:
            if name == "..":
                if names:
                    names.pop()
                    del nodes[len(names) + 1 :]
                continue
            node = nodes[-1].children.get(name) if len(nodes) == len(names) + 1 else None
            if node is not None and node.kind is SYMLINK:
                steps.follow(node.target)
                if node.target.startswith("/"):
                    names = []
                    del nodes[1:]
                continue
            names.append(name)
            if node is not None:
                nodes.append(node)
        if not create:
            if len(nodes) != len(names) + 1 or any(node.kind is not FOLDER for node in nodes):
                return None
            return nodes
        for depth, name in enumerate(names):
            if depth + 1 == len(nodes):
                new = _Node(FOLDER, layer)
                nodes[depth].children[name] = new
                nodes.append(new)
            elif nodes[depth + 1].kind is not FOLDER:
                raise CorruptData(
                    f"an entry stands inside {'/'.join(names[: depth + 1])!r}, which is not a folder",
                    code="layer-entry",
                )
        return nodes

    def _hide(self, parent: _Node, name: str, layer: int) -> None:
        """Delete what lower layers brought at a place; what this layer brought stays."""
        stack = [(parent, name)]
        while stack:
            folder, base = stack.pop()
            node = folder.children.get(base)
            if node is None:
                continue
            if node.layer != layer:
                del folder.children[base]
            else:
                stack.extend((node, child) for child in list(node.children))

    def find(
        self, path: str, sees: t.Callable[[str], bool], complete: t.Callable[[str], bool]
    ) -> ResolvedPath | list[str]:
        """Resolve a path as a process sees it, symlinks followed as Linux does.

        ``sees(path)``: entries with this name were recorded. ``complete(path)``: so were all that imply it, by
        standing below it. Gives paths instead when these are needed and missing. Raises ``SymlinkLoop``.
        """
        names: list[str] = []
        nodes = [self._root]
        steps = PathSteps(path)
        for name in steps:
            if name == "..":
                if names:
                    names.pop()
                    nodes.pop()
                continue
            current = "/".join([*names, name])
            if not sees(current):
                return [current, clean_name(steps.rest(current))]
            node = nodes[-1].children.get(name)
            if node is None:
                place = clean_name(steps.rest(current))
                return ResolvedPath(place, "", None, -1, ()) if complete(place) else [place]
            if node.kind is SYMLINK:
                steps.follow(node.target)
                if node.target.startswith("/"):
                    names = []
                    del nodes[1:]
                continue
            names.append(name)
            nodes.append(node)
            if node.kind is not FOLDER and steps.left:
                return ResolvedPath(steps.rest(*names), "", None, -1, ())
        node = nodes[-1]
        return ResolvedPath("/".join(names), node.kind, node.content, node.layer, tuple(sorted(node.children)))
