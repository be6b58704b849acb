# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.mirrors import read_mirrors
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError

DIGESTS, TAGS = "imagedigestmirrorsets", "imagetagmirrorsets"


class Lists:
    """What a client gives of these two lists; errors are raised. tests/cluster asks a real API server."""

    def __init__(self, digests: t.Any, tags: t.Any = (), groups: t.Sequence[str] = ("config.openshift.io",)) -> None:
        self._lists = {
            f"/apis/config.openshift.io/v1/{kind}": found for kind, found in ((DIGESTS, digests), (TAGS, tags))
        }
        self._groups = groups

    def has_group(self, group: str) -> bool:
        return group in self._groups

    def items(self, path: str, project: t.Callable[[dict[str, t.Any]], t.Any]) -> list[t.Any]:
        found = self._lists[path]
        if isinstance(found, ApiError):
            raise found
        return [project(item) for item in found]


def mirrors_of(digests: t.Any, tags: t.Any = (), **options: t.Any) -> tuple[Mirror, ...]:
    return read_mirrors(t.cast(KubernetesClient, Lists(digests, tags, **options)))


def digest_set(*entries: t.Any) -> dict[str, t.Any]:
    return {"metadata": {"name": "a"}, "spec": {"imageDigestMirrors": list(entries)}}


def tag_set(*entries: t.Any) -> dict[str, t.Any]:
    return {"metadata": {"name": "b"}, "spec": {"imageTagMirrors": list(entries)}}


def entry(source: str, *mirrors: str, policy: str = "") -> dict[str, t.Any]:
    return {"source": source, "mirrors": list(mirrors), **({"mirrorSourcePolicy": policy} if policy else {})}


def test_sets_by_digest_and_by_tag() -> None:
    found = mirrors_of(
        [digest_set(entry("quay.io/b", "m.local/b"), entry("*.example.com", "m.local/e", policy="NeverContactSource"))],
        [tag_set(entry("quay.io/b", "n.local/b", policy="AllowContactingSource"))],
    )
    assert found == (
        Mirror("*.example.com", ("m.local/e",), "digest", never_contact_source=True),
        Mirror("quay.io/b", ("m.local/b",), "digest"),
        Mirror("quay.io/b", ("n.local/b",), "tag"),
    )


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (("abc", "cde"), "abcde"),
        (("bc", "ab"), "abc"),
        (("ab", "ab"), "ab"),
        (("ac", "bc"), "abc"),
        (("ab", "ba"), "ab"),  # they contradict each other, so it is the first that counts
    ],
)
def test_several_sets_for_one_source_keep_their_orders(orders: tuple[str, ...], expected: str) -> None:
    sets = [digest_set(entry("quay.io", *(f"{place}.local" for place in order))) for order in orders]
    (mirror,) = mirrors_of(sets)
    assert "".join(place[0] for place in mirror.mirrors) == expected


def test_one_set_is_enough_to_forbid_a_source() -> None:
    sets = [
        digest_set(entry("quay.io", "a.local", policy="NeverContactSource")),
        digest_set(entry("quay.io", "b.local")),
    ]
    (mirror,) = mirrors_of(sets)
    assert mirror.never_contact_source


@pytest.mark.parametrize("places", [(), ("quay.io",)])
def test_an_entry_without_another_place_says_nothing(places: tuple[str, ...]) -> None:
    assert mirrors_of([digest_set(entry("quay.io", *places, policy="NeverContactSource"))]) == ()
    assert mirrors_of([digest_set({"source": "quay.io"}), {"metadata": {}}, {"spec": {}}]) == ()


def test_clusters_without_these_kinds() -> None:
    gone = ApiError("the server could not find the requested resource", status=404)
    assert mirrors_of(gone, groups=()) == ()
    assert mirrors_of([digest_set(entry("quay.io", "a.local"))], gone) == (Mirror("quay.io", ("a.local",), "digest"),)


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_is_no_absence(status: int) -> None:
    with pytest.raises(ApiError):
        mirrors_of([], ApiError("no", status=status))


@pytest.mark.parametrize(
    "bad", ["x", {"mirrors": ["a.local"]}, {"source": "quay.io", "mirrors": [1]}, entry("quay.io", "-"), entry("", "a")]
)
def test_entries_that_nobody_understands(bad: t.Any) -> None:
    with pytest.raises(InputError, match="imagedigestmirrorsets 'a': "):
        mirrors_of([digest_set(bad)])
