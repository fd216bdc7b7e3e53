"""The section `production`: what `devenv parity` compares with, and what runs here or is exported as production."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from devenv.config.section import (
    AnyText,
    Command,
    Environment,
    ImageName,
    Port,
    Section,
    ServiceName,
    VariableName,
)
from devenv.config.values import Number, Size, Text, Whole


class Allowed(Section):
    """A difference from production that is meant to be."""

    what: Annotated[str, Text("a row of `devenv parity` or a pattern such as *.limits.*", r"\S+")] = Field(
        description="The row's name, such as backend.limits.memory; * stands for anything."
    )
    reason: AnyText = Field(description="Why it is meant to be; shown beside the row.")


class Contents(Section):
    """What is inside the image that production runs for a service."""

    python: Annotated[str, Text("a version such as 3.13", r"[0-9]+(?:\.[0-9]+){0,2}")] | None = Field(
        None, description="The version of its Python, as far as it matters: 3.13 accepts 3.13.5."
    )
    pip: AnyText | None = Field(
        None,
        description="A file with its Python packages: requirements, `pip freeze` or `pip list --format=json`.",
    )
    dpkg: AnyText | None = Field(None, description="A file with the output of `dpkg-query -W` in it.")
    nginx: AnyText | None = Field(
        None, description="Its nginx.conf, or a file with the output of `nginx -T` in it."
    )


class Production(Section):
    """What `devenv parity` compares with, `devenv up --production` runs here and `devenv export` writes down."""

    manifest: AnyText | None = Field(
        None,
        description="The file that describes production, or a folder with several: a Compose file, systemd units, "
        "Kubernetes manifests, an ECS task definition, and what `aws rds describe-db-parameters` and "
        "`describe-db-instances` print.",
    )
    contents: dict[ServiceName, Contents] = Field(
        {}, description="What is inside production's images, by the service that runs them here."
    )
    allow: tuple[Allowed, ...] = Field(
        (), description="Differences that are meant to be, each with a reason."
    )
    pods: Annotated[int, Whole(1, 20)] = Field(
        2, description="The number of pods, each frontend and backend."
    )
    port: Port = Field(8080, description="The published port of the load balancer.")
    tls: bool = Field(False, description="Whether the load balancer serves HTTPS, and redirects HTTP to it.")
    tls_port: Port = Field(8443, description="The published port of HTTPS.")
    loadbalancer: ImageName = Field("haproxy:3.0", description="The image of the load balancer, HAProxy.")
    environment: Environment = Field(
        {}, description="Variables laid over the backend's and the workers'; DEBUG is 0 before."
    )
    withheld: tuple[VariableName, ...] = Field(
        ("SECRET_KEY",),
        description="Variables that exports only name, beside those whose names say that they are secret.",
    )
    migrate: Command | None = Field(
        "python manage.py migrate",
        description="The command that an export runs in the backend's image before the backend starts.",
    )
    read_only: bool = Field(True, description="Whether pods and workers can write only to /tmp and volumes.")
    cpus: Annotated[float, Number(0.1, 64)] = Field(
        1.0, description="What a container of a pod or a worker may take of the processors."
    )
    memory: Annotated[int, Size()] = Field(
        512 * 2**20, description="What a container of a pod or a worker may take of the memory: 512MB."
    )
