"""The certificate authority of this user's machine, which signs what `localhost` serves over HTTPS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from devenv.environments.access import accessing
from devenv.environments.caller import hand_over
from devenv.environments.files import write_atomically
from devenv.environments.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PRIVATE = 0o600
AUTHORITY_DAYS = 3650
SITE_DAYS = 90
RENEW_DAYS = 30
"""A site's certificate that has fewer days left is made anew."""
NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")
NETWORKS = ("127.0.0.0/8", "::1/128")
"""With `localhost` all that the authority may vouch for: its key, stolen, is good for no other site."""


@dataclass(frozen=True)
class Authority:
    """`certificate` is what browsers and tools are told to trust; `key` signs, and stays on this machine."""

    certificate: Path
    key: Path


def authority_files() -> Authority:
    """Where this user's authority is kept; environments share it, so that it is trusted once."""
    folder = Registry().folder / "authority"
    return Authority(folder / "ca.pem", folder / "ca-key.pem")


def machine_authority() -> Authority:
    """The authority of this user, made where there is none."""
    authority = authority_files()
    with Registry().locked("authority"), accessing(authority.key, authority.key.parent):
        if not (authority.certificate.exists() and authority.key.exists()):
            _make_authority(authority, datetime.now(UTC))
    return authority


def site_pem(authority: Authority, present: str, address: str, now: datetime) -> str:
    """A site's certificate, the authority's, and the site's key, as one text; `present` while it still holds.

    It is for `localhost` and the loopback addresses, `address` among them if it is one.
    """
    from cryptography import x509

    signer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    if present and _holds(present, signer, address, now):
        return present
    return _site(authority, signer, address, now)


def _holds(present: str, signer: x509.Certificate, address: str, now: datetime) -> bool:
    """Whether a site's certificate is of this authority, for this address, and not about to end."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        site = x509.load_pem_x509_certificate(present.encode())
        site.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    names = site.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    served = {str(one) for one in names.get_values_for_type(x509.IPAddress)}
    return set(_addresses(address)) <= served and site.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)


def _make_authority(authority: Authority, now: datetime) -> None:
    from cryptography import x509

    key, name = _new_key(), _name("devenv, for localhost on this machine only")
    allowed = [
        x509.DNSName("localhost"),
        *(x509.IPAddress(ipaddress.ip_network(network)) for network in NETWORKS),
    ]
    certificate = (
        _certificate(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(allowed, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_signs_certificates(), critical=True)
    )
    # Where it ends in between there is no certificate: nobody was told to trust the key that is replaced.
    write_atomically(authority.key, _key_text(key), PRIVATE)
    write_atomically(authority.certificate, _signed(certificate, key))
    for path in (authority.certificate.parent, authority.key, authority.certificate):
        hand_over(path)


def _site(authority: Authority, signer: x509.Certificate, address: str, now: datetime) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = _new_key()
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(one)) for one in _addresses(address)]
    identifier = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _certificate(_name("localhost"), signer.subject, key, now, SITE_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    signing: EllipticCurvePrivateKey = load_pem_private_key(authority.key.read_bytes(), None)  # type: ignore[assignment]
    return _signed(certificate, signing) + authority.certificate.read_text(encoding="ascii") + _key_text(key)


def _addresses(address: str) -> tuple[str, ...]:
    known = dict.fromkeys(ADDRESSES)
    if ipaddress.ip_address(address).is_loopback:
        known[address] = None
    return tuple(known)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    # From the day before: the clock of a virtual machine that slept may be behind.
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
    return builder.public_key(key.public_key()).serial_number(x509.random_serial_number())


def _signs_certificates() -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(certificate: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.sign(key, SHA256()).public_bytes(Encoding.PEM).decode("ascii")


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_text(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")
