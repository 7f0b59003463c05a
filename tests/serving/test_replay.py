"""What was answered can be worked out again from its record, in a process that knows nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.database import Database
from data.schema import AUDIT, AUDIT_PAYLOADS
from serving.answering import answer
from serving.scoring import Scorer
from tests.requirements import CHECKOUT
from training.labels import SCORABLE

REPLAY = """
import json, sys
from datetime import date
import numpy as np
from features.snapshot import read_snapshot
from data.settings import settings
from serving.scoring import Profile, Scorer
from training.losses import of_json
body, payload = json.load(sys.stdin)
snapshot = read_snapshot(settings().snapshots / body["snapshot"][:24])
scorer = Scorer.load()
assert snapshot.digest == body["snapshot"]
assert {n: m.release.digest for n, m in scorer.models.items()} == body["releases"]
told = payload["answer"]
profile = Profile(
    payload["customer_id"], date.fromisoformat(told["as_of"]), snapshot.features,
    np.array([float.fromhex(v) for v in payload["vector"]]), {n: "scorable" for n in scorer.models}, False,
    of_json(payload["exposure"]))
print(json.dumps(scorer.answer(profile, body["questions"], body["language"]).model_dump(mode="json")))
"""
IMPORTED = "import sys, json, serving.api.app; print(json.dumps(sorted(sys.modules)))"


def fresh(code: str, *, stdin: str = "", **environment: str) -> Any:
    """What a new process prints, as JSON."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=stdin, capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_an_answer_is_replayed_from_its_record_bit_for_bit(
    served: Database, scorer: Scorer, standings: dict[str, dict[str, str]], trained_home: Path
) -> None:
    owing = [who for who in sorted(standings) if standings[who]["credit_risk"] == SCORABLE]
    customer = max(owing, key=lambda who: [*standings[who].values()].count(SCORABLE))
    _, sequence = answer(scorer, served, customer, language="zh-TW", actor="test")
    rows = sa.select(AUDIT.c.body, AUDIT_PAYLOADS.c.payload).join(AUDIT_PAYLOADS)
    with served.reading() as connection:
        row = connection.execute(rows.where(AUDIT.c.sequence == sequence)).one()
    payload = json.loads(row.payload)
    record = json.dumps([json.loads(row.body), payload])
    again = fresh(REPLAY, stdin=record, ZHIKE_HOME=str(trained_home), TZ="Pacific/Kiritimati")
    scored = [
        (told, anew)
        for told, anew in zip(flat(payload["answer"]), flat(again), strict=True)
        if told["margin"] is not None
    ]
    assert len(scored) >= 6
    assert any(told["credit"] and told["credit"]["expected_loss"] for told, _ in scored)
    assert [told for told, _ in scored] == [anew for _, anew in scored]


def flat(told: Any) -> list[Any]:
    offers = told["scores"]["propensity"]
    return [
        told["scores"][q]
        for q in (
            "churn",
            "churn.run_off",
            "lifetime_value",
            "lifetime_value.five_years",
            "credit_risk",
        )
    ] + [offers[family] for family in sorted(offers)]


@pytest.mark.parametrize("library", ["lightgbm", "mlflow", "shap", "sklearn"])
def test_the_service_carries_no_training_library(imported: list[str], library: str) -> None:
    assert library not in imported
    assert "numba" in imported


@pytest.fixture(scope="module")
def imported() -> list[str]:
    """Every module of a process that imports the service."""
    modules: list[str] = fresh(IMPORTED)
    return modules
