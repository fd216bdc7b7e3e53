"""What `docker login` left on this machine: in its configuration, or with a credential helper."""

from __future__ import annotations

import warnings

from devenv.errors import OperationError
from devenv.model import Login


def login_of(host: str) -> Login | None:
    """Who we are to the registry at `host`; None where nobody logged in there.

    Reads `config.json` in `~/.docker` or in the folder that DOCKER_CONFIG names, and asks the helper that it
    names. Raises OperationError `login_unreadable`.
    """
    import docker.auth
    import docker.errors

    try:
        with warnings.catch_warnings():
            # A helper that is missing is warned of, and then raised.
            warnings.simplefilter("ignore")
            found = docker.auth.load_config().resolve_authconfig(host)
    except (docker.errors.DockerException, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise OperationError(
            f"Docker's configuration does not say who you are to {host}",
            code="login_unreadable",
            # Of a damaged entry Python shows the content.
            evidence=(
                str(error) if isinstance(error, docker.errors.DockerException) else type(error).__name__,
            ),
            hint=f"run `docker login {host}`, or mend `config.json` in ~/.docker",
        ) from error
    # A credential helper's answer has other capitals than an entry of the file.
    words = {str(name).lower(): str(value) for name, value in (found or {}).items() if value}
    if "identitytoken" in words:
        return Login(identity_token=words["identitytoken"])
    if "username" not in words:
        return None
    return Login(words["username"], words.get("password", ""))
