"""Commands that show the configuration: what it is, where it comes from, what it may be."""

from __future__ import annotations

import json

import typer

from devenv.cli.context import Context


def config(ctx: typer.Context) -> None:
    """Show the resolved configuration, and where each value comes from."""
    from devenv.config.explain import explain

    context: Context = ctx.obj
    root, document, settings = context.load()
    rows = [
        {"key": row.key, "value": "***" if row.secret else row.value, "origin": row.origin}
        for row in explain(settings, document)
    ]

    def human() -> None:
        cells = [(row["key"], json.dumps(row["value"], ensure_ascii=False), row["origin"]) for row in rows]
        context.output.table(("KEY", "VALUE", "ORIGIN"), cells)

    context.output.result("devenv.config/1", {"root": str(root), "values": rows}, human)


def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of devenv.yaml, for editors."""
    from devenv.config.schema import json_schema

    context: Context = ctx.obj
    found = json_schema()
    context.output.result(
        "devenv.schema/1",
        found,
        lambda: context.output.raw(json.dumps(found, indent=2, ensure_ascii=False) + "\n"),
    )
