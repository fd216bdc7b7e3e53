"""Commands about production: the model, written down for what runs it there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.context import Context
from devenv.errors import UsageError


def export(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="systemd|swarm|kubernetes|compose")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="A folder, or the file where there is one."),
    ] = None,
    included: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="SERVICE", help="Include databasemaster or mailcatcher too."),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="KEY=REFERENCE", help="What production pulls: backend=shop/app:7."),
    ] = None,
) -> None:
    """Write the same model down for production; secrets are named, never written."""
    from devenv.operations.export import ExportOptions
    from devenv.operations.export import export as operation

    context: Context = ctx.obj
    root, _, settings = context.load()
    options = ExportOptions(target, tuple(included or ()), _references(images or []), output)
    result = operation(root, settings, options)

    def human() -> None:
        for file in result.files:
            if file.path is not None:
                context.output.print(file.path)
                continue
            if len(result.files) > 1:
                context.output.raw(f"# {file.name}\n")
            context.output.raw(file.text + ("\n" if len(result.files) > 1 else ""))
        for note in result.notes:
            context.output.note(f"note: {note}", "yellow")

    context.output.result("devenv.export/1", result, human)


def _references(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        key, given, reference = word.partition("=")
        if not given or not reference:
            raise UsageError(f'--image: expected KEY=REFERENCE such as backend=shop/app:7, got "{word}"')
        found[key] = reference
    return found
