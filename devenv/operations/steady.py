"""What the last complete `up` left, and whether all is still so: then `up` has nothing to do.

It answers an `up` with nothing to do, and `status`, without reading the configuration anew: that needs
PyYAML, pydantic and every definition, 300 ms in place of 20. It decides by the same `plan_up` as `up`
itself, on the definitions that were kept; where it is in any doubt the long way decides.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.environments.ports import PortChoice, is_free
from devenv.images.recipe import BASE, folder_of, stamp
from devenv.model import Healthcheck, Label, Project, PublishedPort, Question, Service
from devenv.operations.answers import answers, believed
from devenv.operations.report import StatusReport, UpResult, images_in_use, report
from devenv.plan import DataState, Plan, plan_orphans, plan_up, selected
from devenv.project import database_volume, spare_name, successor_name
from devenv.services import mysql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.engine.api import Engine
    from devenv.engine.observed import ObservedImage, ObservedState
    from devenv.environments.workspace import Memory, Workspace
    from devenv.images.obtain import Obtained
    from devenv.operations.session import Session

FORMAT = 5
_DATA = re.compile(r"_database_\d+|devenv\.generation: '\d+'")
"""What differs in the generated file when only the data are others."""


@dataclass(frozen=True)
class Steady:
    """An environment in which every service was up, as far as `plan_up` and `report` need to know it."""

    project: Project
    specs: Mapping[str, str]
    references: Mapping[str, str]
    """The image that each service of ours runs."""
    ports: tuple[PortChoice, ...]
    bind: str
    spare: bool
    """Whether a spare of the database is wanted."""
    file: str
    """Digest of the generated file, apart from the data."""


def keep(
    session: Session,
    project: Project,
    images: Mapping[str, Obtained],
    specs: Mapping[str, str],
    ports: Sequence[PortChoice],
) -> None:
    """Write down that all of the project is up now."""
    from devenv.config.surroundings import named_files, named_variables  # noqa: PLC0415 - only the long way keeps

    mapped = tuple(str(folder) for folder in session.mapped_folders)
    recipes = {BASE, *(image.recipe for image in project.images.values() if image.recipe is not None)}
    folders = sorted(str(folder_of(recipe)) for recipe in recipes)
    wanted = {one.name for one in selected(project, ())}
    own = [service.raw for service in project.services if service.raw is not None]
    named = sorted({str(file) for raw in own for file in named_files(raw, session.root)})
    variables = sorted({name for raw in own for name in named_variables(raw, session.root)})
    kept = {
        "format": FORMAT,
        "sources": session.sources,
        "recipes": {"folders": folders, "without": mapped, "stamp": _stamp(folders, mapped)},
        "named": {"files": named, "stamp": _stamp_of_files(named)},
        "variables": {"names": variables, "values": _values(variables, session.root)},
        "name": project.name,
        "environment": project.environment,
        "worktree": project.worktree,
        "services": [_written(one, on_request=one.name not in wanted) for one in project.services],
        "specs": dict(specs),
        "references": {
            service.name: images[service.image].reference
            for service in project.services
            if service.raw is None
        },
        "ports": [asdict(choice) for choice in ports],
        "bind": session.settings.bind,
        "spare": session.settings.database.spare,
        "file": _file_digest(session.workspace),
    }
    session.workspace.keep_steady(json.dumps(kept))


def recall(workspace: Workspace, sources: str) -> Steady | None:
    """What was kept, if nothing has changed since that it was made of."""
    try:
        kept = json.loads(workspace.kept_steady())
        recipes = kept["recipes"]
        if (kept["format"], kept["sources"]) != (FORMAT, sources):
            return None
        if recipes["stamp"] != _stamp(recipes["folders"], recipes["without"]):
            return None
        named, variables = kept["named"], kept["variables"]
        if named["stamp"] != _stamp_of_files(named["files"]):
            return None
        if variables["values"] != _values(variables["names"], workspace.root):
            return None
        services = tuple(_read(service) for service in kept["services"])
        return Steady(
            Project(kept["name"], kept["environment"], kept["worktree"], services, images={}),
            kept["specs"],
            kept["references"],
            tuple(PortChoice(**choice) for choice in kept["ports"]),
            kept["bind"],
            kept["spare"],
            kept["file"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def steady_status(workspace: Workspace, engine: Engine, sources: str) -> StatusReport | None:
    """What `status` says; None where the long way has to find it out."""
    steady = recall(workspace, sources)
    if steady is None:
        return None
    observed, memory = _observed(steady, engine), workspace.recall()
    if not _is_ours(steady, observed, memory):
        return None
    return report(steady.project, observed, memory, engine.images(images_in_use(observed)))


def steady_up(workspace: Workspace, engine: Engine, sources: str) -> UpResult | None:
    """What `up` says where it has nothing to do; None where it may have, or another command is at work."""
    begun = time.monotonic()
    steady = recall(workspace, sources)
    if steady is None:
        return None
    with workspace.try_locked() as is_free_now:
        if not is_free_now:
            return None
        observed, memory = _observed(steady, engine), workspace.recall()
        images = engine.images({*steady.references.values(), *images_in_use(observed)})
        intact = _is_ours(steady, observed, memory) and _file_digest(workspace) == steady.file
        freed = any(_is_free(engine, choice.configured, steady) for choice in steady.ports if choice.moved)
        if not intact or freed or not _has_nothing_to_do(steady, observed, memory, images):
            return None
        status = report(steady.project, observed, memory, images)
    return UpResult(Plan(()), status, steady.ports, time.monotonic() - begun)


def _is_free(engine: Engine, port: int, steady: Steady) -> bool:
    """Whether nobody is seen to hold the port; elsewhere only containers are."""
    if engine.is_here:
        return is_free(port, steady.bind)
    return port not in {holder.port for holder in engine.published_ports()}


def _has_nothing_to_do(
    steady: Steady, observed: ObservedState, memory: Memory, images: Mapping[str, ObservedImage]
) -> bool:
    volume = database_volume(steady.project.name, memory.generation)
    has_database = mysql.NAME in steady.project.service_names
    if has_database and volume not in {one.name for one in observed.volumes}:
        return False
    has_leftover = observed.spare is not None and not memory.spare
    if observed.successor is not None or has_leftover or (steady.spare and observed.spare is None):
        return False
    if not images.keys() >= set(steady.references.values()):
        return False
    elsewhere = tuple(
        one.id for one in observed.of(mysql.NAME) if one.volumes.get(mysql.DATA_DIRECTORY, volume) != volume
    )
    image_ids = {name: images[reference].id for name, reference in steady.references.items()}
    plan = plan_up(
        selected(steady.project, ()),
        observed,
        steady.specs,
        image_ids,
        DataState(None, elsewhere),
        file_changed=False,
    )
    steps = (*plan.steps, *plan_orphans(steady.project, observed))
    return not steps and all(one.is_healthy or one.state == "exited" for one in observed.containers)


def _observed(steady: Steady, engine: Engine) -> ObservedState:
    name = steady.project.name
    observed = engine.observe(name).apart(spare_name(name), successor_name(name))
    return believed(observed, steady.project.services, partial(answers, engine))


def _is_ours(steady: Steady, observed: ObservedState, memory: Memory) -> bool:
    """Whether these are the containers of this folder, on the ports that they had."""
    owners = {one.labels.get(Label.WORKTREE, steady.project.worktree) for one in observed.containers}
    ports = {choice.key: choice.port for choice in steady.ports}
    return owners <= {steady.project.worktree} and dict(memory.ports) == ports


def _written(service: Service, *, on_request: bool) -> dict[str, Any]:
    check = service.healthcheck
    return {
        "name": service.name,
        "image": service.image,
        "replicas": service.replicas,
        "ports": [asdict(port) for port in service.ports],
        "raw": service.raw is not None,
        "job": service.job,
        "on_request": on_request,
        "questions": [asdict(question) for question in check.questions] if check else [],
    }


def _read(kept: Mapping[str, Any]) -> Service:
    questions = tuple(Question(**one) for one in kept["questions"])
    return Service(
        kept["name"],
        kept["image"],
        replicas=kept["replicas"],
        ports=tuple(PublishedPort(**port) for port in kept["ports"]),
        raw={} if kept["raw"] else None,
        job=kept["job"],
        on_request=kept["on_request"],
        healthcheck=Healthcheck((), questions=questions) if questions else None,
    )


def _stamp(folders: Sequence[str], without: Sequence[str]) -> str:
    return stamp([Path(folder) for folder in folders], without=[Path(folder) for folder in without])


def _values(names: Sequence[str], root: Path) -> str:
    if not names:
        return ""
    from devenv.config.surroundings import values_of  # noqa: PLC0415 - few name any, and it takes 3 ms to import

    return values_of(names, root, os.environ)


def _stamp_of_files(names: Sequence[str]) -> list[list[int]]:
    """Differs where one of the files may have changed since."""
    found = []
    for name in names:
        try:
            stat = Path(name).stat()
            found.append([stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino])
        except OSError as error:
            found.append([error.errno or 0])
    return found


def _file_digest(workspace: Workspace) -> str:
    try:
        text = workspace.compose_file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(_DATA.sub("", text).encode()).hexdigest()
