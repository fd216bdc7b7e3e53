"""Read what `aws rds describe-db-parameters` and `describe-db-instances` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.production.manifest import Database, Manifest, Parameter

if TYPE_CHECKING:
    from devenv.production.node import Node


def is_rds(document: Node) -> bool:
    """Whether a document is one of the two; a CloudFormation template's `Parameters` are a mapping."""
    entries = document.mapping() if isinstance(document.raw, dict) else {}
    return any(
        isinstance(entries[name].raw, list) for name in ("Parameters", "DBInstances") if name in entries
    )


def read_rds(document: Node) -> Manifest:
    """The database as far as this document speaks of it.

    A parameter without a value is at the server's own default, and nobody set it: it is left out.
    """
    if document.get("DBInstances") is not None:
        return Manifest(database=_instance(document))
    parameters = tuple(
        parameter for item in document.list_of("Parameters") if (parameter := _parameter(item)) is not None
    )
    return Manifest(database=Database(document.at, parameters=parameters))


def _parameter(item: Node) -> Parameter | None:
    name = item.required("ParameterName")
    value, source = item.text_of("ParameterValue"), item.text_of("Source")
    if name is None or value is None or (source is not None and source.value == "engine-default"):
        return None
    is_managed = source is None or source.value != "user"
    return Parameter(name.value, value.value, value.at, is_managed)


def _instance(document: Node) -> Database | None:
    instances = document.list_of("DBInstances")
    if len(instances) != 1:
        document.note(
            f"expected one database instance, got {len(instances)}",
            "name it: `aws rds describe-db-instances --db-instance-identifier NAME`",
        )
        return None
    instance = instances[0]
    endpoint = instance.get("Endpoint")
    port = endpoint.whole_of("Port") if endpoint else None
    return Database(
        at=instance.at,
        engine=instance.text_of("Engine"),
        version=instance.text_of("EngineVersion"),
        port=port,
    )
