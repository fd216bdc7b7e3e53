"""How a registry asks who we are (`WWW-Authenticate`), and what we answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from devenv.database.artifact import is_loopback
from devenv.model import Login

CLIENT = "devenv"
PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
SCHEME = re.compile(r"[\s,]*([A-Za-z0-9_-]+)(?=[\s,]|$)")

LoginOf = Callable[[str], Login | None]
"""What this machine knows of who it is to a registry's host; None where it knows nothing."""


@dataclass(frozen=True)
class Challenge:
    """One way in which a registry lets itself be answered: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class TokenRequest:
    """What to ask the server that gives tokens: `form` is for a POST, without it a GET is meant."""

    url: str
    query: tuple[tuple[str, str], ...] = ()
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def read_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a header, in which several may stand one behind the other."""
    found: list[tuple[str, dict[str, str]]] = []
    place = 0
    while place < len(header):
        parameter = PARAMETER.match(header, place) if found else None
        if parameter is not None:
            quoted = parameter[2]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
            found[-1][1][parameter[1].lower()] = value
            place = parameter.end()
            continue
        scheme = SCHEME.match(header, place)
        if scheme is None:
            break
        found.append((scheme[1].lower(), {}))
        place = scheme.end()
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def basic(login: Login) -> str:
    """The header that shows a name and a password."""
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def token_request(challenge: Challenge, scope: str, login: Login | None) -> TokenRequest | None:
    """How to get a token for our scope, and for the one that the challenge asks for; None without a realm."""
    realm, service = challenge.parameters.get("realm"), challenge.parameters.get("service", "")
    if not realm:
        return None
    scopes = list(dict.fromkeys(filter(None, (scope, challenge.parameters.get("scope")))))
    if login is not None and login.identity_token:
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": CLIENT,
            "scope": " ".join(scopes),
            "refresh_token": login.identity_token,
        }
        return TokenRequest(realm, form=form)
    query = (*((("service", service),) if service else ()), *(("scope", one) for one in scopes))
    return TokenRequest(realm, query, headers={"Authorization": basic(login)} if login is not None else {})


def is_safe(url: str) -> bool:
    """Whether a login may travel to an address: never in the clear over a network."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
