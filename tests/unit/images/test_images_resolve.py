"""Where each image comes from: every policy with everything that may or may not be on the machine."""

from __future__ import annotations

import pytest

from devenv.engine.observed import ObservedImage
from devenv.images.resolve import Action, Source, resolve
from devenv.model import Image

REFERENCE, TAG = "mysql:8.4", "devenv/database:123"
BOTH, RECIPE, REGISTRY = Image(REFERENCE, "database"), Image(None, "database"), Image(REFERENCE, None)

USE_REFERENCE = f"use {REFERENCE}, present on this machine"
USE_BEFORE = f"use {TAG}, built here before"
USE_SAME = f"use {TAG}, built from the same inputs"
PULL = f"pull {REFERENCE}, not on this machine"
BUILD = f"build {TAG}, no image of these inputs on this machine"
ASKED = f"build {TAG}, asked for by --build"


@pytest.mark.parametrize(
    ("policy", "image", "present", "rebuild", "found", "fall_back", "source"),
    [
        ("auto", BOTH, "", False, PULL, True, None),
        ("auto", BOTH, REFERENCE, False, USE_REFERENCE, False, Source.PRESENT),
        ("auto", BOTH, TAG, False, USE_BEFORE, False, Source.BUILT),
        ("auto", BOTH, f"{REFERENCE} {TAG}", False, USE_REFERENCE, False, Source.PRESENT),
        ("auto", BOTH, TAG, True, PULL, True, None),
        ("auto", BOTH, REFERENCE, True, USE_REFERENCE, False, Source.PRESENT),
        ("auto", REGISTRY, "", False, PULL, False, None),
        ("auto", REGISTRY, REFERENCE, False, USE_REFERENCE, False, Source.PRESENT),
        ("auto", RECIPE, "", False, BUILD, False, None),
        ("auto", RECIPE, TAG, False, USE_SAME, False, Source.BUILT),
        ("auto", RECIPE, TAG, True, ASKED, False, None),
        ("pull", BOTH, "", False, PULL, False, None),
        ("pull", BOTH, TAG, False, PULL, False, None),
        ("pull", BOTH, REFERENCE, False, USE_REFERENCE, False, Source.PRESENT),
        ("pull", REGISTRY, "", False, PULL, False, None),
        ("pull", RECIPE, "", False, BUILD, False, None),
        ("pull", RECIPE, TAG, False, USE_SAME, False, Source.BUILT),
        ("build", BOTH, "", False, BUILD, False, None),
        ("build", BOTH, REFERENCE, False, BUILD, False, None),
        ("build", BOTH, TAG, False, USE_SAME, False, Source.BUILT),
        ("build", BOTH, TAG, True, ASKED, False, None),
        ("build", REGISTRY, "", False, PULL, False, None),
        ("build", REGISTRY, REFERENCE, False, USE_REFERENCE, False, Source.PRESENT),
        ("build", RECIPE, "", False, BUILD, False, None),
    ],
)
def test_every_policy(
    policy: str,
    image: Image,
    present: str,
    *,
    rebuild: bool,
    found: str,
    fall_back: bool,
    source: Source | None,
) -> None:
    tag = TAG if image.recipe else None
    there = {name: ObservedImage(name, "sha256:1") for name in present.split()}
    resolution = resolve("database", image, tag, policy, there, rebuild=rebuild)
    assert str(resolution) == f"image database: {found}"
    assert (resolution.fall_back, resolution.source) == (fall_back, source)
    assert (resolution.action is Action.USE) == (source is not None)


def test_an_image_from_nowhere_is_a_defect() -> None:
    with pytest.raises(ValueError, match="neither reference nor recipe"):
        resolve("database", Image(), None, "auto", {})
