"""What MLflow is to be told: noted under the home before it is told, kept there until it was.

outbox/TOKEN.json   one training of one model: its run, its version, all there is to tell
outbox/TOKEN.lock   held by the process that trains; the kernel lets go when it dies

So a training needs no MLflow, and one that was killed is found by the next: its run is marked
failed, or finished where its release already stood.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import RegistryError, ReleaseError
from data.settings import settings
from data.warehouse import canonical_json, file_digest, replace_file
from training import registry, release
from training.registry import Registration, Trial, Unreachable
from training.release import Release

STOPPED = "the training was stopped before its release stood"


class Entry(BaseModel):
    """What is known of one training of one model.

    Attributes:
        run: MLflow's run; empty while MLflow could not be asked for one.
        number: MLflow's number of the version; empty before it was told.
        version: the release's.
        trials: of its search, those of which MLflow was not told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str
    name: str
    question: str
    run: str = ""
    number: str = ""
    version: str = ""
    told: Registration | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def path(self) -> Path:
        """Where the entry is kept."""
        return _folder() / f"{self.token}.json"

    @property
    def release(self) -> Path:
        """Where its release stands, or will."""
        return settings().releases / self.name / (self.version or "none")


@dataclass(frozen=True)
class Settled:
    """An entry that an earlier training had left, and what became of it."""

    name: str
    version: str
    told: str


class Dispatch:
    """One model's way to MLflow, step by step; whatever MLflow refuses waits in the outbox."""

    def __init__(self, outbox: "Outbox", entry: Entry) -> None:
        self._outbox, self.entry = outbox, entry

    def announce(self, told: Registration, model: str) -> str:
        """The version of a model that is about to be released: MLflow's number, or a local name."""
        run, number = self.entry.run, ""
        if run:
            number, _ = self._outbox.ask(lambda: registry.submit(run, told, model))
        version = number or f"local{self.entry.token[:8]}"
        changes = {"told": told, "number": number, "version": version}
        self.entry = self.entry.model_copy(update=changes)
        _keep(self.entry)
        return version

    def try_out(self, trial: Trial) -> None:
        """Tell MLflow of a trial of the search, now or with the rest."""
        run, name = self.entry.run, self.entry.question
        if run and self._outbox.ask(lambda: registry.try_out(run, name, [trial]))[0]:
            return
        trials = (*self.entry.trials, trial)
        self.entry = self.entry.model_copy(update={"trials": trials})
        _keep(self.entry)

    def deliver(self) -> str:
        """Tell MLflow that the release stands; returns why it waits, empty where it does not."""
        _, why = self._outbox.ask(lambda: _deliver(self.entry))
        self._outbox.leave(self, told=not why)
        return why

    def drop(self, why: str) -> None:
        """Nothing came of it: mark the run failed."""
        _, refused = self._outbox.ask(lambda: _drop(self.entry, why))
        self._outbox.leave(self, told=not refused)


class Outbox:
    """One training's outbox. Once MLflow cannot be reached it is asked no more: asking waits."""

    def __init__(self) -> None:
        self._unreachable = ""
        self._locks: dict[str, int] = {}
        self._open: dict[str, Dispatch] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for dispatch in [*self._open.values()]:
            dispatch.drop(STOPPED)

    def ask(self, question: Callable[[], str]) -> tuple[str, str]:
        """What MLflow answers, or nothing and why it refuses."""
        if self._unreachable:
            return "", self._unreachable
        try:
            return question(), ""
        except Unreachable as refusal:
            self._unreachable = str(refusal)
            return "", self._unreachable
        except RegistryError as refusal:
            return "", str(refusal)

    def begin(self, name: str, question: str) -> Dispatch:
        """Note that a model is being trained, and open its run."""
        entry = Entry(token=uuid4().hex, name=name, question=question)
        self._locks[entry.token] = _lock(entry.token)
        _keep(entry)
        run, _ = self.ask(lambda: registry.begin(name, question, entry.token))
        dispatch = Dispatch(self, entry.model_copy(update={"run": run}))
        _keep(dispatch.entry)
        self._open[entry.token] = dispatch
        return dispatch

    def leave(self, dispatch: Dispatch, *, told: bool) -> None:
        """Strike an entry out, or leave it to whoever syncs next."""
        token = dispatch.entry.token
        self._open.pop(token, None)
        if told:
            _strike_out(token)
        os.close(self._locks.pop(token))

    def sync(self) -> list[Settled]:
        """Tell MLflow what earlier trainings could not; what was interrupted is marked failed.

        Entries of trainings that are still running are left alone.
        """
        settled = []
        for path in sorted(_folder().glob("*.json")):
            with _claimed(path.stem) as claimed:
                entry = _read(path) if claimed else None
                if entry is not None:
                    settled.append(self._settled(entry))
        return settled

    def _settled(self, entry: Entry) -> Settled:
        told, why = self.ask(lambda: _settle(entry))
        if told:
            _strike_out(entry.token)
        return Settled(entry.name, entry.version, told or f"waits: {why}")


def waiting() -> list[Entry]:
    """The entries whose release stands and of which MLflow has not been told."""
    found = (_read(path) for path in sorted(_folder().glob("*.json")))
    return [entry for entry in found if entry and entry.version and entry.release.is_dir()]


def _settle(entry: Entry) -> str:
    if _standing(entry) is None:
        _drop(entry, STOPPED)
        return "interrupted; its run is marked failed"
    _deliver(entry)
    return "registered"


def _standing(entry: Entry) -> Release | None:
    try:
        return release.read(entry.release)
    except ReleaseError:
        return None


def _deliver(entry: Entry) -> str:
    """Tell MLflow all of a release that stands; returns its number of the version."""
    found = release.read(entry.release)
    if entry.told is None:
        raise RegistryError(f"{entry.path} does not say what MLflow is to be told.")
    run = _run_of(entry) or registry.begin(entry.name, entry.question, entry.token)
    if entry.trials:
        registry.try_out(run, entry.question, entry.trials)
    number = entry.number or registry.submit(run, entry.told, found.model)
    digests = {
        "model_sha256": file_digest(found.folder / "model.txt"),
        "release_sha256": found.digest,
        "report_sha256": found.report_digest,
    }
    files = [found.folder / "card.json", found.folder / release.PAGE]
    registry.complete(run, entry.name, number, entry.version, digests, files)
    return number


def _drop(entry: Entry, why: str) -> str:
    shutil.rmtree(release.draft_of(entry.release), ignore_errors=True)
    run = _run_of(entry)
    if run:
        registry.fail(run, why)
    return run


def _run_of(entry: Entry) -> str:
    return entry.run or registry.begun(entry.question, entry.token)


def _strike_out(token: str) -> None:
    (_folder() / f"{token}.json").unlink(missing_ok=True)
    _lock_of(token).unlink(missing_ok=True)


def _folder() -> Path:
    return settings().home / "outbox"


def _keep(entry: Entry) -> None:
    replace_file(entry.path, canonical_json(entry.model_dump(mode="json")).encode())


def _read(path: Path) -> Entry | None:
    """An entry; None where another process has just struck it out.

    Raises:
        RegistryError: it is damaged.
    """
    try:
        return Entry.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise RegistryError(
            f"{path} is damaged. Delete it: the release it speaks of stays, but MLflow will not"
            " know it."
        ) from None


def _lock_of(token: str) -> Path:
    return _folder() / f"{token}.lock"


def _lock(token: str) -> int:
    """Hold an entry's lock; returns the descriptor.

    Raises:
        BlockingIOError: a living training holds it.
    """
    path = _lock_of(token)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _claimed(token: str) -> Iterator[bool]:
    """Whether an entry is nobody's: its training has ended, and no other process settles it."""
    try:
        descriptor = _lock(token)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)
