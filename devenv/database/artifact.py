"""A snapshot as an artifact in an OCI registry: how it is addressed, and what its manifest says."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from devenv.database.snapshots import Key
from devenv.errors import OperationError, RefusedError, UsageError

SCHEME = "oci://"
ARTIFACT = "application/vnd.devenv.snapshot.v1"
LAYER = "application/vnd.devenv.snapshot.layer.v1"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
READABLE = (
    MANIFEST,
    INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""What a registry may answer with; all but the first are named in the refusal rather than not found."""
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"

_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
ADDRESS = re.compile(
    r"oci://"
    r"(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?)"
    rf"/(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))?"
)
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
SNAPSHOT_KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Reference:
    """`oci://HOST[:PORT]/REPOSITORY`, with a tag, a digest or neither."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read it; raises UsageError `bad_reference`."""
        match = ADDRESS.fullmatch(text)
        if match is None:
            # Whoever writes a password into the address must not find it in a log.
            user = "@" in text.partition("://")[2].partition("/")[0]
            shown = "an address with a user in it" if user else f'"{text}"'
            raise UsageError(
                f"expected oci://HOST[:PORT]/REPOSITORY[:TAG], got {shown}",
                code="bad_reference",
                hint="a repository is in lower case; who you are is what `docker login HOST` is for",
            )
        return cls(**match.groupdict())

    def __str__(self) -> str:
        behind = f":{self.tag}" if self.tag else f"@{self.digest}" if self.digest else ""
        return f"{SCHEME}{self.host}/{self.repository}{behind}"

    @property
    def name(self) -> str | None:
        """By what the registry finds the manifest."""
        return self.digest or self.tag

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, where registries speak HTTP; all others speak HTTPS."""
        return is_loopback(re.sub(r":[0-9]+$", "", self.host).strip("[]"))

    def tagged(self, tag: str) -> Reference:
        """Itself, with that tag where it has none; raises UsageError for a digest, which nobody can choose."""
        if self.digest is not None:
            raise UsageError(
                f"a snapshot is pushed to a tag; {self} names a digest",
                code="bad_reference",
                hint=f"say {replace(self, digest=None, tag=tag)}",
            )
        return self if self.tag else replace(self, tag=tag)


@dataclass(frozen=True)
class Artifact:
    """What a manifest says of a snapshot, and of the archive that holds it.

    `bytes` is the size of the data, `size` that of the archive, `digest` the archive's.
    """

    key: str
    name: str | None
    server: str
    created: str
    origin: str
    bytes: int
    digest: str
    size: int

    @property
    def title(self) -> str:
        """The archive's name as a file."""
        return f"{self.name or self.key}.snap"


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without port or brackets, means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def digest_of(content: bytes) -> str:
    """How registries name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write_manifest(artifact: Artifact) -> bytes:
    """The manifest, the same bytes for the same artifact."""
    annotations = {
        CREATED: artifact.created,
        Key.KEY: artifact.key,
        Key.SERVER: artifact.server,
        Key.ORIGIN: artifact.origin,
        Key.BYTES: str(artifact.bytes),
        **({Key.NAME: artifact.name} if artifact.name is not None else {}),
    }
    layer = {
        "mediaType": LAYER,
        "digest": artifact.digest,
        "size": artifact.size,
        "annotations": {TITLE: artifact.title},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)},
        "layers": [layer],
        "annotations": annotations,
    }
    return json.dumps(manifest, sort_keys=True).encode()


def read_manifest(raw: bytes, reference: Reference) -> Artifact:
    """What a manifest says; raises RefusedError `artifact_foreign`, or OperationError `artifact_damaged`."""
    try:
        manifest = json.loads(raw)
    except ValueError as error:
        raise damaged(reference, "its manifest is no JSON") from error
    kind = _kind(manifest)
    if kind != ARTIFACT:
        ours = kind.startswith(ARTIFACT.removesuffix("1"))
        raise foreign(reference, f"it is {kind}", "use the same devenv on both sides" if ours else None)
    try:
        return _artifact(manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(reference, f"its manifest cannot be used: {error}") from error


def foreign(reference: Reference, reason: str, hint: str | None = None) -> RefusedError:
    """The error for what was not pushed by us."""
    return RefusedError(
        f"this is no snapshot of devenv's: {reason}",
        code="artifact_foreign",
        where=str(reference),
        hint=hint or f"expected what `devenv snapshot push NAME {SCHEME}...` made",
    )


def damaged(reference: Reference, reason: str) -> OperationError:
    """The error for what did not arrive as it was pushed."""
    return OperationError(
        f"the artifact is damaged: {reason}",
        code="artifact_damaged",
        where=str(reference),
        hint=f"pull it again, or push it anew: `devenv snapshot push NAME {SCHEME}...`",
    )


def _kind(manifest: Any) -> str:
    """Our own type, or what else it is, in words or by its type."""
    if not isinstance(manifest, dict):
        return "no manifest"
    if isinstance(manifest.get("manifests"), list):
        return "an index of images"
    config = manifest.get("config")
    config_type = config.get("mediaType") if isinstance(config, dict) else None
    kind = manifest.get("artifactType") or config_type
    if not isinstance(kind, str):
        return "no artifact"
    return "a container image" if ".image." in kind else kind


def _artifact(manifest: dict[str, Any]) -> Artifact:
    """Raises KeyError, TypeError or ValueError for what we do not write."""
    layers, annotations = manifest["layers"], manifest["annotations"]
    if len(layers) != 1 or layers[0]["mediaType"] != LAYER:
        raise ValueError("it does not have one layer with an archive")
    layer = layers[0]
    found = Artifact(
        key=annotations[Key.KEY],
        name=annotations.get(Key.NAME),
        server=annotations[Key.SERVER],
        created=annotations[CREATED],
        origin=annotations[Key.ORIGIN],
        bytes=int(annotations[Key.BYTES]),
        digest=layer["digest"],
        size=layer["size"],
    )
    texts = (found.key, found.name or "", found.server, found.created, found.origin, found.digest)
    if not all(isinstance(text, str) for text in texts) or not SNAPSHOT_KEY.fullmatch(found.key):
        raise ValueError("its key or its texts are none")
    if not SHA256.fullmatch(found.digest) or type(found.size) is not int or found.size < 0:
        raise ValueError("its archive has no digest or no size")
    return found
