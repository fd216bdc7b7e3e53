"""The shape of the program, enforced: what imports what, which library stays behind which door, how long things get.

The rows and fences are those of the design. An import counts wherever it stands, be it inside a function or
for type checking only: what a module must know to be read is what it depends on.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import devenv

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(devenv.__file__).parent

ROWS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("operations",),
    (
        "plan",
        "diagnosis",
        "lint",
        "timeline",
        "pace",
        "render",
        "images",
        "database",
        "production",
        "environments",
    ),
    ("release",),  # a project as production deploys it
    ("project", "blame"),  # beside `services` in the design; it assembles them
    ("services", "waterfall"),
    ("engine.api", "engine.observed", "engine.swarm_api", "config", "events"),
    ("model",),
    ("errors", "causes", "beside"),
    ("",),  # devenv/__init__.py: the version
)
"""A module imports from its own package and from the rows below its own."""

WIRED = "engine"
"""All of the engine but `api` is wired in by `cli.app` and known to nobody else."""
WIRED_FOR_CLI = "engine.setup_plan"
"""The steps of a setup are values, which the command shows before it asks."""
ADAPTER_NEEDS = ("engine", "events", "model", "errors", "beside")

FENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("typer", ("cli",)),
    ("rich", ("cli.output",)),
    ("yaml", ("config.source", "render")),
    ("docker", ("engine.docker",)),
    ("python_on_whales", ("engine.docker",)),
    ("requests", ("engine.docker", "database.registry_client")),
    ("subprocess", ("engine",)),
)
"""A library, and the only modules that may import it."""

FACE = ("engine.api", "engine.observed", "engine.swarm_api")
"""What all others know of the engine."""
PURE = (
    "model",
    "services",
    "project",
    "release",
    "render",
    "plan",
    "diagnosis",
    "lint",
    "blame",
    "causes",
    "timeline",
    "waterfall",
    "pace",
    "config.parse",
    "database.artifact",
    "images.resolve",
    *FACE,
    "errors",
)
IMPURE = frozenset(
    [
        "os",
        "sys",
        "io",
        "time",
        "datetime",
        "random",
        "secrets",
        "socket",
        "shutil",
        "tempfile",
        "threading",
        "glob",
        "http",
        "urllib",
        "psutil",
        "filelock",
        "platformdirs",
    ]
)
"""Ways to disk, clock, environment and chance, closed to the pure core."""

BANNED_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"})
LONGEST_MODULE = 320
LONGEST_FUNCTION = 45


@dataclass(frozen=True)
class Module:
    """One source file; `name` is relative to `devenv`."""

    name: str
    path: Path
    tree: ast.Module
    text: str

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def imports(self) -> tuple[tuple[str, int], ...]:
        """Every imported module or name, absolute, with its line."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[tuple[str, int]]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno}: imports are absolute"
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)

    def at(self, line: int) -> str:
        """A place of it, for people."""
        return f"devenv/{self.path.relative_to(ROOT).as_posix()}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    """All source files, resources left out."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] != "resources":
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, path, ast.parse(text), text))
    return tuple(found)


def within(name: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def own(imported: str) -> str | None:
    """The module of ours that an import reaches, relative to `devenv`; None for anybody else's."""
    if not within(imported, "devenv"):
        return None
    names = {module.name for module in modules()}
    name = imported.removeprefix("devenv").removeprefix(".")
    return name if name in names else name.rpartition(".")[0]


def row_of(name: str) -> int | None:
    """The row in which a module stands, counted from the top; None for the engine's adapters."""
    for number, packages in enumerate(ROWS):
        if any(within(name, package) for package in packages):
            return number
    return None


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one module of ours may know another."""
    if importer in FACE and imported == "engine.observed":
        return True
    if importer.split(".", maxsplit=1)[0] == imported.split(".", maxsplit=1)[0] and importer not in FACE:
        return True
    if within(importer, WIRED) and importer not in FACE:
        return imported in FACE or any(within(imported, package) for package in ADAPTER_NEEDS)
    if within(imported, WIRED) and imported not in {"engine", *FACE}:
        return importer == "cli.app" or (within(importer, "cli") and imported == WIRED_FOR_CLI)
    above, below = row_of(importer), row_of(imported)
    return above is not None and below is not None and above < below


def test_imports_go_down() -> None:
    wrong = [
        f"{module.at(line)}: {module.name} imports {name}"
        for module in modules()
        for imported, line in module.imports
        if (name := own(imported)) is not None and not is_allowed(module.name, name)
    ]
    assert not wrong, "imports that go up or sideways:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("cli.lifecycle", "operations.up", True),
        ("cli.app", "engine.docker", True),
        ("cli.context", "engine.docker.client", False),
        ("operations.up", "cli.output", False),
        ("operations.up", "engine.api", True),
        ("operations.up", "engine.docker", False),
        ("operations.doctor", "engine.install", False),
        ("operations.check", "operations.status", True),
        ("plan", "render.compose", False),
        ("images.obtain", "database.seed", False),
        ("images.obtain", "config.defaults", True),
        ("project", "services", True),
        ("services.backend", "project", False),
        ("config.parse", "engine.api", False),
        ("engine.api", "engine.host", False),
        ("engine.api", "engine.observed", True),
        ("engine.observed", "engine.api", False),
        ("plan", "engine.observed", True),
        ("engine.api", "config.settings", False),
        ("engine.api", "model", True),
        ("engine.docker.daemon", "engine.api", True),
        ("engine.docker.daemon", "operations.up", False),
        ("engine.install", "config.settings", False),
        ("model", "errors", True),
        ("errors", "model", False),
        ("cli.app", "", True),
    ],
)
def test_the_rule_itself(importer: str, imported: str, *, allowed: bool) -> None:
    assert is_allowed(importer, imported) is allowed


def test_every_module_has_a_row() -> None:
    homeless = [
        module.name for module in modules() if row_of(module.name) is None and not within(module.name, WIRED)
    ]
    assert not homeless, f"in no row of the design: {homeless}"


@pytest.mark.parametrize(("library", "doors"), FENCES, ids=[library for library, _ in FENCES])
def test_a_library_stays_behind_its_door(library: str, doors: tuple[str, ...]) -> None:
    users = [
        (module, line)
        for module in modules()
        for imported, line in module.imports
        if within(imported, library)
    ]
    wrong = [
        module.at(line) for module, line in users if not any(within(module.name, door) for door in doors)
    ]
    assert not wrong, f"{library} belongs to {', '.join(doors)} alone:\n" + "\n".join(wrong)
    assert users, f"nobody imports {library} any more: take the fence away"


def test_the_pure_core_touches_nothing() -> None:
    """No disk, clock, environment or chance: what decides can be tested as text."""
    wrong = [
        f"{module.at(line)}: {imported}"
        for module in modules()
        if any(within(module.name, package) for package in PURE)
        for imported, line in module.imports
        if imported.split(".")[0] in IMPURE
        or (imported == "pathlib.Path" and not _for_types_only(module, line))
    ]
    assert not wrong, "the pure core reaches out:\n" + "\n".join(wrong)


def _for_types_only(module: Module, line: int) -> bool:
    return any(
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        and node.lineno < line <= (node.end_lineno or 0)
        for node in module.tree.body
    )


def test_only_one_module_prints() -> None:
    wrong = [
        module.at(node.lineno)
        for module in modules()
        if module.name != "cli.output"
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, "print() outside cli/output.py:\n" + "\n".join(wrong)


def test_names_say_what_is_in_a_module() -> None:
    wrong = [module.name for module in modules() if module.name.rpartition(".")[2] in BANNED_NAMES]
    assert not wrong, f"these names say nothing: {wrong}"


def test_every_module_says_why_it_is_there() -> None:
    wrong = [
        module.at(1) for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)
    ]
    assert not wrong, f"no docstring: {wrong}"


def test_no_module_is_too_long() -> None:
    lengths = {module.at(1): len(module.text.splitlines()) for module in modules()}
    wrong = [f"{place}: {length} lines" for place, length in lengths.items() if length > LONGEST_MODULE]
    assert not wrong, f"more than {LONGEST_MODULE} lines:\n" + "\n".join(wrong)


def test_no_function_is_too_long() -> None:
    functions = [
        (module.at(node.lineno), node.name, (node.end_lineno or 0) - node.lineno + 1)
        for module in modules()
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    wrong = [
        f"{place}: {name} has {length} lines"
        for place, name, length in functions
        if length > LONGEST_FUNCTION
    ]
    assert not wrong, f"more than {LONGEST_FUNCTION} lines:\n" + "\n".join(wrong)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name or "devenv")
def test_everything_can_be_imported(module: Module) -> None:
    if module.name != "__main__":
        importlib.import_module(f"devenv.{module.name}" if module.name else "devenv")
