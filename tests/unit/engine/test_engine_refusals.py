"""What the engine and Compose really say when they refuse (seen with Engine 26 and Compose 2.26), and our words for it."""

from __future__ import annotations

import pytest

from devenv.engine.docker.refusals import refusal

TASK = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
EXEC = TASK + "unable to start container process: "


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        (
            f'{EXEC}exec: "nope": executable file not found in $PATH: unknown',
            "command_not_found",
            'exec: "nope": executable file not found in $PATH',
        ),
        (
            f'{EXEC}exec: "/etc/passwd": permission denied: unknown',
            "command_not_found",
            'exec: "/etc/passwd": permission denied',
        ),
        ("Error response from daemon: no command specified", "command_not_found", "no command specified"),
        (
            f"{EXEC}exec /prog: exec format error: unknown",
            "wrong_architecture",
            "exec /prog: exec format error",
        ),
        (
            "no matching manifest for linux/amd64 in the manifest list entries",
            "wrong_architecture",
            "no matching manifest for linux/amd64 in the manifest list entries",
        ),
        (
            "Error response from daemon: image with reference fx:1 was found but does not match the specified platform: wanted linux/amd64",
            "wrong_architecture",
            "image with reference fx:1 was found but does not match the specified platform: wanted linux/amd64",
        ),
        (
            "driver failed programming external connectivity: listen tcp4 127.0.0.1:18999: bind: address already in use",
            "port_in_use",
            None,
        ),
        ("Bind for 127.0.0.1:80 failed: port is already allocated", "port_in_use", None),
        ("write /var/lib/docker/x: no space left on device", "disk_full", None),
        ("chown /var/lib/docker/overlay2/5f-init/work/work: no such file or directory", "disk_full", None),
        (
            'Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /nope',
            "mount_missing",
            'invalid mount config for type "bind": bind source path does not exist: /nope',
        ),
        ("Mounts denied: \nThe path /x is not shared from the host", "mount_not_shared", None),
        ("Error response from daemon: No such image: nope:1", "image_missing", "No such image: nope:1"),
        (
            "pull access denied for nope/nope, repository does not exist or may require 'docker login'",
            "pull_denied",
            None,
        ),
        ("manifest for 127.0.0.1:5000/nope:1 not found: manifest unknown", "pull_denied", None),
        (
            'one Error Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host',
            "registry_unreachable",
            None,
        ),
        (
            'failed to solve: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
            "build_failed",
            None,
        ),
        ("unable to find user nobodyx: no matching entries in passwd file", "user_unknown", None),
        (
            'error gathering device information while adding custom device "/dev/nope": no such file or directory',
            "device_missing",
            None,
        ),
        (
            "Error response from daemon: network nopenet not found",
            "network_missing",
            "network nopenet not found",
        ),
        (
            "network nopenet declared as external, but could not be found",
            "network_missing",
            None,
        ),
        ('external volume "nopevol" not found', "volume_missing", None),
        (
            "remove devenv_snapshot_30b_data: volume is in use - [528bfa3e0bdab74f81732fc2e4377d7e]",
            "volume_in_use",
            None,
        ),
        (
            'Conflict. The container name "/web" is already in use by container "0a1b"',
            "name_taken",
            None,
        ),
        (
            "env file /srv/none.env not found: stat /srv/none.env: no such file or directory",
            "env_file_missing",
            None,
        ),
        (
            "validating /srv/.devenv/compose.yaml: services.web Additional property imag is not allowed",
            "service_invalid",
            None,
        ),
        ('service "web" has neither an image nor a build context specified', "service_invalid", None),
    ],
)
def test_a_refusal_and_its_code(line: str, code: str, reason: str | None) -> None:
    found = refusal(["something before", line])
    assert found is not None
    assert (found.code, found.reason) == (code, reason or line)
    assert found.hint


def test_words_that_nobody_knows() -> None:
    assert refusal(["Error response from daemon: the moon is too bright"]) is None


def test_what_the_words_name_is_in_the_detail() -> None:
    found = refusal(["bind source path does not exist: /srv/data"])
    assert found is not None
    assert found.detail == {"mount": "/srv/data"}
