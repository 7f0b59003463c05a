"""A release: one model as a directory that vouches for itself.

releases/NAME/VERSION/model.txt     the calibrated booster, plain LightGBM text
                      release.json  what it is: recipe, label contract, data, judgement
                      golden.json   rows and the margins they must give, in hexadecimal
                      card.json     the validation report that an approval is a signature of
                      digests.json  SHA-256 of the four, and of all of them together
                      signature.json  who vouches for these digests, see training.seal
                      card.html     card.json as a page, with the signatures that came later
releases/NAME/champion.json         which version answers
"""

import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import ReleaseError
from data.settings import settings
from data.warehouse import canonical_json, flush, replace_file
from features.definition import Array
from training import seal
from training.conformal import Spread
from training.tables.columns import Column
from training.trees import Forest

FILES = ("model.txt", "release.json", "golden.json", "card.json")
PAGE = "card.html"
GOLDEN_ROWS = 50
SPAN = (0.01, 0.25, 0.75, 0.99)
Span = tuple[float, float, float, float]


class Lineage(BaseModel):
    """What a model was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: str
    catalogue: str
    source: str
    train_dates: tuple[str, ...]
    test_dates: tuple[str, ...]
    left_out: dict[str, int]
    data_until: str = ""
    libraries: dict[str, str] = {}


def libraries() -> dict[str, str]:
    """Version of each library on which the trees depend, and of Python."""
    found = {name: importlib.metadata.version(name) for name in ("lightgbm", "numpy", "pandas")}
    return {"python": platform.python_version(), **found}


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What changed between the libraries of two releases, in words; nothing where all are equal."""
    return ", ".join(
        f"{name} {before[name]} then, {now.get(name, 'none')} now"
        for name in sorted(before)
        if before[name] != now.get(name)
    )


class ReleaseCard(BaseModel):
    """Everything about a model but its trees.

    ``typical`` are the medians of the customers learnt from, ``spans`` their 1st, 25th, 75th and
    99th percentiles; ``extrapolated`` says that nobody has observed the whole outcome. A model of a bank's own table declares its ``columns`` with their code books,
    says of others why they are ``unused``, and what leaving out protected ones costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    product: str | None
    version: str
    unit: str
    answer: str
    label_version: str
    population: str
    outcome: str
    horizon_days: int
    horizons: tuple[int, ...] = ()
    extrapolated: bool = False
    features: tuple[str, ...]
    typical: dict[str, float | None]
    spans: dict[str, Span] = {}
    parameters: dict[str, Any]
    calibration: dict[str, float]
    judgement: dict[str, Any]
    lineage: Lineage
    provisional: bool
    search: dict[str, Any] | None = None
    trainer: str = ""
    spread: Spread | None = None
    notes: tuple[str, ...] = ()
    definition: dict[str, str] = {}
    answer_notes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    unused: dict[str, str] = {}
    protected: dict[str, Any] | None = None

    @property
    def profiled(self) -> tuple[str, ...]:
        """The inputs that a profile holds: all but the horizon, which comes last."""
        return self.features[:-1] if self.horizons else self.features

    @property
    def tree_features(self) -> tuple[str, ...]:
        """What the trees call the features; a table's columns may have names that trees cannot."""
        return tree_names(len(self.columns)) if self.columns else self.features


def tree_names(count: int) -> tuple[str, ...]:
    """What trees call the columns of a table."""
    return tuple(f"column_{place}" for place in range(count))


@dataclass(frozen=True)
class Release:
    """A release whose digests hold, and whose ``signed`` signatures have been verified."""

    folder: Path
    card: ReleaseCard
    model: str
    golden_rows: Array
    golden_margins: tuple[str, ...]
    digest: str
    report: dict[str, Any]
    report_digest: str
    signed: tuple[seal.Signed, ...] = ()


def write(
    about: ReleaseCard,
    model: str,
    rows: Array,
    report: Mapping[str, Any],
    page: str = "",
    folder: Path | None = None,
) -> Path:
    """Write a release whole or not at all.

    Args:
        model: LightGBM text of the calibrated booster.
        rows: profiles to draw the golden rows from, shape (n, features).
        report: the validation report, plain values.
        page: the report as HTML.
        folder: where to, empty or not there yet; by default its place under the home.

    Raises:
        ReleaseError: there is already a release of this name and version, the model's text
            cannot be read, or the disk is full.
    """
    golden = _golden_rows(rows)
    margins = Forest.from_text(model).margin(golden)
    contents = {
        "model.txt": model,
        "release.json": canonical_json(about.model_dump(mode="json")),
        "golden.json": canonical_json(
            {
                "rows": [[float(v).hex() for v in row] for row in golden],
                "margins": [float(m).hex() for m in margins],
            }
        ),
        "card.json": canonical_json(report),
    }
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}
    contents["digests.json"] = canonical_json({**digests, "release": _together(digests)})
    contents[PAGE] = page
    if folder is None:
        folder = settings().releases / about.name / about.version
        if folder.exists():
            raise ReleaseError(f"{folder} is there already; a release is never written twice.")
    folder = folder.absolute()
    draft = draft_of(folder)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for name, text in contents.items():
            replace_file(draft / name, text.encode())
        draft.replace(folder)
        flush(folder.parent)
    except OSError as error:
        raise ReleaseError(
            f"{folder} cannot be written ({error.strerror}); nothing of it was kept. Make room"
            " and train again."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def draft_of(folder: Path) -> Path:
    """Where a release is put together before it takes its place."""
    return folder.with_name(f".draft-{folder.name}")


def _golden_rows(rows: Array) -> Array:
    """A spread of real rows, and the rows nobody expects: all missing, all extreme."""
    width = rows.shape[1]
    drawn = rows[np.linspace(0, len(rows) - 1, min(GOLDEN_ROWS - 4, len(rows)), dtype=int)]
    odd = [np.full(width, v) for v in (np.nan, 0.0, 1e15, -1e15)]
    return np.vstack([drawn, *odd])


def _together(digests: dict[str, str]) -> str:
    return hashlib.sha256(canonical_json(digests).encode()).hexdigest()


def read(folder: Path, keys: seal.Keys | None = None) -> Release:
    """Read a release after its digests hold; nothing of it is parsed before.

    Args:
        keys: registered actor -> public key; with them, the signatures have to hold as well.

    Raises:
        ReleaseError: a file is missing or is not what the digests vouch for, or a signature is
            missing, does not hold or is a stranger's.
    """
    if not folder.is_dir():
        raise ReleaseError(f"there is no version {folder.name} of {folder.parent.name}.")
    digests = _digests(folder)
    contents = {name: _content(folder / name, digests[name]) for name in FILES}
    vouched = None
    if keys is not None:
        vouched = seal.verify(folder, digests["release"], digests["card.json"], keys)
    try:
        about = ReleaseCard.model_validate_json(contents["release.json"])
        golden = json.loads(contents["golden.json"])
        found = Release(
            folder=folder,
            card=about,
            model=contents["model.txt"].decode(),
            golden_rows=np.array([[float.fromhex(v) for v in row] for row in golden["rows"]]),
            golden_margins=tuple(golden["margins"]),
            digest=digests["release"],
            report=json.loads(contents["card.json"]),
            report_digest=digests["card.json"],
            signed=vouched.signatures if vouched else (),
        )
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            f"{folder} was written by another version of Zhike ({type(error).__name__});"
            " train again."
        ) from None
    if vouched and (vouched.model, vouched.version) != (about.name, about.version):
        raise ReleaseError(f"{folder} is signed as {vouched.model[:40]!r}, which it is not.")
    return found


def _content(path: Path, digest: str) -> bytes:
    """What a file holds: the very bytes that were checked."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ReleaseError(f"{path} is missing; train again or restore the release.") from None
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read ({error.strerror}).") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ReleaseError(f"{path} is damaged; train again or restore the release.")
    return content


def _digests(folder: Path) -> dict[str, str]:
    path = folder / "digests.json"
    try:
        digests: dict[str, str] = json.loads(path.read_text())
        if digests["release"] != _together({name: digests[name] for name in FILES}):
            raise ValueError("digests do not agree")
    except (OSError, ValueError, KeyError, TypeError):
        raise ReleaseError(
            f"{path} is missing or damaged, so nothing vouches for this release."
        ) from None
    return digests


def of_digest(name: str, digest: str) -> Release:
    """The version of a model that has a digest, champion or not.

    Raises:
        ReleaseError: none has, or the one that had is damaged.
    """
    for folder in sorted((settings().releases / name).glob("[!.]*/")):
        try:
            if _digests(folder)["release"] == digest:
                return read(folder)
        except ReleaseError:
            continue
    raise ReleaseError(
        f"the release {digest[:12]}… of {name} is gone or damaged; restore it from a backup."
    )


def champion(name: str) -> Path | None:
    """Folder of the version that answers, or None when none does.

    Raises:
        ReleaseError: the pointer is damaged, points outside the model's folder, or vouches for
            another release than the one that stands there.
    """
    path = settings().releases / name / "champion.json"
    if not path.exists():
        return None
    try:
        pointer = json.loads(path.read_text())
        version, digest = str(pointer["version"]), str(pointer["release"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ReleaseError(f"{path} is damaged; promote a version again.") from None
    if not version.isalnum():
        raise ReleaseError(f"{path} names the impossible version {version!r}.")
    folder = path.parent / version
    if _digests(folder)["release"] != digest:
        raise ReleaseError(f"{folder} is not the release that was promoted; promote it again.")
    return folder


def answering(name: str) -> Release | None:
    """The champion's release; None without one, or where it is too damaged to answer."""
    try:
        folder = champion(name)
        return read(folder) if folder else None
    except ReleaseError:
        return None


def point_champion(name: str, version: str) -> None:
    """Make a version answer from now on, in one move."""
    digest = read(settings().releases / name / version).digest
    replace_file(
        settings().releases / name / "champion.json",
        canonical_json({"version": version, "release": digest}).encode(),
    )


def champions() -> dict[str, Path]:
    """Model name -> folder of its champion, for every model that has one."""
    root = settings().releases
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.exists() else []
    found = {name: champion(name) for name in names}
    return {name: folder for name, folder in found.items() if folder}


def unpoint_champion(name: str) -> None:
    """Let no version of a model answer any more; the releases stay."""
    (settings().releases / name / "champion.json").unlink(missing_ok=True)


def retire_all() -> None:
    """Let no version answer any more; the releases stay."""
    for name in champions():
        unpoint_champion(name)


def note_not_trained(reasons: dict[str, str]) -> None:
    """Keep why models were not trained, for those who ask them; trained ones are struck out."""
    replace_file(settings().releases / "not_trained.json", canonical_json(reasons).encode())


def not_trained() -> dict[str, str]:
    """Model name -> why it was not trained, as of the last training."""
    path = settings().releases / "not_trained.json"
    if not path.exists():
        return {}
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except ValueError:
        raise ReleaseError(f"{path} is damaged; train again.") from None
    return kept
