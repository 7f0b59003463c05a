"""A version's life: who may let it answer, what is recorded, and how it goes back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import RegistryError, ReleaseError, Unauthorised
from data.schema import ACTORS
from tests.training.test_fit import FEATURES, RECIPE
from tests.training.test_gates import SOUND
from tests.training.test_release import MODEL, ROWS, card, lineage
from training import actors, life, registry, release
from training.actors import Actor, actor, make_actor
from training.fit import fit
from training.gates import gates
from training.outbox import Outbox
from training.seal import NEED_ANOTHER_PERSON, holds

Register = Callable[..., str]
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def ann(database: Database, home: Path) -> Actor:
    return actors.available(database, "ann")


@pytest.fixture
def ben(database: Database, home: Path) -> Actor:
    return actors.available(database, "ben")


@pytest.fixture(scope="module")
def bank_until(loaded_home: Path) -> Path:
    return loaded_home / "warehouse"


@pytest.fixture
def register(database: Database, home: Path, bank_until: Path) -> Register:
    """Registers a version of churn (or another model) in MLflow and as a release."""
    (home / "warehouse").parent.mkdir(parents=True, exist_ok=True)
    (home / "warehouse").symlink_to(bank_until)
    booster = fit(RECIPE, ROWS, FEATURES).booster

    someone = actors.available(database, "dan")

    def one(name: str = "churn", trainer: str = "ann", until: str = "", **judged: Any) -> str:
        told = registry.describe(
            name,
            booster,
            ROWS[list(FEATURES)].head(5),
            parameters={},
            metrics={},
            tags={"question": name},
            lineage={},
        )
        dispatch = outbox.begin(name, name)
        version = dispatch.announce(told, MODEL)
        about = card(
            version,
            name=name,
            question=name,
            trainer=trainer,
            judgement=SOUND | {"protocol": "out of time", "champion": None} | judged,
            lineage=lineage() | {"data_until": until or last_day()},
        )
        text = "<p><!--life--><!--/life--></p>"
        release.write(about, MODEL, ROWS[list(FEATURES)].to_numpy(), gates(about).as_json(), text)
        assert dispatch.deliver() == ""
        if name not in NEED_ANOTHER_PERSON:
            life.sign(database, life.read(name, version).folder, someone)
        return version

    outbox = Outbox()
    return one


def last_day() -> str:
    from data.warehouse import Warehouse
    from features.spine import extent

    return extent(Warehouse())[1].isoformat()


def kinds(database: Database) -> list[str]:
    every = (life.PROMOTED, life.ROLLED_BACK, life.RETIRED, life.APPROVED, life.REFUSED)
    return [record.kind.removeprefix("model_") for record in audit.records(database, every)]


def against(digest: str) -> dict[str, Any]:
    return {"champion": SOUND["champion"] | {"digest": digest}}


def test_a_private_key_is_for_its_owner_alone(database: Database, home: Path) -> None:
    path = make_actor(database, "ann")
    assert path.stat().st_mode & 0o777 == 0o600
    with database.reading() as connection:
        (row,) = connection.execute(sa.select(ACTORS)).all()
    assert row.public_key == actor(database, "ann").key.public_key().public_bytes_raw().hex()
    path.chmod(0o640)
    with pytest.raises(Unauthorised, match="chmod 600"):
        actor(database, "ann")


@pytest.mark.parametrize("name", ["", "Ann", "../ann", "a b", "a" * 41])
def test_an_actor_has_a_plain_name(database: Database, home: Path, name: str) -> None:
    with pytest.raises(Unauthorised, match="cannot name an actor"):
        make_actor(database, name)
    with pytest.raises(Unauthorised, match="no key"):
        actor(database, name)


def test_a_key_is_never_replaced_and_another_key_is_not_theirs(
    database: Database, ann: Actor, ben: Actor
) -> None:
    with pytest.raises(Unauthorised, match="never replaced"):
        make_actor(database, "ann")
    shutil.copy(actors.key_file("ben"), actors.key_file("ann"))
    with pytest.raises(Unauthorised, match="not the key that is registered"):
        actor(database, "ann")


def test_a_signature_is_of_one_person_and_one_message(
    database: Database, ann: Actor, ben: Actor
) -> None:
    signature = ann.sign(b"a model")
    keys = actors.registered(database)
    assert sorted(keys) == ["ann", "ben"]
    assert holds(keys["ann"], b"a model", signature)
    assert not holds(keys["ben"], b"a model", signature)
    assert not holds(keys["ann"], b"a modem", signature)
    assert not holds(keys["ann"], b"a model", "no signature")
    assert not holds("", b"a model", signature)


@pytest.mark.slow
def test_what_passes_its_gates_answers_and_the_chain_says_so(
    database: Database, register: Register
) -> None:
    version = register()
    assert life.promote(database, "churn", version, actor="carl").standing == "passed"
    assert registry.versions("churn")["champion"] == version
    folder = release.champion("churn")
    assert folder is not None
    (record,) = audit.records(database, (life.PROMOTED,))
    body = json.loads(record.body)
    assert (record.actor, body["model"], body["version"]) == ("carl", "churn", version)
    assert body["release"] == release.read(folder).digest
    assert "promoted" in (folder / release.PAGE).read_text()
    assert audit.first_broken(database) is None


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize(
    "judged, reason",
    [
        (SOUND | {"champion": SOUND["champion"] | {"interval": (-0.1, -0.02)}}, "champion"),
        ({"benchmark": SOUND["benchmark"] | {"interval": (-0.1, -0.02)}}, "simple benchmark"),
        ({"intervals": SOUND["intervals"] | {"o_e": (1.2, 1.4)}}, "observed over expected"),
        ({"intervals": SOUND["intervals"] | {"psi": (0.3, 0.4)}}, "PSI"),
        ({"metrics": SOUND["metrics"] | {"auc": 0.999}}, "knows the outcome"),
        ({"until": "2020-01-31"}, "fresh data"),
    ],
)
def test_f31_a_worse_leaking_or_stale_version_is_refused_and_nothing_changes(
    database: Database, register: Register, judged: dict[str, Any], reason: str
) -> None:
    version = register(**judged)
    with pytest.raises(RegistryError, match=f"refused.*{reason}"):
        life.promote(database, "churn", version, actor="carl")
    assert release.champion("churn") is None
    assert registry.versions("churn") == {"challenger": version}
    assert kinds(database) == ["refused"]


@pytest.mark.slow
@on_sqlite
def test_f31_a_version_that_another_champion_overtook_is_held(
    database: Database, register: Register
) -> None:
    first, second = register(), register()
    life.promote(database, "churn", first, actor="carl")
    with pytest.raises(RegistryError, match=f"version {first} answers"):
        life.promote(database, "churn", second, actor="carl")
    third = register(**against(life.read("churn", first).digest))
    assert life.promote(database, "churn", third, actor="carl").standing == "passed"


@pytest.mark.slow
@on_sqlite
def test_f31_an_auc_too_good_to_be_true_answers_once_another_person_has_looked(
    database: Database, register: Register, ben: Actor
) -> None:
    version = register(metrics=SOUND["metrics"] | {"auc": 0.999})
    with pytest.raises(RegistryError, match="too good"):
        life.promote(database, "churn", version, actor="carl")
    life.approve(database, "churn", version, ben)
    report = life.promote(database, "churn", version, actor="carl")
    assert any("reviewed by ben" in gate.finding for gate in report.gates)


@pytest.mark.slow
def test_f32_credit_risk_needs_another_person_than_its_trainer(
    database: Database, register: Register, ann: Actor, ben: Actor
) -> None:
    version = register("credit_risk")
    with pytest.raises(RegistryError, match=r"nobody has signed it.*no trainer has signed"):
        life.promote(database, "credit_risk", version, actor="carl")
    life.sign_as_trainer(database, "credit_risk", version, ann)
    with pytest.raises(RegistryError, match="only ann, who trained it"):
        life.promote(database, "credit_risk", version, actor="carl")
    with pytest.raises(RegistryError, match="ann trained it and cannot approve it"):
        life.approve(database, "credit_risk", version, ann)
    life.approve(database, "credit_risk", version, ben)
    report = life.promote(database, "credit_risk", version, actor="carl")
    assert report.gates[-1].finding == "trained by ann, approved by ben"
    assert kinds(database) == ["refused", "refused", "refused", "approved", "promoted"]


@pytest.mark.slow
@on_sqlite
def test_f32_nobody_claims_the_training_of_somebody_else(
    database: Database, register: Register, ben: Actor
) -> None:
    version = register("credit_risk")
    with pytest.raises(RegistryError, match="trained by ann, not by ben"):
        life.sign_as_trainer(database, "credit_risk", version, ben)


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("what", ["artefact", "report"])
def test_f32_an_approval_of_another_digest_than_the_one_here_is_refused(
    database: Database, register: Register, ben: Actor, what: str
) -> None:
    version = register("credit_risk")
    with pytest.raises(RegistryError, match=f"approval is of the {what} {'0' * 64}, but"):
        life.approve(database, "credit_risk", version, ben, **{what: "0" * 64})
    found = life.read("credit_risk", version)
    assert life.signatures(database, found) == []
    life.approve(
        database,
        "credit_risk",
        version,
        ben,
        artefact=found.digest,
        report=found.report_digest,
    )
    assert [s.actor for s in life.signatures(database, found)] == ["ben"]


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("name", release.FILES)
def test_f32_one_byte_changed_after_the_approval_undoes_it(
    database: Database, register: Register, ann: Actor, ben: Actor, name: str
) -> None:
    version = register("credit_risk")
    life.vouch(database, "credit_risk", version, ann, ben)
    path = life.read("credit_risk", version).folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match=f"{name} is damaged"):
        life.promote(database, "credit_risk", version, actor="carl")
    assert release.champion("credit_risk") is None


@pytest.mark.slow
@on_sqlite
def test_f32_another_release_under_an_approved_version_has_no_approval(
    database: Database, register: Register, ann: Actor, ben: Actor
) -> None:
    version = register("credit_risk")
    life.vouch(database, "credit_risk", version, ann, ben)
    found = life.read("credit_risk", version)
    shutil.rmtree(found.folder)
    altered = found.card.model_copy(update={"horizon_days": 30})
    release.write(altered, MODEL, ROWS[list(FEATURES)].to_numpy(), found.report)
    with pytest.raises(RegistryError, match="no trainer has signed"):
        life.promote(database, "credit_risk", version, actor="carl")


@pytest.mark.slow
@on_sqlite
def test_a_rollback_lets_the_version_before_answer(database: Database, register: Register) -> None:
    first = register()
    life.promote(database, "churn", first, actor="carl")
    with pytest.raises(RegistryError, match="no version of churn answered before"):
        life.rollback(database, "churn", actor="carl")
    second = register(**against(life.read("churn", first).digest))
    life.promote(database, "churn", second, actor="carl")
    assert life.rollback(database, "churn", actor="carl") == first
    assert release.champions()["churn"].name == first
    assert registry.versions("churn")["champion"] == first
    with pytest.raises(RegistryError, match="answered before"):
        life.rollback(database, "churn", actor="carl")
    assert kinds(database) == ["promoted", "promoted", "rolled_back"]


@pytest.mark.slow
@on_sqlite
def test_a_retired_version_answers_no_more_and_is_never_promoted_again(
    database: Database, register: Register
) -> None:
    version = register()
    life.promote(database, "churn", version, actor="carl")
    life.retire(database, "churn", version, actor="carl")
    assert release.champion("churn") is None
    assert registry.versions("churn") == {}
    with pytest.raises(RegistryError, match="not retired: retired"):
        life.promote(database, "churn", version, actor="carl")
    with pytest.raises(RegistryError, match="no version of churn answers"):
        life.rollback(database, "churn", actor="carl")
    assert kinds(database) == ["promoted", "retired", "refused"]


@pytest.mark.slow
@on_sqlite
def test_nothing_goes_back_to_a_retired_version(database: Database, register: Register) -> None:
    first = register()
    life.promote(database, "churn", first, actor="carl")
    second = register(**against(life.read("churn", first).digest))
    life.promote(database, "churn", second, actor="carl")
    life.retire(database, "churn", first, actor="carl")
    with pytest.raises(RegistryError, match="answered before"):
        life.rollback(database, "churn", actor="carl")
    assert release.champions()["churn"].name == second


@pytest.mark.slow
@on_sqlite
def test_a_damaged_champion_is_replaced_by_a_promotion(
    database: Database, register: Register
) -> None:
    first, second = register(), register()
    life.promote(database, "churn", first, actor="carl")
    (life.read("churn", first).folder / "model.txt").write_text("tree")
    life.promote(database, "churn", second, actor="carl")
    assert release.champions()["churn"].name == second
