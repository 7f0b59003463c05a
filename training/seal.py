"""Who vouches for a release: Ed25519 signatures in a file beside it, verified before it is parsed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import ReleaseError
from data.settings import settings
from data.warehouse import canonical_json, replace_file

FILE = "signature.json"
LARGEST = 65_536  # bytes of the file; a signature takes 260
NEED_ANOTHER_PERSON = ("credit_risk",)

Role = Literal["trainer", "approver", "operator"]
Keys = Mapping[str, str]  # registered actor -> public key in hexadecimal
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Signed(BaseModel):
    """One person's signature; an operator vouches for what somebody else trained elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Role
    actor: str
    key: Key
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class Seal(BaseModel):
    """The file: what is signed, and by whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    release: Key
    report: Key
    signatures: Annotated[tuple[Signed, ...], Field(min_length=1)]


def message(role: Role, model: str, version: str, release: str, report: str) -> bytes:
    """What a signature is of: a role, and the digests of a release and of its report."""
    facts = {"model": model, "version": version, "release": release, "report": report}
    return canonical_json({"role": role, **facts}).encode()


def holds(key: str, signed: bytes, signature: str) -> bool:
    """Whether the owner of a public key made a signature of something; all but bytes in hex."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(signature), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def write(folder: Path, seal: Seal) -> None:
    """Lay signatures beside a release.

    Raises:
        ReleaseError: the folder cannot be written.
    """
    try:
        replace_file(folder / FILE, canonical_json(seal.model_dump(mode="json")).encode())
    except OSError as error:
        raise ReleaseError(f"{folder / FILE} cannot be written ({error.strerror}).") from None


def read(folder: Path) -> Seal | None:
    """The signatures beside a release, not verified yet; None without any.

    Raises:
        ReleaseError: the file is damaged.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        return Seal.model_validate_json(content) if len(content) <= LARGEST else _broken(path)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        return _broken(path)


def verify(folder: Path, release: str, report: str, keys: Keys) -> Seal:
    """The signatures of a release, all of which hold and are by registered actors.

    Args:
        release, report: the digests of the release and of its report.

    Raises:
        ReleaseError: one does not hold, is of something else or by a stranger, or there is none
            but an approval.
    """
    found = read(folder)
    if found is None:
        raise ReleaseError(f"{folder} is not signed; {remedy(folder)}.")
    if (found.release, found.report) != (release, report):
        raise ReleaseError(
            f"{folder / FILE} is of another release than stands there; {remedy(folder)}."
        )
    for one in found.signatures:
        if keys.get(one.actor) != one.key:
            raise ReleaseError(
                f"{folder} is signed by {one.actor[:40]!r} with a key that is not registered here;"
                f" {remedy(folder)}."
            )
        signed = message(one.role, found.model, found.version, found.release, found.report)
        if not holds(one.key, signed, one.signature):
            raise ReleaseError(
                f"{folder / FILE}: the signature of {one.actor} does not hold; {remedy(folder)}."
            )
    if all(one.role == "approver" for one in found.signatures):
        raise ReleaseError(f"{folder} is approved but not signed; {remedy(folder)}.")
    return found


def _broken(path: Path) -> Seal:
    raise ReleaseError(f"{path} is damaged; {remedy(path.parent)}.")


def remedy(folder: Path) -> str:
    """What helps a release that is not signed, in words."""
    inside = folder.absolute().parent.parent == settings().releases.absolute()
    named = f"{folder.parent.name} {folder.name}" if inside else str(folder)
    return f"whoever has checked it signs it with ./zhike training sign {named} --actor NAME"
