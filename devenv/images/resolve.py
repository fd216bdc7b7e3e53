"""Decide where each image comes from: present, pulled or built. Pure; `obtain` acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.observed import ObservedImage
    from devenv.model import Image


ASKED = "asked for by --build"
NOT_BUILT = "no image of these inputs on this machine"
NOT_HERE = "not on this machine"


class Source(StrEnum):
    """How an image came to this machine."""

    PRESENT = "present"
    PULLED = "pulled"
    BUILT = "built"


class Action(StrEnum):
    """What has to be done for an image."""

    USE = "use"
    PULL = "pull"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What happens for one image, and why.

    `tag` is the tag of the recipe's image (None without a recipe). With `fall_back` a registry that
    does not answer means a build; `reference` is the image to use once the action succeeded.
    """

    key: str
    action: Action
    reference: str
    cause: str
    tag: str | None = None
    fall_back: bool = False
    source: Source | None = None

    def __str__(self) -> str:
        return f"image {self.key}: {self.action} {self.reference}, {self.cause}"


def resolve(
    key: str,
    image: Image,
    tag: str | None,
    policy: str,
    present: Mapping[str, ObservedImage],
    *,
    rebuild: bool = False,
) -> Resolution:
    """Choose for one image under the policy `auto`, `pull` or `build`.

    What is on the machine is used before anything is fetched. An image with a recipe only is built
    under every policy; one with a reference only can only be pulled.
    """
    reference = image.reference
    if tag is not None and (policy == "build" or reference is None):
        return _built(key, tag, present, rebuild=rebuild)
    if reference is not None and reference in present:
        return Resolution(key, Action.USE, reference, "present on this machine", tag, source=Source.PRESENT)
    if policy == "auto" and tag is not None and tag in present and not rebuild:
        return Resolution(key, Action.USE, tag, "built here before", tag, source=Source.BUILT)
    if reference is None:
        raise ValueError(f"image {key} has neither reference nor recipe")
    fall_back = policy == "auto" and tag is not None
    return Resolution(key, Action.PULL, reference, NOT_HERE, tag, fall_back=fall_back)


def _built(key: str, tag: str, present: Mapping[str, ObservedImage], *, rebuild: bool) -> Resolution:
    if rebuild:
        return Resolution(key, Action.BUILD, tag, ASKED, tag)
    if tag in present:
        return Resolution(key, Action.USE, tag, "built from the same inputs", tag, source=Source.BUILT)
    return Resolution(key, Action.BUILD, tag, NOT_BUILT, tag)
