"""Fixtures of the data floor: a small bank, and settings as they are shipped."""

from pathlib import Path

import pytest

from tests.data.small_bank import SmallBank


@pytest.fixture(autouse=True)
def _settings_as_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZHIKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZHIKE_ZONE", raising=False)
    monkeypatch.delenv("ZHIKE_THREADS", raising=False)


@pytest.fixture
def bank(tmp_path: Path) -> SmallBank:
    return SmallBank(tmp_path / "bank")
