"""The backend's image as production runs it: its own code, its own user, nothing for development."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import Engine, free_ports, request, tried, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import Stack


@pytest.fixture
def production(stack: Stack) -> Iterator[tuple[Engine, str, int]]:
    """The image without a mapping, on the shared environment's database; its id and port."""
    api, port = stack.engine.api, free_ports(1)[0]
    variables = {"SECRET_KEY": "e2e", "DB_HOST": "database", "DB_PWD": "toor", "ALLOWED_HOSTS": "*"}
    variables["WEB_CONCURRENCY"] = "1"  # one process, so that every answer comes from the same
    container = stack.engine.run_beside(
        stack.engine.service("backend")["Config"]["Image"],
        environment=variables,
        ports=[8000],
        host_config=api.create_host_config(port_bindings={8000: ("127.0.0.1", port)}),
    )
    try:
        until(lambda: (answer := tried(port, "/health")) and answer.status == 200, "its health", 30)
        yield stack.engine, container, port
    finally:
        api.remove_container(container, force=True, v=True)


def test_the_image_alone_is_not_root_and_shows_no_debug_page(production: tuple[Engine, str, int]) -> None:
    engine, container, port = production

    assert engine.execute(container, "id", "-u") == (0, "10001\n")
    assert request(port, "/").status == 200
    missing = request(port, "/no-such-page")
    assert missing.status == 404
    assert "DEBUG" not in missing.text
    assert "urlpatterns" not in missing.text


def test_the_image_alone_does_not_reload(production: tuple[Engine, str, int]) -> None:
    engine, container, port = production
    before = request(port, "/").text
    change = (
        "sed -i 's/<h1>Campaigns/<h1>Changed/' campaigns/templates/campaigns/index.html && "
        "sed -i 's/self.get_response(request)/1 \\/ 0/' campaigns/middleware.py"
    )
    status, output = engine.execute(container, "sh", "-c", change, user="root")
    assert status == 0, output

    answers = [request(port, "/") for _ in range(10)]

    assert {answer.status for answer in answers} == {200}
    assert "<h1>Campaigns" in before
    assert not any("Changed" in answer.text for answer in answers)
    workers = engine.execute(container, "sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'")[1]
    assert "RELOAD=" not in workers
    assert "DEBUG=" not in workers


def test_the_image_alone_refuses_to_start_without_a_secret_key(stack: Stack) -> None:
    api = stack.engine.api
    image = stack.engine.service("backend")["Config"]["Image"]
    container = api.create_container(image, labels={"devenv.project": stack.name})["Id"]
    try:
        api.start(container)
        assert api.wait(container, timeout=30)["StatusCode"] != 0
        assert "SECRET_KEY is not set" in api.logs(container).decode()
    finally:
        api.remove_container(container, force=True, v=True)
