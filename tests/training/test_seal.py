"""A release is trusted for its signatures: all hold, all by actors who are registered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from data.database import Database, migrated
from data.errors import ReleaseError
from data.warehouse import canonical_json
from tests.training.sealing import sealed
from tests.training.test_fit import FEATURES
from tests.training.test_release import MODEL, ROWS, card
from training import actors, life, release, seal
from training.__main__ import app
from training.actors import Actor

ANN, STRANGER = (Actor(name, Ed25519PrivateKey.generate()) for name in ("ann", "mallory"))
KEYS = {"ann": ANN.public_key}


@pytest.fixture
def written(home: Path) -> Path:
    return release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1}, "<p></p>")


def altered(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((folder / seal.FILE).read_text())
    change(told)
    (folder / seal.FILE).write_text(canonical_json(told))


def test_a_signed_release_is_read_with_its_signers(written: Path) -> None:
    sealed(written, ANN, "churn", "1")
    (one,) = release.read(written, KEYS).signed
    assert (one.actor, one.role) == ("ann", "trainer")


def test_an_unsigned_release_is_refused_with_the_remedy(written: Path) -> None:
    with pytest.raises(ReleaseError, match=r"not signed.*\./zhike training sign churn 1 --actor"):
        release.read(written, KEYS)


def test_a_strangers_signature_is_refused(written: Path) -> None:
    sealed(written, STRANGER, "churn", "1")
    with pytest.raises(ReleaseError, match="'mallory' with a key that is not registered"):
        release.read(written, KEYS)


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda s: s["signatures"][0].update(actor="ben"), "not registered"),
        (lambda s: s["signatures"][0].update(key=STRANGER.public_key), "not registered"),
        (lambda s: s["signatures"][0].update(signature="0" * 128), "does not hold"),
        (lambda s: s["signatures"][0].update(role="operator"), "does not hold"),
        (lambda s: s.update(version="2"), "does not hold"),
        (lambda s: s.update(release="0" * 64), "another release"),
        (lambda s: s.update(report="0" * 64), "another release"),
        (lambda s: s.update(signatures=[]), "damaged"),
        (lambda s: s["signatures"][0].update(signature="F" * 128), "damaged"),
        (lambda s: s["signatures"].append(dict(s["signatures"][0], signature="1" * 128)), "hold"),
        (lambda s: s.update(more=1), "damaged"),
    ],
)
def test_an_altered_signature_is_refused(written: Path, change: Any, why: str) -> None:
    sealed(written, ANN, "churn", "1")
    altered(written, change)
    with pytest.raises(ReleaseError, match=why):
        release.read(written, KEYS)


def test_the_signature_of_another_release_does_not_count(written: Path, tmp_path: Path) -> None:
    rows = ROWS[list(FEATURES)].to_numpy()
    other = release.write(card(horizon_days=90), MODEL, rows, {"x": 1}, "", tmp_path / "other")
    sealed(other, ANN, "churn", "1")
    (written / seal.FILE).write_bytes((other / seal.FILE).read_bytes())
    with pytest.raises(ReleaseError, match="another release than stands there"):
        release.read(written, KEYS)


def test_a_release_signed_under_another_name_is_refused(written: Path) -> None:
    sealed(written, ANN, "credit_risk", "1")
    with pytest.raises(ReleaseError, match="which it is not"):
        release.read(written, KEYS)


def test_an_approval_alone_is_no_signature(written: Path) -> None:
    sealed(written, ANN, "churn", "1", role="approver")
    with pytest.raises(ReleaseError, match="approved but not signed"):
        release.read(written, KEYS)


def test_a_file_that_is_far_too_large_is_not_parsed(written: Path) -> None:
    (written / seal.FILE).write_bytes(b" " * seal.LARGEST + b"{}")
    with pytest.raises(ReleaseError, match="damaged"):
        release.read(written, KEYS)


def test_who_signs_lays_the_signatures_that_hold_beside_the_release(
    database: Database, written: Path
) -> None:
    sealed(written, STRANGER, "churn", "1")
    for name in ("ann", "ben"):
        life.sign(database, written, actors.available(database, name))
    keys = actors.registered(database)
    assert [s.actor for s in release.read(written, keys).signed] == ["ann", "ben"]


def test_the_command_signs_a_version_and_a_folder(written: Path, tmp_path: Path) -> None:
    database = migrated()
    actors.make_actor(database, "ann")
    for words in (["churn", "1"], [str(written)]):
        (written / seal.FILE).unlink(missing_ok=True)
        done = CliRunner().invoke(app, ["sign", *words, "--actor", "ann"])
        assert done.exit_code == 0, done.output
        assert release.read(written, actors.registered(database)).signed
    database.engine.dispose()
