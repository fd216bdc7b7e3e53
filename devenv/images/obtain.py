"""Get the images that an environment needs, independent ones at the same time."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from devenv.engine.api import BuildRequest, Engine
from devenv.errors import DevenvError, ImageError, RegistryUnreachableError
from devenv.events import Event, EventSink, Phase, Status
from devenv.images.context import DOCKERFILE
from devenv.images.recipe import BASE, fingerprint, folder_of
from devenv.images.resolve import ASKED, NOT_BUILT, NOT_HERE, Action, Resolution, Source, resolve
from devenv.images.secrets import build_secrets, proxy_arguments
from devenv.model import Image, Label

if TYPE_CHECKING:
    from pathlib import Path

    from devenv.engine.observed import ObservedImage

DEBIAN = "debian:trixie-slim"
"""The registry's image that our base builds on, where a registry can be reached."""
SUITE = "trixie"
BOOTSTRAPPED = f"devenv/debian:{SUITE}"
"""The same, made of Debian's packages on this machine."""
ON_BASE = re.compile(r"^[ \t]*ARG[ \t]+BASE(?:=devenv/base\S*)?[ \t]*$", re.MULTILINE)
IMAGE_LABELS = {Label.KIND: "image"}

Bootstrap = Callable[[str], AbstractContextManager[Iterable[bytes]]]
"""Gives a minimal root file system of a Debian suite as a tar stream."""


@dataclass(frozen=True)
class Obtained:
    """An image that is on the machine now: the reference to run and how it came here.

    `cause` is why it was fetched or built just now, None where it was here.
    """

    key: str
    reference: str
    source: Source
    id: str
    cause: str | None = None

    @property
    def content(self) -> str:
        """What it is made of: a recipe's fingerprint, which is the same on every machine, else the image's id."""
        return self.reference if self.source is Source.BUILT else self.id


@dataclass(frozen=True)
class ImageOrder:
    """All that `resolve_all` and `obtain_all` need to know of an environment's images."""

    images: Mapping[str, Image]
    policy: str
    mapped: tuple[Path, ...] = ()
    """Folders mapped over the images' content: editing them rebuilds nothing."""
    rebuild: Collection[str] = ()
    """Keys of the images that are built anew, and what they build on with them."""
    pulled: tuple[str, ...] = ()
    """References that devenv pulled before: `pulled` in place of `present`."""


def resolve_all(engine: Engine, order: ImageOrder) -> tuple[Resolution, ...]:
    """What happens for every image; reads the recipes and asks the engine which images are there."""
    tags = {key: recipe_tag(key, image.recipe, order.mapped) for key, image in order.images.items()}
    references = {image.reference for image in order.images.values()} | set(tags.values())
    present = engine.images(reference for reference in references if reference is not None)
    return tuple(
        resolve(key, image, tags[key], order.policy, present, rebuild=key in order.rebuild)
        for key, image in order.images.items()
    )


def obtain_all(
    engine: Engine,
    order: ImageOrder,
    resolutions: Sequence[Resolution],
    bootstrap: Bootstrap,
    events: EventSink,
    arrived: Callable[[Obtained], None] | None = None,
) -> Mapping[str, Obtained]:
    """Pull and build what is missing; raises the first error once the others have ended.

    `arrived` is told of each image that came, while others still come.
    """
    kitchen = _Kitchen(engine, order, bootstrap, events, arrived)
    done = kitchen.obtain_together([one for one in resolutions if one.action is not Action.USE])
    sources = {
        resolution.key: done.get(resolution.key) or _used(resolution, order) for resolution in resolutions
    }
    present = engine.images(reference for reference, _ in sources.values())
    causes = {one.key: one.cause for one in resolutions if one.action is not Action.USE}
    return {
        key: replace(_obtained(key, *source, present), cause=causes.get(key))
        for key, source in sources.items()
    }


def recipe_tag(key: str, recipe: str | None, mapped: Iterable[Path] = ()) -> str | None:
    """`devenv/<key>:<fingerprint of the recipe and, where it builds on it, of the base>`."""
    if recipe is None:
        return None
    folder = folder_of(recipe)
    base = base_tag() if _builds_on_base(folder) else ""
    return f"devenv/{key}:{fingerprint(folder, without=mapped, base=base)}"


def reference_of(key: str, image: Image, policy: str) -> str:
    """What the image is called, wherever it is: by its registry's reference, else by its recipe's tag."""
    if image.reference is not None and (policy != "build" or image.recipe is None):
        return image.reference
    tag = recipe_tag(key, image.recipe)
    assert tag is not None, f"image {key} has neither reference nor recipe"
    return tag


def base_tag() -> str:
    """The tag of our own Debian, which the recipes build on."""
    return f"devenv/{BASE}:{fingerprint(folder_of(BASE))}"


def _builds_on_base(folder: Path) -> bool:
    """Whether it takes our own Debian; of a user's many have an argument that is called so, with an image of theirs."""
    text = (folder / DOCKERFILE).read_text(encoding="utf-8-sig", errors="replace")
    return ON_BASE.search(text) is not None


def _used(resolution: Resolution, order: ImageOrder) -> tuple[str, Source]:
    source = resolution.source or Source.PRESENT
    if source is Source.PRESENT and resolution.reference in order.pulled:
        source = Source.PULLED
    return resolution.reference, source


def _obtained(key: str, reference: str, source: Source, present: Mapping[str, ObservedImage]) -> Obtained:
    if reference not in present:
        raise ImageError(f"image {reference} went away while it was being used", hint="run `devenv up` again")
    return Obtained(key, reference, source, present[reference].id)


@dataclass
class _Kitchen:
    """One run: the base is built once, the word about the registry said once, whoever needs it first."""

    engine: Engine
    order: ImageOrder
    bootstrap: Bootstrap
    events: EventSink
    arrived: Callable[[Obtained], None] | None
    _base_lock: threading.Lock = field(default_factory=threading.Lock)
    _base_ready: bool = False
    _base_error: DevenvError | None = None
    _said: threading.Lock = field(default_factory=threading.Lock)

    def obtain_together(self, resolutions: Sequence[Resolution]) -> dict[str, tuple[str, Source]]:
        """One thread each; raises the first error once all have ended.

        Daemon threads, not a pool: Ctrl-C must not wait for a pull that nobody wants any more.
        """
        done: dict[str, tuple[str, Source]] = {}
        errors: list[BaseException] = []

        def run(resolution: Resolution) -> None:
            try:
                source = done[resolution.key] = self.obtain(resolution)
                if self.arrived is not None:
                    present = self.engine.images([source[0]])
                    self.arrived(_obtained(resolution.key, *source, present))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)

        threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in resolutions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return done

    def obtain(self, resolution: Resolution) -> tuple[str, Source]:
        """Act on one resolution; the reference and how it came."""
        resource = f"image {resolution.key}"
        try:
            if resolution.action is Action.PULL:
                return self._pull_or_build(resource, resolution)
            self._build(resource, resolution, resolution.reference)
        except DevenvError as error:
            error.detail.setdefault("image", resolution.key)
            self.events.emit(Event(resource, Status.FAILED, error.message))
            raise
        return resolution.reference, Source.BUILT

    def _pull_or_build(self, resource: str, resolution: Resolution) -> tuple[str, Source]:
        try:
            self._pull(resource, resolution.reference)
        except RegistryUnreachableError as error:
            if not resolution.fall_back or resolution.tag is None:
                error.hint = error.hint or "go online, or set `images: auto` to build what has a recipe here"
                raise
            self._say_once(error)
            self._build(resource, resolution, resolution.tag)
            return resolution.tag, Source.BUILT
        return resolution.reference, Source.PULLED

    def _say_once(self, error: RegistryUnreachableError) -> None:
        if self._said.acquire(blocking=False):
            reason = error.evidence[0] if error.evidence else ""
            self.events.emit(
                Event(
                    "images",
                    Status.WARNING,
                    "no registry can be reached: building images from Debian's packages instead",
                    reason,
                )
            )

    def _pull(self, resource: str, reference: str) -> None:
        self._tell(resource, f"pulling {reference}, {NOT_HERE}")
        self.engine.pull(reference, lambda line: self._tell(resource, f"pulling {reference}: {line}"))
        self.events.emit(Event(resource, Status.DONE, f"pulled {reference}"))

    def _build(self, resource: str, resolution: Resolution, tag: str) -> None:
        self._tell(resource, f"building {tag}, {resolution.cause}")
        recipe = self.order.images[resolution.key].recipe
        assert recipe is not None
        folder = folder_of(recipe)
        if _builds_on_base(folder):
            self._ensure_base()
        arguments = {"BASE": base_tag()} if _builds_on_base(folder) else {}
        self._run_build(resource, folder, tag, arguments)

    def _run_build(self, resource: str, folder: Path, tag: str, arguments: Mapping[str, str]) -> None:
        with build_secrets() as secrets:
            request = BuildRequest(
                context=folder,
                tag=tag,
                build_args={**proxy_arguments(os.environ), **arguments},
                secrets=secrets,
                labels=IMAGE_LABELS,
                use_cache=not self.order.rebuild,
            )
            self.engine.build(request, lambda line: self._tell(resource, f"building {tag}", line))
        self.events.emit(Event(resource, Status.DONE, f"built {tag}"))

    def _ensure_base(self) -> None:
        """Our own Debian, on the registry's or on one made of Debian's packages."""
        tag = base_tag()
        with self._base_lock:
            if self._base_error is not None:
                raise self._base_error
            if self._base_ready or (not self.order.rebuild and tag in self.engine.images([tag])):
                self._base_ready = True
                return
            cause = ASKED if self.order.rebuild else NOT_BUILT
            self._tell(f"image {BASE}", f"building {tag}, {cause}")
            try:
                self._run_build(f"image {BASE}", folder_of(BASE), tag, {"DEBIAN": self._debian()})
            except DevenvError as error:
                self._base_error = error
                raise
            self._base_ready = True

    def _debian(self) -> str:
        """The reference of a Debian that is on this machine, fetched or made if need be."""
        present = self.engine.images([DEBIAN, BOOTSTRAPPED])
        for reference in (DEBIAN, BOOTSTRAPPED):
            if reference in present:
                return reference
        resource = f"image {BASE}"
        if self.order.policy != "build":
            try:
                self._pull(resource, DEBIAN)
            except RegistryUnreachableError as error:
                self._say_once(error)
            else:
                return DEBIAN
        self._tell(resource, f"making Debian {SUITE} of its packages")
        with self.bootstrap(SUITE) as tar:
            self.engine.import_image(tar, BOOTSTRAPPED, IMAGE_LABELS)
        return BOOTSTRAPPED

    def _tell(self, resource: str, text: str, detail: str = "") -> None:
        self.events.emit(Event(resource, Status.WORKING, text, detail, Phase.IMAGE))
