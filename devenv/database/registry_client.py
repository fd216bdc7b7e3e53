"""HTTP with one registry: who we are is said when it asks, and every failure becomes an error that names it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment

import requests
from requests.auth import AuthBase

from devenv.database.challenge import Challenge, LoginOf, basic, is_safe, read_challenges, token_request
from devenv.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from requests import PreparedRequest, Response

    from devenv.database.artifact import Reference
    from devenv.model import Login

CONNECT_SECONDS = 20
"""To connect, and for each piece that is sent."""
ANSWER_SECONDS = 300
"""Without a byte: a registry that puts a large blob away says nothing meanwhile."""
PIECE = 1 << 18
LONGEST_ANSWER = 4 << 20
ALIASES = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Hosts whose registry answers at another one."""
NO_PROXY = "localhost,127.0.0.0/8,::1"

OK = 200
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
REFUSALS = frozenset({400, UNAUTHORIZED, FORBIDDEN})
"""What a server that gives tokens says to a login that is none."""


class RegistryClient:
    """Sends requests to the registry of one reference; nothing is tried again, but for one question who we are.

    Raises OperationError `registry_unreachable`, `registry_denied`, `artifact_not_found` or `registry_failed`.
    """

    def __init__(self, reference: Reference, logins: LoginOf, *, writes: bool, trusted: str | None) -> None:
        scheme = "http" if reference.is_loopback else "https"
        origin = f"{scheme}://{ALIASES.get(reference.host, reference.host).lower()}"
        self._reference = reference
        self._logins = logins
        self.base = f"{origin}/v2/{reference.repository}"
        self._scope = f"repository:{reference.repository}:{'pull,push' if writes else 'pull'}"
        self._authorization = _Authorization(origin)
        self._session = requests.Session()
        self._session.verify = trusted or True

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        expected: Collection[int],
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """The answer, not yet read; who we are is said when the registry asks, and once more if that ran out."""
        url = f"{self.base}{path}" if path.startswith("/") else path
        response = self._send(method, url, data=body, headers=headers)
        try:
            if response.status_code == UNAUTHORIZED and self._authorize(response):
                response.close()
                response = self._send(method, url, data=body, headers=headers)
        except BaseException:
            response.close()
            raise
        if response.status_code not in expected:
            raise self._refused(response)
        return response

    def _authorize(self, response: Response) -> bool:
        """Answer the registry's question; whether there is anything to answer it with."""
        challenges = {
            one.scheme: one for one in read_challenges(response.headers.get("WWW-Authenticate", ""))
        }
        login = self._logins(self._reference.host)
        if "bearer" in challenges:
            token = self._token(challenges["bearer"], login)
            self._authorization.header = f"Bearer {token}" if token else None
        elif "basic" in challenges and login is not None and login.username:
            self._authorization.header = basic(login)
        else:
            return False
        return self._authorization.header is not None

    def _token(self, challenge: Challenge, login: Login | None) -> str | None:
        request = token_request(challenge, self._scope, login)
        if request is None:
            return None
        if login is not None and not is_safe(request.url):
            raise self.failed(f"it wants your login sent to {request.url}")
        response = self._send(
            "POST" if request.form is not None else "GET",
            request.url,
            params=request.query,
            data=request.form,
            headers=request.headers,
            auth=_Authorization(""),
            # A login goes where the registry said, and no further.
            allow_redirects=False,
        )
        with response:
            if response.status_code in REFUSALS:
                raise self._denied(response)
            if response.status_code != OK:
                raise self.failed(f"it gives no token, but HTTP {response.status_code}")
            found = json_object(self.content(response))
        token = found.get("token") or found.get("access_token")
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else None

    def _send(self, method: str, url: str, **options: Any) -> Response:
        options["headers"] = {"Accept-Encoding": "identity", **(options.get("headers") or {})}
        own = getproxies_environment().get("no", "")
        with self._reached():
            return self._session.request(
                method,
                url,
                stream=True,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                # A registry on this machine is never behind a proxy.
                proxies={"no_proxy": ",".join(filter(None, (own, NO_PROXY)))},
                **{"auth": self._authorization, **options},
            )

    def pieces(self, response: Response) -> Iterator[bytes]:
        """An answer as it comes."""
        with self._reached():
            yield from response.iter_content(PIECE)

    def content(self, response: Response) -> bytes:
        """All of a short answer."""
        content = b""
        for piece in self.pieces(response):
            content += piece
            if len(content) > LONGEST_ANSWER:
                raise self.failed(f"an answer is longer than {LONGEST_ANSWER} bytes")
        return content

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """What requests raises, as ours."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise self._unreachable(
                "its certificate is not trusted, or it speaks no HTTPS",
                error,
                "name the CA bundle that signs it in SSL_CERT_FILE",
            ) from error
        except requests.exceptions.RequestException as error:
            raise self._unreachable("it does not answer, or broke off", error, None) from error

    def _unreachable(self, text: str, error: Exception, hint: str | None) -> OperationError:
        cause = error.args[0] if error.args else error
        return OperationError(
            f"the registry {self._reference.host} cannot be reached: {text}",
            code="registry_unreachable",
            where=str(self._reference),
            # Without the pool and the address, in which there may be a token.
            evidence=(str(getattr(cause, "reason", cause)),),
            hint=hint or "check the host and the network, and run the command again",
        )

    def _refused(self, response: Response) -> OperationError:
        """Why an answer is not what was expected, in the registry's own words too."""
        status = response.status_code
        if status in {UNAUTHORIZED, FORBIDDEN}:
            return self._denied(response)
        evidence = self._words(response)
        if status == NOT_FOUND:
            return not_found(self._reference, evidence)
        return self.failed(f"it answered HTTP {status} to {response.request.method}", evidence)

    def _denied(self, response: Response) -> OperationError:
        host = self._reference.host
        return OperationError(
            f"the registry {host} does not let you use {self._reference.repository} (HTTP {response.status_code})",
            code="registry_denied",
            where=str(self._reference),
            evidence=self._words(response),
            hint=f"run `docker login {host}`, and check that you may use this repository",
        )

    def failed(self, text: str, evidence: tuple[str, ...] = ()) -> OperationError:
        """The error for a registry that does not do what registries do."""
        return OperationError(
            f"the registry {self._reference.host} failed: {text}",
            code="registry_failed",
            where=str(self._reference),
            evidence=evidence,
            hint="run the command again later, or ask who runs the registry",
        )

    def _words(self, response: Response) -> tuple[str, ...]:
        """The reasons that an error's body gives, if any; none where it breaks off."""
        try:
            with response:
                errors = json_object(self.content(response)).get("errors")
        except OperationError:
            return ()
        rows = [row for row in errors if isinstance(row, dict)] if isinstance(errors, list) else []
        return tuple(f"{row.get('code', '?')}: {row.get('message', '')}" for row in rows[:5])


def not_found(reference: Reference, evidence: tuple[str, ...] = ()) -> OperationError:
    """The error for what the registry does not have."""
    return OperationError(
        f"the registry {reference.host} does not have it",
        code="artifact_not_found",
        where=str(reference),
        evidence=evidence,
        hint="check the repository and the tag",
    )


class _Authorization(AuthBase):
    """The header for the registry itself, and for nobody else to whom it sends us.

    Being there at all keeps requests from looking for a password in ~/.netrc.
    """

    def __init__(self, origin: str) -> None:
        self.header: str | None = None
        self._origin = origin

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self.header is not None and (request.url or "").startswith(f"{self._origin}/"):
            request.headers["Authorization"] = self.header
        return request


def json_object(raw: bytes) -> dict[str, Any]:
    """An answer as an object; an empty one where it is none."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
