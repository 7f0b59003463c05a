"""Releases that cannot hurt: what is damaged, foreign or fatal is refused, and the old one answers."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data import audit
from data.database import Database
from data.errors import NotReady, ReleaseError, UnknownQuestion
from data.settings import settings
from data.warehouse import canonical_json, replace_file
from serving import canary
from serving.releases import Served
from tests.serving.test_swaps import waited_for
from tests.training.sealing import digested, sealed
from tests.training.test_fit import FEATURES
from tests.training.test_release import MODEL, ROWS, card
from training import actors, life, release, seal, succession
from training.actors import Actor
from training.release import ReleaseCard
from training.trees import Forest

GOLDEN = ROWS[list(FEATURES)].to_numpy()
FILES = (*release.FILES, "digests.json", seal.FILE)
STRANGER = Actor("mallory", Ed25519PrivateKey.generate())
Change = Callable[[Path, Random], object]


@pytest.fixture
def ann(store: Database) -> Actor:
    return actors.available(store, "ann")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verdicts on versions 1 to 3 of churn, tried out in one child for the whole module."""
    home = tmp_path_factory.mktemp("tried")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(home))
        folders = [release.write(card(v), MODEL, GOLDEN, {"x": 1}) for v in ("1", "2", "3")]
        assert set(canary.try_out([release.read(folder) for folder in folders]).values()) == {""}
    return home / "cache" / "canary"


@pytest.fixture
def served(store: Database, ann: Actor, verdicts: Path) -> Served:
    """A service of which version 1 of churn answers; it has been tried out."""
    shutil.copytree(verdicts, settings().home / "cache" / "canary")
    written(ann, "1")
    point("1")
    return Served.open(store)


def written(actor: Actor, version: str, text: str = MODEL, **about: Any) -> Path:
    folder = release.write(card(version, **about), MODEL, GOLDEN, {"x": 1})
    (folder / "model.txt").write_text(text)
    sealed(folder, actor, "churn", version)
    return folder


def point(version: str) -> None:
    """Let the pointer name a version, whatever stands there."""
    folder = settings().releases / "churn"
    digest = json.loads((folder / version / "digests.json").read_text())["release"]
    pointer = canonical_json({"version": version, "release": digest})
    (folder / "champion.json").write_text(pointer)


def flip(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


def any_file(damage: Callable[[Path, Random], object]) -> Change:
    return lambda folder, random: damage(folder / random.choice(FILES), random)


def swap(folder: Path, random: Random) -> None:
    """A file of another release that is itself whole."""
    name = random.choice(["release.json", "digests.json", seal.FILE])
    shutil.copy(settings().releases / "churn" / "other" / name, folder / name)


def forge(folder: Path, random: Random) -> None:
    """Digests that hold, of another model, under the old signature."""
    text = (folder / "model.txt").read_text().replace("shrinkage=", f"shrinkage={random.random()}")
    (folder / "model.txt").write_text(text)
    digested(folder)


def missigned(folder: Path, random: Random) -> None:
    told = json.loads((folder / seal.FILE).read_text())
    told["signatures"][0]["signature"] = random.randbytes(64).hex()
    (folder / seal.FILE).write_text(canonical_json(told))


KINDS: dict[str, Change] = {
    "a flipped bit": any_file(flip),
    "cut short": any_file(cut),
    "a swapped file": swap,
    "forged digests": forge,
    "a wrong signature": missigned,
    "a missing file": any_file(lambda path, _: path.unlink()),
    "unsigned": lambda folder, _: (folder / seal.FILE).unlink(),
    "signed by a stranger": lambda folder, _: sealed(folder, STRANGER, "churn", folder.name),
}
OFTEN = {"a flipped bit": 90, "cut short": 60, "a swapped file": 20, "forged digests": 10,
         "a wrong signature": 10, "a missing file": 8, "unsigned": 1, "signed by a stranger": 1}  # fmt: skip


@pytest.fixture
def parsed(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was parsed of a release since the service began."""
    seen: list[str] = []

    def spied(name: str) -> Callable[..., Any]:
        def parser(*_: object) -> None:
            seen.append(name)
            raise AssertionError(name)

        return parser

    monkeypatch.setattr(ReleaseCard, "model_validate_json", spied("card"))
    monkeypatch.setattr(Forest, "from_text", spied("trees"))
    monkeypatch.setattr(canary, "_child", spied("the child"))
    return seen


@pytest.fixture
def damaged(ann: Actor, served: Served, tmp_path: Path) -> Callable[[Change, int], None]:
    """Points the champion of churn at a fresh version with one damage."""
    whole = tmp_path / "whole"
    shutil.copytree(written(ann, "2"), whole)
    written(ann, "other", horizon_days=90)

    def one(change: Change, seed: int) -> None:
        folder = settings().releases / "churn" / "2"
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        point("2")
        change(folder, Random(seed))

    return one


@pytest.mark.parametrize("kind", KINDS)
def test_f44_a_damaged_release_is_refused_unparsed_and_the_old_one_answers(
    kind: str,
    served: Served,
    damaged: Callable[[Change, int], None],
    parsed: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, process = served.current, os.getpid()
    for seed in range(OFTEN[kind]):
        damaged(KINDS[kind], seed)
        with caplog.at_level(logging.ERROR):
            caplog.clear()
            assert not served.refresh()
            assert not served.refresh()
        assert len(caplog.records) == 1  # an alert, once
        assert served.degraded == ["churn: its champion is refused; version 1 goes on answering"]
    assert (served.current.models, parsed, os.getpid()) == (before.models, [], process)


def test_f44_the_damaged_files_are_two_hundred() -> None:
    assert sum(OFTEN.values()) == 200
    assert OFTEN.keys() == KINDS.keys()


def test_a_watcher_that_cannot_look_says_so_and_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise NotReady("releases cannot be tried")

    with monkeypatch.context() as broken, served.watching(every=0.01):
        broken.setattr(served, "refresh", fails)
        waited_for(lambda: served.degraded != [])
        broken.undo()
        waited_for(lambda: served.degraded == [])
    assert "churn" in served.current.models


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"release":"x","version":"../../etc"}'])
def test_f44_a_damaged_pointer_changes_nothing_until_it_is_mended(
    served: Served, content: str
) -> None:
    pointer = settings().releases / "churn" / "champion.json"
    whole = pointer.read_text()
    pointer.write_text(content)
    assert not served.refresh()
    assert served.current.models["churn"].release.card.version == "1"
    assert served.degraded
    pointer.write_text(whole)
    served.refresh()
    assert served.degraded == []


def test_f44_releases_whose_disk_is_gone_go_on_answering(served: Served) -> None:
    settings().releases.rename(settings().home / "away")
    assert not served.refresh()
    assert "churn" in served.current.models
    assert served.degraded
    (settings().home / "away").rename(settings().releases)
    served.refresh()
    assert served.degraded == []


def test_f44_a_service_begins_with_what_is_whole_and_says_what_is_not(
    served: Served, store: Database
) -> None:
    (settings().releases / "churn" / "1" / seal.FILE).unlink()
    begun = Served.open(store)
    assert begun.degraded == ["churn: its champion is refused; nothing answers"]
    assert begun.current.untrained["churn"] == "its release is refused"
    assert "./zhike training sign churn 1" in begun.why_refused("churn")


def test_the_last_known_keys_count_while_the_database_is_away(
    served: Served, store: Database, ann: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(ann, "2")
    point("2")
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(served, "_database", away)
    assert served.refresh()
    assert served.current.models["churn"].release.card.version == "2"
    away.engine.dispose()


def child_of(left: str, text: str = MODEL) -> str:
    """The booster's text with other left children in its first tree, and without the sizes."""
    text = re.sub(r"tree_sizes=.*\n", "", text)
    return re.sub(r"left_child=-?\d+", f"left_child={left}", text, count=1)


FATAL = {
    "hangs": (child_of("0"), "longer than"),
    "crashes": (MODEL[: len(MODEL) // 2], "ended the process"),
}


@pytest.mark.parametrize(
    "versions", [("hangs",), pytest.param(("good", "crashes"), marks=pytest.mark.slow)]
)
def test_f45_what_hangs_or_crashes_the_library_ends_a_child_alone_and_is_marked_bad(
    served: Served,
    ann: Actor,
    store: Database,
    versions: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert canary.LIMIT == 10.0
    texts = {"good": (MODEL, "")} | FATAL
    found = {v: release.read(written(ann, v, texts[v][0])) for v in versions}
    said = canary.try_out(list(found.values()), limit=2.0)
    monkeypatch.setattr(canary, "_child", lambda *_: pytest.fail("tried again"))
    for version in versions:
        why = texts[version][1]
        assert why in said[found[version].digest]
        point(version)
        assert served.refresh() is (not why)
        assert bool(served.degraded) is bool(Served.open(store).degraded) is bool(why)
    assert served.current.models["churn"].release.card.version in ("1", "good")


def other_margins(folder: Path) -> None:
    """As another version of LightGBM, of which one golden row differs in its last bit."""
    golden = json.loads((folder / "golden.json").read_text())
    golden["margins"][7] = float(np.nextafter(float.fromhex(golden["margins"][7]), np.inf)).hex()
    (folder / "golden.json").write_text(canonical_json(golden))


def other_features(folder: Path) -> None:
    told = json.loads((folder / "release.json").read_text())
    told["features"][:2] = told["features"][1::-1]
    (folder / "release.json").write_text(canonical_json(told))


def older_schema(folder: Path) -> None:
    told = json.loads((folder / "release.json").read_text())
    del told["calibration"]
    (folder / "release.json").write_text(canonical_json(told))


def other_text(folder: Path) -> None:
    text = (folder / "model.txt").read_text()
    (folder / "model.txt").write_text(text.replace("version=v4", "version=v3", 1))


OTHERS = {
    "4": (other_margins, "LightGBM does not give its golden margins"),
    "5": (other_features, "disagree on the features"),
    "6": (other_text, "version 'v3' is not supported"),
}


@pytest.mark.slow
def test_f46_a_release_of_other_features_or_of_another_library_is_refused(
    served: Served, ann: Actor
) -> None:
    found = []
    for version, (change, _) in OTHERS.items():
        folder = written(ann, version)
        change(folder)
        sealed(folder, ann, "churn", version)
        found.append(release.read(folder))
    canary.try_out(found)  # in one child; the service reads its verdicts
    for version, (_, why) in OTHERS.items():
        point(version)
        assert not served.refresh()
        assert why in served.why_refused("churn")
        assert served.current.models["churn"].release.card.version == "1"


def test_f46_a_release_of_an_older_schema_is_refused(served: Served, ann: Actor) -> None:
    folder = written(ann, "2")
    older_schema(folder)
    sealed(folder, ann, "churn", "2")
    point("2")
    assert not served.refresh()
    assert "another version of Zhike" in served.why_refused("churn")


def test_a_retired_champion_answers_no_more(served: Served) -> None:
    release.unpoint_champion("churn")
    assert served.refresh()
    assert served.current.models == {}
    assert served.degraded == []


def test_credit_risk_without_another_persons_approval_does_not_answer(
    store: Database, ann: Actor, verdicts: Path
) -> None:
    about = card("1", name="credit_risk", question="credit_risk", trainer="ann")
    folder = release.write(about, MODEL, GOLDEN, {"x": 1})
    sealed(folder, ann, "credit_risk", "1")
    release.point_champion("credit_risk", "1")
    begun = Served.open(store)
    assert "not approved by another person" in begun.why_refused("credit_risk")
    life.approve(store, "credit_risk", "1", actors.available(store, "ben"))
    life.sign(store, folder, ann)
    verdict = next(verdicts.glob("*.json")).read_bytes()  # of the same trees
    replace_file(canary.verdict_file(release.read(folder).digest), verdict)
    assert begun.refresh()


@pytest.fixture
def promoted(served: Served, store: Database, ann: Actor) -> list[str]:
    """Versions 1 to 3 of churn answered one after the other; the third answers."""
    for version in ("1", "2", "3"):
        if version != "1":
            written(ann, version)
        digest = release.read(settings().releases / "churn" / version).digest
        body = {"model": "churn", "version": version, "release": digest}
        audit.append(store, kind=succession.PROMOTED, actor="carl", body=body)
    point("3")
    served.refresh()
    return ["1", "2", "3"]


def test_a_pinned_version_is_verified_and_kept(served: Served, promoted: list[str]) -> None:
    model = served.pinned("churn", "2")
    assert model.release.card.version == "2"
    assert served.pinned("churn", "2") is model
    assert served.pinned("churn", "3") is served.current.models["churn"]


@pytest.mark.parametrize(
    "name, version", [("churn", "4"), ("churn", "../1"), ("nothing", "1"), ("churn", "")]
)
def test_what_never_answered_cannot_be_pinned(
    served: Served, promoted: list[str], name: str, version: str
) -> None:
    with pytest.raises(UnknownQuestion):
        served.pinned(name, version)


def test_a_damaged_or_retired_version_cannot_be_pinned(
    served: Served, promoted: list[str], store: Database
) -> None:
    flip(settings().releases / "churn" / "1" / "model.txt", Random(1))
    with pytest.raises(ReleaseError, match="damaged"):
        served.pinned("churn", "1")
    digest = release.read(settings().releases / "churn" / "2").digest
    body = {"model": "churn", "version": "2", "release": digest}
    audit.append(store, kind=succession.RETIRED, actor="carl", body=body)
    served._lines.clear()
    with pytest.raises(UnknownQuestion, match="no such version of churn may answer"):
        served.pinned("churn", "2")
