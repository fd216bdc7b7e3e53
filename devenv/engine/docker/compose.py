"""Compose and buildx through python-on-whales."""

from __future__ import annotations

import re
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devenv.engine.observed import ExecResult
from devenv.errors import EngineUnavailableError, ImageError, OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import python_on_whales

    from devenv.engine.api import BuildRequest, LineSink

EVIDENCE_LINES = 20
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Compose:
    """Docker Compose on one generated file at a time, and buildx."""

    def create(self, compose_file: Path, services: Sequence[str] | None, on_line: LineSink) -> None:
        """Let Compose create what is missing and recreate what diverged, without starting it.

        The image of a user's own service is pulled or built where it is missing.
        """
        with _translated("create the containers") as tail:
            _report(
                _whales(compose_file).compose.up(
                    services=_services(services),
                    start=False,
                    # Our own images are here by now: what is missing is a user's own service's.
                    pull="missing",
                    remove_orphans=True,
                    stream_logs=True,
                ),
                on_line,
                tail,
            )

    def down(self, compose_file: Path, on_line: LineSink, *, volumes: bool = False) -> None:
        """Let Compose remove containers and the network, and with `volumes` its volumes."""
        with _translated("remove the containers") as tail:
            _report(
                _whales(compose_file).compose.down(remove_orphans=True, volumes=volumes, stream_logs=True),
                on_line,
                tail,
            )

    def stop(self, compose_file: Path, services: Sequence[str] | None, on_line: LineSink) -> None:
        """Let Compose stop services, dependents first; None means all."""
        with _translated("stop the containers") as tail:
            _report(
                _whales(compose_file).compose.stop(services=_services(services), stream_logs=True),
                on_line,
                tail,
            )

    def run_once(
        self,
        compose_file: Path,
        service: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        name: str,
    ) -> ExecResult:
        """Run a command in a new container of the service, called `name`, and remove it.

        Its dependencies are left alone. A killed devenv leaves it running, under that name.
        """
        from python_on_whales.exceptions import DockerException

        lines: list[str] = []
        with _translated(f"run a command in {service}"):
            stream: Any = _whales(compose_file).compose.run(
                service,
                list(command),
                envs=dict(environment),
                name=name,
                dependencies=False,
                remove=True,
                tty=False,
                stream=True,
            )
            try:
                lines.extend(raw.decode(errors="replace").rstrip() for _, raw in stream)
            except DockerException as error:
                return ExecResult(error.return_code, "\n".join(lines))
        return ExecResult(0, "\n".join(lines))

    def build(self, request: BuildRequest, on_line: LineSink) -> None:
        """Build an image; raises ImageError `build_failed` with the last lines as evidence."""
        import python_on_whales
        from python_on_whales.exceptions import DockerException

        tail: deque[str] = deque(maxlen=EVIDENCE_LINES)
        try:
            stream: Any = python_on_whales.DockerClient().buildx.build(
                request.context,
                tags=[request.tag],
                build_args=dict(request.build_args),
                secrets=[f"id={name},src={path}" for name, path in request.secrets.items()],
                labels=dict(request.labels),
                cache=request.use_cache,
                load=True,
                progress="plain",
                stream_logs=True,
            )
            for raw in stream:
                line = ANSI.sub("", str(raw)).rstrip()
                if line:
                    tail.append(line)
                    on_line(line)
        except DockerException as error:
            raise ImageError(
                f"building {request.tag} from {request.context} failed",
                code="build_failed",
                evidence=tuple(tail),
                hint="mend what the last lines name, then run `devenv up` again",
            ) from error


def _whales(compose_file: Path) -> python_on_whales.DockerClient:
    import python_on_whales

    return python_on_whales.DockerClient(
        compose_files=[compose_file], compose_project_directory=compose_file.parent.parent
    )


def _services(services: Sequence[str] | None) -> list[str] | None:
    """For python-on-whales an empty list means no service at all and None means every service."""
    return list(services) if services is not None else None


def _report(stream: Iterable[tuple[str, bytes]] | None, on_line: LineSink, tail: deque[str]) -> None:
    for _, raw in stream or ():
        line = ANSI.sub("", raw.decode(errors="replace")).strip()
        if line:
            tail.append(line)
            on_line(line)


@contextmanager
def _translated(doing: str) -> Iterator[deque[str]]:
    """Raise what python-on-whales raises as ours; the body may leave lines of evidence."""
    from python_on_whales.client_config import ClientNotFoundError, ParsingError
    from python_on_whales.exceptions import DockerException

    tail: deque[str] = deque(maxlen=EVIDENCE_LINES)
    try:
        yield tail
    except ClientNotFoundError as error:
        raise EngineUnavailableError(
            f"the `docker` client is not on PATH: cannot {doing}", hint="run `devenv setup`"
        ) from error
    except (DockerException, ParsingError) as error:
        evidence = tuple(tail) or tuple(str(getattr(error, "stderr", "") or error).splitlines())
        if any("is not a docker command" in line for line in evidence):
            raise EngineUnavailableError(
                f"Docker Compose is missing: cannot {doing}", hint="run `devenv setup`", evidence=evidence
            ) from error
        raise OperationError(
            f"Compose could not {doing}", code="compose_failed", evidence=evidence
        ) from error
