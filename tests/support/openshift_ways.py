# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways on which a flagged image comes in by kinds that OpenShift alone has, and which of them are open."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import drill_cases
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill_cases import DIGEST, REFERENCES

Json = dict[str, t.Any]
Maker = t.Callable[[str], Json]

REPOSITORY = "drill.imagescan.github.io/app"
BAD = f"{REPOSITORY}@{DIGEST}"
GOOD = f"{REPOSITORY}@{drill_cases.GOOD_DIGEST}"
LISTED = REFERENCES[0]
#: A tag of a stream, and the reference by which lists know it.
STREAM_TAG = "flagged:latest"
LISTED_TAG = f"image-registry.openshift-image-registry.svc:5000/tools/{STREAM_TAG}"
GIT: Json = {"type": "Git", "git": {"uri": "https://drill.imagescan.github.io/app.git"}}
#: The server of these tests has no parts of kinds that it does not know: requests are objects of a kind of their own.
REQUEST = drill_cases.DrillKind("BuildRequest", "/apis/build.openshift.io/v1", "buildrequests")
ROLLOUT = drill_cases.DrillKind("DeploymentRequest", "/apis/apps.openshift.io/v1", "deploymentrequests")
STREAM = drill_cases.DrillKind("ImageStream", "/apis/image.openshift.io/v1", "imagestreams")
BUILD, CONFIG, DC = drill_cases.BUILD, drill_cases.BUILD_CONFIG, drill_cases.DEPLOYMENT_CONFIG


@dataclasses.dataclass(frozen=True)
class Way:
    """``make`` makes what is sent, from an image. ``open``: row of docs/enforcement.md that names it as open.

    ``change``: an object with the good image is made, and changed by this JSON patch to what is tried.
    """

    title: str
    kind: drill_cases.DrillKind
    make: Maker
    bad: str
    good: str = GOOD
    open: str = ""
    change: t.Callable[[str], list[Json]] | None = None


def named(kind: drill_cases.DrillKind, **fields: t.Any) -> Json:
    """An object."""
    return {"apiVersion": kind.version, "kind": kind.name, "metadata": {"generateName": "way-"}, **fields}


def ref(name: str, kind: str = "DockerImage", **more: str) -> Json:
    """A reference to an image."""
    return {"kind": kind, "name": name, **more}


def strategy(name: str, reference: Json | None = None, **more: t.Any) -> Json:
    """A spec of a build with a strategy and where its image comes from."""
    key = f"{name.lower()}Strategy"
    return {"source": GIT, "strategy": {"type": name, key: {**({"from": reference} if reference else {}), **more}}}


def copied(reference: Json) -> Json:
    """A spec of a build that copies out of an image."""
    paths = [{"sourcePath": "/app", "destinationDir": "app"}]
    return {**strategy("Docker"), "source": {**GIT, "images": [{"from": reference, "paths": paths}]}}


def dockerfile(text: str) -> Maker:
    """A spec of a build with a Dockerfile in it."""
    return lambda image: {
        **strategy("Docker"),
        "source": {"type": "Dockerfile", "dockerfile": text.replace("IMAGE", image)},
    }


def argument(value: str) -> Json:
    """Options of a build with an argument."""
    return {"buildArgs": [{"name": "VERSION", "value": "1.0"}, {"name": "BASE", "value": value}]}


#: Where a spec of a build names an image, and the forms of the name.
SPECS: dict[str, Maker] = {
    "docker strategy": lambda image: strategy("Docker", ref(image)),
    "source strategy": lambda image: strategy("Source", ref(image)),
    "custom strategy": lambda image: strategy("Custom", ref(image)),
    "source image": lambda image: copied(ref(image)),
}
FORMS = {"by digest": BAD, "by listed reference": LISTED}
#: Forms that are tried in one place of each kind.
OTHERS: dict[str, tuple[Maker, str]] = {
    "docker strategy, by tag and digest": (SPECS["docker strategy"], f"{REPOSITORY}:1.0@{DIGEST}"),
    "source strategy, by digest in another registry": (SPECS["source strategy"], f"other.example:5000/a/b@{DIGEST}"),
    "source strategy, by a short name": (SPECS["source strategy"], "imagescan-drill-flagged"),
    "docker strategy, by the ID that a node keeps it under": (SPECS["docker strategy"], DIGEST),
    "docker strategy, image of a stream": (
        lambda image: strategy("Docker", ref(image, "ImageStreamImage")),
        f"app@{DIGEST}",
    ),
    "source image, image of a stream": (lambda image: copied(ref(image, "ImageStreamImage")), f"app@{DIGEST}"),
    "source strategy, image of a stream by a part of its digest": (
        lambda image: strategy("Source", ref(image, "ImageStreamImage")),
        f"app@{DIGEST[:20]}",
    ),
    "source strategy, image of a stream by a digest without its algorithm": (
        lambda image: strategy("Source", ref(image, "ImageStreamImage")),
        f"app@{DIGEST[7:]}",
    ),
    "Dockerfile, FROM by digest": (dockerfile("# syntax=x\nFROM IMAGE AS base\nRUN make\n"), BAD),
    "Dockerfile, FROM with a platform": (dockerfile("ARG A=1\r\n\tfrom --platform=linux/arm64\tIMAGE\r\n"), BAD),
    "Dockerfile, a later FROM by listed reference": (dockerfile("FROM scratch\nFROM IMAGE\n"), LISTED),
    "Dockerfile, COPY --from": (dockerfile("FROM scratch\nCOPY --chown=1 --from=IMAGE /a /b\n"), BAD),
    "Dockerfile, RUN --mount from": (
        dockerfile("FROM scratch\nRUN --mount=type=bind,from=IMAGE,target=/a make\n"),
        BAD,
    ),
    "argument for a Dockerfile, by digest": (lambda image: strategy("Docker", **argument(image)), BAD),
}


def of_builds() -> t.Iterator[Way]:
    """Builds and BuildConfigs."""
    for kind in (BUILD, CONFIG):
        places = [(f"{place}, {form}", SPECS[place], FORMS[form]) for place in SPECS for form in FORMS]
        for title, make, bad in [*places, *((title, *OTHERS[title]) for title in OTHERS)]:
            yield Way(f"{kind.name}: {title}", kind, _with_spec(kind, make), bad)
    tag = ref(STREAM_TAG, "ImageStreamTag", namespace="tools")
    for place, spec in (("docker strategy", strategy("Docker", tag)), ("source image", copied(tag))):
        yield Way(f"Build: {place}, listed tag of a stream", BUILD, _fixed(BUILD, spec), "")
    for title, path in (("docker strategy", "dockerStrategy/from/name"), ("a new source image", "")):
        yield Way(f"BuildConfig: update, {title}", CONFIG, _with_spec(CONFIG, SPECS["docker strategy"]), BAD,
                  change=_replacer(f"strategy/{path}") if path else _copier)  # fmt: skip


def _with_spec(kind: drill_cases.DrillKind, make: Maker) -> Maker:
    return lambda image: named(kind, spec=make(image))


def _replacer(path: str) -> t.Callable[[str], list[Json]]:
    return lambda image: [{"op": "replace", "path": f"/spec/{path}", "value": image}]


def _copier(image: str) -> list[Json]:
    return [{"op": "add", "path": "/spec/source/images", "value": [{"from": ref(image), "paths": []}]}]


def of_deployment_configs() -> t.Iterator[Way]:
    """DeploymentConfigs, in every place and form in which a drill tries them."""
    for case in drill_cases.ways(drill_cases.Images()):
        if case.kind is DC and case.request == "create":
            yield Way(f"DeploymentConfig: {case.name}", DC, t.cast(Maker, case.body), case.bad, case.good)
    custom = next(
        case for case in drill_cases.ways(drill_cases.Images()) if case.name.startswith("custom strategy, by")
    )
    assert custom.kind is DC
    yield Way("DeploymentConfig: custom strategy, by listed reference", DC, t.cast(Maker, custom.body), LISTED)
    for title, path in (("container", "template/spec/containers/0/image"), ("strategy", "strategy/customParams/image")):
        make = t.cast(Maker, custom.body)
        yield Way(f"DeploymentConfig: update, {title}", DC, make, BAD, change=_replacer(path))


def of_requests() -> t.Iterator[Way]:
    """Requests for a build."""
    trigger = ref("app:latest", "ImageStreamTag")
    requests: dict[str, tuple[Maker, str]] = {
        "image that triggers it": (lambda image: {"triggeredByImage": ref(image), "from": trigger}, BAD),
        "image that triggers it, by listed reference": (lambda image: {"triggeredByImage": ref(image)}, LISTED),
        "from an image": (lambda image: {"from": ref(image)}, BAD),
        "from an image of a stream": (lambda image: {"from": ref(image, "ImageStreamImage")}, f"app@{DIGEST}"),
        "argument for a Dockerfile": (lambda image: {"dockerStrategyOptions": argument(image)}, BAD),
    }
    for title, (make, bad) in requests.items():
        yield Way(f"BuildRequest: {title}", REQUEST, _request(make), bad)


def _request(make: Maker) -> Maker:
    return lambda image: named(REQUEST, **make(image))


TAG, TRIGGER, PLAIN = "tag of a stream in a Build", "tag of a stream in a BuildConfig", "Dockerfile in a repository"
INNER, ROLL_OUT, FIRED = "Dockerfile in a Build", "`instantiate` of a DeploymentConfig", "image-change trigger"
PUSHED, PIPELINE, TRIGGERED = "new tag or stream", "Jenkins pipeline", "`lastTriggeredImageID` of a BuildConfig"
#: Named in docs/enforcement.md, and not tried here, where no server of OpenShift is.
UNTRIED = (
    "`instantiatebinary`, webhooks and clones of a Build",
    "Template and TemplateInstance",
    "short name of a stream",
)


def of_open() -> t.Iterator[Way]:
    """What is let in."""
    tag = ref("other:latest", "ImageStreamTag")
    for place, spec in (("docker", strategy("Docker", tag)), ("source", strategy("Source", tag))):
        yield Way(
            f"Build: {place} strategy, tag of a stream that is not listed", BUILD, _fixed(BUILD, spec), "", open=TAG
        )
    listed = strategy("Docker", ref(STREAM_TAG, "ImageStreamTag", namespace="tools"))
    yield Way("BuildConfig: listed tag of a stream", CONFIG, _fixed(CONFIG, listed), "", open=TRIGGER)
    for kind in (BUILD, CONFIG):
        yield Way(f"{kind.name}: Dockerfile of its repository", kind, _fixed(kind, strategy("Docker")), "", open=PLAIN)
        pipeline = {"type": "JenkinsPipeline", "jenkinsPipelineStrategy": {"jenkinsfile": f"image '{BAD}'"}}
        yield Way(f"{kind.name}: pipeline", kind, _fixed(kind, {"strategy": pipeline}), "", open=PIPELINE)
    for title, text in (("short name", "FROM imagescan-drill-flagged\n"), ("variable", f"ARG B={LISTED}\nFROM $B\n")):
        yield Way(f"Build: Dockerfile, {title}", BUILD, _fixed(BUILD, dockerfile(text)("")), "", open=INNER)
    build_args = strategy("Docker", **argument(LISTED))
    yield Way("Build: argument by listed reference", BUILD, _fixed(BUILD, build_args), "", open=INNER)
    fired = {"type": "ImageChange", "imageChange": {"lastTriggeredImageID": BAD}}
    spec = {**strategy("Docker", tag), "triggers": [fired]}
    yield Way("BuildConfig: last image of a trigger", CONFIG, _fixed(CONFIG, spec), "", open=TRIGGERED)
    body = named(ROLLOUT, name="app", latest=True, force=True)
    yield Way("DeploymentRequest", ROLLOUT, lambda _image: body, "", open=ROLL_OUT)
    parameters = {"automatic": True, "containerNames": ["main"], "from": ref(STREAM_TAG, "ImageStreamTag")}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": " "}]}}
    change = {"type": "ImageChange", "imageChangeParams": parameters}
    spec = {"replicas": 0, "selector": {"a": "b"}, "template": template, "triggers": [change]}
    yield Way("DeploymentConfig: trigger of a tag", DC, _fixed(DC, spec), "", open=FIRED)
    for title, of in (("image by digest", ref(BAD)), ("another tag", ref(STREAM_TAG, "ImageStreamTag"))):
        spec = {"tags": [{"name": "new", "from": of}]}
        yield Way(f"ImageStream: {title}", STREAM, _fixed(STREAM, spec), "", open=PUSHED)


def _fixed(kind: drill_cases.DrillKind, spec: Json) -> Maker:
    return lambda _image: named(kind, spec=spec)


WAYS = [*of_builds(), *of_deployment_configs(), *of_requests(), *of_open()]
REFUSED = [way for way in WAYS if not way.open]
