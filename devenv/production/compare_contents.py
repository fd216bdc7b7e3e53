"""What is inside of production's images against what is inside the containers here. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.production.nginx import Directive, directives, files
from devenv.production.packages import read_dpkg, read_pip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.errors import Problem
    from devenv.production.facts import ContentFacts
    from devenv.production.judge import Judge
    from devenv.production.manifest import Said
    from devenv.production.rows import Row

NOT_FOUND_OUT = "could not be found out"


@dataclass(frozen=True)
class Contents:
    """What production says is inside a service's image; None where it says nothing."""

    python: Said[str] | None = None
    pip: Mapping[str, Said[str]] | None = None
    dpkg: Mapping[str, Said[str]] | None = None
    nginx: Mapping[str, list[Directive]] | None = None


@dataclass
class ContentTexts:
    """The files that `production.contents` names for a service: name and text of each."""

    python: Said[str] | None = None
    pip: tuple[str, str] | None = None
    dpkg: tuple[str, str] | None = None
    nginx: tuple[str, str] | None = None
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Contents:
        """What they say; what is wrong in them goes to `problems`."""
        return Contents(
            self.python,
            read_pip(*self.pip, self.problems) if self.pip else None,
            read_dpkg(*self.dpkg, self.problems) if self.dpkg else None,
            {
                name: directives(self.nginx[0], text, self.problems)
                for name, text in files(self.nginx[1]).items()
            }
            if self.nginx
            else None,
        )


def content_rows(service: str, there: Contents, here: ContentFacts, judge: Judge) -> Iterator[Row]:
    """The rows of one service."""
    if there.python is not None:
        runs = here.python
        said = there.python
        fits = runs is not None and f"{runs}.".startswith(f"{said.value}.")
        what = f"{service}.python"
        if fits:
            yield judge.same(what, said.value, runs, said.at)
        else:
            yield judge.differs(what, said.value, runs or NOT_FOUND_OUT, said.at)
    for kind, said_packages, installed in (("pip", there.pip, here.pip), ("dpkg", there.dpkg, here.dpkg)):
        if said_packages is not None:
            yield from _packages(f"{service}.{kind}", said_packages, installed, judge)
    if there.nginx is not None:
        yield from _nginx(f"{service}.nginx", there.nginx, here.nginx, judge)


def _packages(
    what: str, there: Mapping[str, Said[str]], here: Mapping[str, str] | None, judge: Judge
) -> Iterator[Row]:
    if here is None:
        yield judge.differs(what, f"{len(there)} packages", NOT_FOUND_OUT)
        return
    for name, said in sorted(there.items()):
        yield judge.compared(f"{what}.{name}", said.value, here.get(name), said.at)
    for name in sorted(here.keys() - there.keys()):
        yield judge.differs(f"{what}.{name}", None, here[name])


def _nginx(what: str, there: Mapping[str, list[Directive]], text: str | None, judge: Judge) -> Iterator[Row]:
    """Directives by the place where they stand; of several of one name in one block each is one row.

    Production's plain nginx.conf is compared with the main file here, its `nginx -T` with every file.
    """
    if text is None:
        yield judge.differs(what, "configured", NOT_FOUND_OUT)
        return
    here = {name: directives("nginx -T", one, []) for name, one in files(text).items()}
    for file in dict.fromkeys((*there, *(here if len(there) > 1 else ()))):
        theirs, ours = _by_path(there.get(file, [])), _by_path(here.get(file, []))
        for path in dict.fromkeys((*theirs, *ours)):
            yield from _directives(f"{what}.{path}", theirs.get(path, []), ours.get(path, []), judge)


def _by_path(found: list[Directive]) -> dict[str, list[Directive]]:
    grouped: dict[str, list[Directive]] = defaultdict(list)
    for directive in found:
        grouped[directive.path].append(directive)
    return grouped


def _directives(what: str, theirs: list[Directive], ours: list[Directive], judge: Judge) -> Iterator[Row]:
    """Equal ones are one row together; what remains on both sides is paired in its order."""
    left = [one.value for one in ours]
    missing = []
    for directive in theirs:
        if directive.value in left:
            left.remove(directive.value)
        else:
            missing.append(directive)
    if not missing and not left:
        value = "; ".join(one.value for one in theirs) or "on"
        yield judge.same(what, value, value, theirs[0].at if theirs else None)
    for number in range(max(len(missing), len(left))):
        said = missing[number] if number < len(missing) else None
        yield judge.differs(
            what,
            said.value if said else None,
            left[number] if number < len(left) else None,
            said.at if said else None,
        )
