"""The authority of this machine: what it signs, what it may sign, and who may read its keys."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from socket import create_connection, create_server
from typing import TYPE_CHECKING

import pytest

from devenv.environments.authority import RENEW_DAYS, SITE_DAYS, machine_authority, site_pem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime.now(UTC)


@contextmanager
def served(pem: str, folder: Path) -> Iterator[int]:
    """A port on which one visitor is greeted with this certificate."""
    file = folder / "served.pem"
    file.write_text(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def greet(listener: ssl.SSLSocket) -> None:
        with suppress(OSError):  # who does not trust it hangs up
            listener.accept()[0].close()

    with (
        closing(create_server(("127.0.0.1", 0))) as plain,
        context.wrap_socket(plain, server_side=True) as listener,
    ):
        thread = threading.Thread(target=greet, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def visit(port: int, name: str, trusted: Path) -> str | None:
    """The version of TLS that a visitor gets who trusts only this authority."""
    context = ssl.create_default_context(cafile=trusted)
    with (
        create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return secured.version()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_visitor_who_trusts_the_authority_trusts_the_site(tmp_path: Path, name: str) -> None:
    authority = machine_authority()

    with served(site_pem(authority, "", "127.0.0.1", NOW), tmp_path) as port:
        assert visit(port, name, authority.certificate) in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("name", ["example.com", "127.0.0.9"])
def test_the_site_is_no_other(tmp_path: Path, name: str) -> None:
    authority = machine_authority()

    with (
        served(site_pem(authority, "", "127.0.0.1", NOW), tmp_path) as port,
        pytest.raises(ssl.SSLCertVerificationError, match="match"),
    ):
        visit(port, name, authority.certificate)


def test_the_authority_cannot_vouch_for_a_site_on_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = machine_authority()
    monkeypatch.setattr("devenv.environments.authority.NAMES", ("example.com",))

    with (
        served(site_pem(authority, "", "127.0.0.1", NOW), tmp_path) as port,
        pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"),
    ):
        visit(port, "example.com", authority.certificate)


def test_an_address_of_the_loopback_is_among_those_served(tmp_path: Path) -> None:
    authority = machine_authority()

    with served(site_pem(authority, "", "127.0.0.9", NOW), tmp_path) as port:
        assert visit(port, "127.0.0.9", authority.certificate)


def test_the_authority_is_made_once_and_its_key_is_its_owners() -> None:
    first = machine_authority()
    key = first.key.read_bytes()

    assert machine_authority() == first
    assert first.key.read_bytes() == key
    assert first.key.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in first.certificate.read_bytes()


def test_a_certificate_is_kept_until_it_is_about_to_end() -> None:
    authority = machine_authority()
    first = site_pem(authority, "", "127.0.0.1", NOW)
    late = NOW + timedelta(days=SITE_DAYS - RENEW_DAYS + 1)

    assert site_pem(authority, first, "127.0.0.1", NOW + timedelta(days=1)) == first
    assert site_pem(authority, first, "127.0.0.1", late) != first
    assert site_pem(authority, first, "127.0.0.9", NOW) != first
    assert site_pem(authority, "damaged", "127.0.0.1", NOW).startswith("-----BEGIN CERTIFICATE-----")


def test_a_certificate_of_a_former_authority_is_made_anew() -> None:
    authority = machine_authority()
    first = site_pem(authority, "", "127.0.0.1", NOW)
    authority.certificate.unlink()

    assert site_pem(machine_authority(), first, "127.0.0.1", NOW) != first
