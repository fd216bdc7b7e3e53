"""The load balancer's configuration, byte for byte as in `tests/golden`, and what changes it."""

from __future__ import annotations

from devenv.render.haproxy import digest_of, render
from devenv.services.placement import Placement
from devenv.services.pods import Shape
from tests import golden_files as golden
from tests.samples import project


def text_of(pods: int = 2, *, tls: bool = False, files: str = "page", port: int = 8443) -> str:
    placement = Placement(root="/srv/shop", ports={"production.tls_port": port})
    return render(project(placement, shape=Shape(pods, tls)), "/health", files)


def test_golden() -> None:
    golden.check("haproxy.cfg", text_of())


def test_golden_with_https() -> None:
    golden.check("haproxy_tls.cfg", text_of(3, tls=True))


def test_the_usual_port_of_https_is_not_named_where_http_leads_there() -> None:
    assert "location https://%[req.hdr(host),field(1,:)]%[pathq]" in text_of(tls=True, port=443)


def test_the_digest_changes_with_the_pods_with_the_files_and_with_nothing_else() -> None:
    assert digest_of(text_of()) == digest_of(text_of())
    found = {digest_of(one) for one in (text_of(), text_of(3), text_of(tls=True), text_of(files="other"))}
    assert len(found) == 4
