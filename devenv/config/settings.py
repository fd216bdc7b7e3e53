"""What `devenv.yaml` may say: one frozen model per section, one description per key."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from devenv.config.production import Production
from devenv.config.queue import Queue, read_queue
from devenv.config.reference import DEFAULT_BACKEND_BUILD, DEFAULT_FRONTEND_BUILD
from devenv.config.section import (
    AnyText,
    Command,
    ContainerPath,
    DatabaseName,
    Environment,
    ImageName,
    Page,
    Port,
    Seconds,
    Section,
    ServiceName,
)
from devenv.config.values import INVARIANT, Address, Form, Size, Text, Whole, expected, scalar

BUILT_IN = ("databasemaster", "mailcatcher", "backend", "taskrunner", "frontend")
KINDS = ("http", "command", "heartbeat")
DEFAULT_ENVIRONMENT = {"DB_HOST": "database", "DB_USER": "root", "DB_PWD": "toor"}

_MAPPING = r"((?:[A-Za-z]:)?[./~\\][^:]*):(/[^:]+?)/?(?::(ro|rw))?"
_MAPPING_SCHEMA = {"type": "string", "pattern": f"^{_MAPPING}$"}


class SeedFile(Section):
    """Dumps that are loaded, in the order of their names."""

    file: AnyText = Field(description="A file or a pattern such as fixtures/*.sql.zst.")
    database: DatabaseName | None = Field(
        None, description="The database they are loaded into; by default the first of database.databases."
    )


class SeedCommand(Section):
    """A command that completes the data."""

    run: AnyText = Field(description="The command, run in a container of its own once the database is ready.")
    service: ServiceName = Field("backend", description="The service whose image and environment it runs in.")


def _read_seed(value: Any) -> SeedFile | SeedCommand:
    if isinstance(value, SeedFile | SeedCommand):
        return value
    if isinstance(value, str):
        value = {"file": value}
    if not isinstance(value, dict) or ("file" in value) == ("run" in value):
        raise expected("a file pattern, {file: ...} or {run: ...}")
    return (SeedFile if "file" in value else SeedCommand).model_validate(value)


class Mapping(Section):
    """A folder of this machine that a container sees in place of its own."""

    source: AnyText
    target: ContainerPath
    read_only: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


def _read_mapping(value: Any) -> Mapping:
    if isinstance(value, Mapping):
        return value
    match = re.fullmatch(_MAPPING, value) if isinstance(value, str) else None
    if match is None:
        raise expected(
            '"./folder:/target" or "./folder:/target:ro"',
            "a folder below this one starts with ./" if isinstance(value, str) and ":" in value else None,
        )
    return Mapping(source=match[1], target=match[2], read_only=match[3] == "ro")


Seed = Annotated[SeedFile | SeedCommand, Form(_read_seed, {"type": "string", "minLength": 1}, beside=True)]


class Healthcheck(Section):
    """How a service proves that it is healthy: by exactly one of http, command and heartbeat."""

    http: Page | None = Field(None, description="A page that answers with 2xx or 3xx on the service's port.")
    command: Command | None = Field(None, description="A command in the container that ends with 0.")
    heartbeat: ContainerPath | None = Field(
        None, description="A file in the container that the service touches while it works."
    )
    interval: Seconds = Field(2.0, description="Time between two probes.")
    timeout: Seconds = Field(5.0, description="Time one probe may take.")
    retries: Annotated[int, Whole(1, 1000)] = Field(
        5, description="Failures in a row that make it unhealthy."
    )
    start_period: Seconds = Field(60.0, description="Time from the start in which failures do not count.")
    stale_after: Seconds = Field(15.0, description="Age at which a heartbeat counts as missing.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise PydanticCustomError(INVARIANT, "expected exactly one of http, command and heartbeat")
        return self


def _healthcheck(kind: str, probe: str) -> Form:
    """A healthcheck that keeps its usual kind when only its times are given."""

    def read(value: Any) -> Any:
        if value is None:
            return {kind: probe}
        if isinstance(value, dict) and not any(value.get(name) is not None for name in KINDS):
            return {**value, kind: probe}
        return value

    return Form(read)


class Undo(Section):
    """How much of the former data is kept for `devenv undo`."""

    keep: Annotated[int, Whole(1, 100)] = Field(3, description="The number of former states.")
    size: Annotated[int, Size()] = Field(
        5 * 2**30, description="At most so many bytes of their own: 5GB; the last one always stays."
    )


class Database(Section):
    """MySQL, as the managed service of production runs it."""

    image: ImageName = Field("mysql:8.4", description="The image; the version production runs.")
    port: Port = Field(3306, description="The published port; if it is taken, a free one is used and kept.")
    root_password: AnyText = Field("toor", description="The password of root.")
    databases: tuple[DatabaseName, ...] = Field(
        ("app",), min_length=1, description="The databases that exist."
    )
    aliases: tuple[
        Annotated[str, Text("a host name such as database", r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?")], ...
    ] = Field(("database",), description="Further host names under which other services reach it.")
    parameters: dict[
        Annotated[str, Text("a parameter name of a-z, 0-9 and _", r"[a-z0-9_]+")],
        Annotated[
            str | int | float | bool | None,
            Form(scalar, {"type": ["string", "number", "boolean", "null"]}),
        ],
    ] = Field({}, description="Server variables, as in production's parameter group.")
    seed: tuple[Seed, ...] = Field((), description="The steps that fill it, in order.")
    undo: Undo = Field(Undo(), description="What is kept of former data.")
    spare: bool = Field(
        False,
        description="Keep a second server started on fresh data, so that reset-db only switches (230 MB).",
    )


class Mail(Section):
    """The mail catcher: it takes every mail and delivers none."""

    image: ImageName = Field("sj26/mailcatcher:v0.10.0", description="The image.")
    port: Port = Field(1080, description="The published port of its web page.")
    smtp_port: Port = Field(1025, description="The published port that takes mail.")


class _Built(Section):
    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (getattr(self, "image", None) is None) == (getattr(self, "build", None) is None):
            raise PydanticCustomError(INVARIANT, "expected either image or build")
        return self


class Backend(_Built):
    """The application server."""

    image: ImageName | None = Field(None, description="A finished image, in place of build.")
    build: AnyText | None = Field(
        None, description=f"The folder of its Dockerfile; by default {DEFAULT_BACKEND_BUILD}."
    )
    port: Port = Field(8000, description="The published port.")
    environment: Environment = Field(
        DEFAULT_ENVIRONMENT,
        description="Variables of the process, merged over DB_HOST, DB_USER and DB_PWD.",
    )
    mappings: tuple[Annotated[Mapping, Form(_read_mapping, _MAPPING_SCHEMA)], ...] = Field(
        (), description='Folders seen live in the container, as "./folder:/target" with an optional :ro.'
    )
    generated: ContainerPath = Field(
        "/opt/app/generated_content", description="Where it generates files that the frontend serves."
    )
    healthcheck: Annotated[Healthcheck, _healthcheck("http", "/health")] = Field(
        Healthcheck(http="/health"), description="How it proves that it is healthy."
    )
    command: Command | None = Field(None, description="The command in place of the image's own.")

    @model_validator(mode="before")
    @classmethod
    def _usual_build(cls, value: Any) -> Any:
        return _with_build(value, DEFAULT_BACKEND_BUILD)


class Taskrunner(Section):
    """The workers: the backend's image with another command."""

    command: AnyText = Field("python manage.py db_worker", description="The command of one worker.")
    replicas: Annotated[int, Whole(0, 100)] = Field(1, description="The number of workers.")
    grace: Seconds = Field(
        30.0,
        description="Time from the signal to stop to the kill: to finish the job at hand or give it back.",
    )
    environment: Environment = Field({}, description="Variables laid over the backend's; only these.")
    healthcheck: Annotated[Healthcheck, _healthcheck("heartbeat", "/tmp/heartbeat")] = (
        Field(  # inside the container
            Healthcheck(heartbeat="/tmp/heartbeat"),  # inside the container
            description="How it proves that it is healthy.",
        )
    )
    queue: Annotated[Queue | None, Form(read_queue)] = Field(
        None, description="How `devenv queue` reads the backlog; by default as django-tasks-db keeps it."
    )


class Frontend(_Built):
    """Nginx in front of the backend."""

    image: ImageName | None = Field(None, description="A finished image, in place of build.")
    build: AnyText | None = Field(
        None, description=f"The folder of its Dockerfile; by default {DEFAULT_FRONTEND_BUILD}."
    )
    port: Port = Field(80, description="The published port.")
    healthcheck: Annotated[Healthcheck, _healthcheck("http", "/health")] = Field(
        Healthcheck(http="/health"), description="How it proves that it is healthy."
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_build(cls, value: Any) -> Any:
        return _with_build(value, DEFAULT_FRONTEND_BUILD)


def _with_build(value: Any, build: str) -> Any:
    if isinstance(value, dict) and value.get("image") is None and value.get("build") is None:
        return {**value, "build": build}
    return value


class Check(Section):
    """What `devenv check` asks for."""

    page: Page = Field("/", description="The page that the frontend must answer.")
    report: Page | None = Field(
        "/api/reports/", description="Where a report is ordered that a worker completes; null leaves it out."
    )


class Settings(Section):
    """A whole environment; every key has a value after parsing."""

    name: Annotated[
        str, Text("a name of a-z, 0-9, - and _, at most 41 characters", r"[a-z0-9][a-z0-9_-]{0,40}")
    ] = Field(description="The environment's base name; by default the folder's.")
    images: Literal["auto", "pull", "build"] = Field("auto", description="Where images come from.")
    bind: Annotated[str, Address()] = Field("127.0.0.1", description="The address that published ports bind.")
    database: Database = Field(Database(), description="The database.")
    mail: Mail = Field(Mail(), description="The mail catcher.")
    backend: Backend = Field(Backend(), description="The application server.")
    taskrunner: Taskrunner = Field(Taskrunner(), description="The workers.")
    frontend: Frontend = Field(Frontend(), description="The web server.")
    services: dict[str, dict[str, Any]] = Field({}, description="Further services, in Compose's own words.")
    check: Check = Field(Check(), description="What `devenv check` asks for.")
    production: Production = Field(
        Production(),
        description="What `devenv parity` compares with, and what runs or is exported as production.",
    )
