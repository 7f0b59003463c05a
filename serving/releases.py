"""What the service answers by: models that are swapped while requests run, each tried out first."""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from data.database import Database
from data.errors import NotReady, ReleaseError, UnknownQuestion, UnknownVersion
from data.settings import settings
from serving import canary
from serving.scoring import NAMES, NO_CHAMPION, Model, Scorer
from training import succession
from training.actors import registered
from training.release import FILES, Release, champion, not_trained, read
from training.seal import FILE as SEAL
from training.seal import NEED_ANOTHER_PERSON, Keys

EVERY = 1.0  # seconds between two looks at the pointers
PINNED = 8  # models of other versions kept in memory
LINE_FOR = 5.0  # seconds within which a pinned version that was retired is noticed

_log = logging.getLogger(__name__)
Stamp = tuple[object, ...]


@dataclass(frozen=True)
class Refused:
    """A champion that may not answer, and what stands where it was looked at."""

    stamp: Stamp
    why: str


class Served:
    """The scorer in force. A request takes ``current`` once, and so answers by one set of releases.

    ``database`` is asked whose signatures count and which versions answered before; while it is
    away the keys known last stay in force. They are kept in no file: whoever may write a release
    could write that file too.
    """

    def __init__(self, scorer: Scorer, database: Database | None = None) -> None:
        self.current = scorer
        self._database = database
        self._keys: Keys = {}
        self._stamps: dict[str, Stamp] = {}
        self._refused: dict[str, Refused] = {}
        self._stuck = False
        self._pinned: OrderedDict[str, Model] = OrderedDict()
        self._lines: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock, self._lock_of_pinned = threading.Lock(), threading.Lock()

    @classmethod
    def open(cls, database: Database, tables: Mapping[str, Model] | None = None) -> Self:
        """The champions that may answer now, and the models of tables beside them.

        Raises:
            NotReady: there is no champion, the database does not answer, or releases cannot be
                tried out.
            ReleaseError: the release of a table does not pass its trial.
        """
        opened = cls(Scorer({}, not_trained(), tables), database)
        opened._keys = registered(database)
        if not names() and not tables:
            raise NotReady(NO_CHAMPION)
        for model in (tables or {}).values():
            opened._model(model.release, canary.try_out([model.release])[model.release.digest])
        opened.refresh()
        return opened

    @property
    def degraded(self) -> list[str]:
        """What does not answer as it was told to, in words that name no folder."""
        stuck = ["releases: they cannot be looked at, see the log"] if self._stuck else []
        return [f"{name}: {self._state(name)}" for name in sorted(self._refused)] + stuck

    def _state(self, name: str) -> str:
        now = self.current.models.get(name)
        if now is None:
            return "its champion is refused; nothing answers"
        return f"its champion is refused; version {now.release.card.version} goes on answering"

    def why_refused(self, name: str) -> str:
        """Why the champion of a model may not answer; empty where it may."""
        return self._refused[name].why if name in self._refused else ""

    @contextmanager
    def watching(self, every: float = EVERY) -> Iterator[None]:
        """Look at the pointers again and again meanwhile, in a thread."""
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stop, every), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join(timeout=canary.LIMIT)

    def _watch(self, stop: threading.Event, every: float) -> None:
        while not stop.wait(every):
            try:
                self.refresh()
                self._stuck = False
            except Exception:  # noqa: BLE001  # the models in memory go on answering
                if not self._stuck:  # once, not every second
                    _log.exception("the releases cannot be looked at")
                self._stuck = True

    def refresh(self) -> bool:
        """Take up what the pointers say now; returns whether other models answer.

        What is refused is logged once and not tried again until it changes. Raises NotReady
        where releases cannot be tried out.
        """
        with self._lock:
            looked_at = names() | set(self.current.models) | set(self._refused)
            stamps = {name: _stamp(name) for name in looked_at}
            changed = [name for name, stamp in stamps.items() if stamp != self._known(name)]
            if not changed:
                return False
            self._ask_for_keys()
            gone = {name for name in changed if _withdrawn(name)}
            loaded = self._loaded([name for name in changed if name not in gone], stamps)
            for name in (*loaded, *gone):
                self._stamps[name] = stamps[name]
                self._refused.pop(name, None)
            before = self.current
            models = {n: m for n, m in before.models.items() if n not in gone} | loaded
            dumb = {n: "its release is refused" for n in self._refused if n not in models}
            self.current = Scorer(models, not_trained() | dumb, before.tables)
            return self.current.models != before.models

    def _known(self, name: str) -> Stamp | None:
        """What was there when it was taken up or refused."""
        refused = self._refused.get(name)
        return refused.stamp if refused else self._stamps.get(name)

    def _ask_for_keys(self) -> None:
        if self._database is None:
            return
        try:
            self._keys = registered(self._database)
        except NotReady as error:
            _log.warning("%s", error)

    def _loaded(self, changed: Sequence[str], stamps: Mapping[str, Stamp]) -> dict[str, Model]:
        """The models of champions that may answer; those in memory are used again."""
        verified: dict[str, Release] = {}
        for name in changed:
            try:
                verified[name] = _champion(name, self._keys)
            except ReleaseError as error:
                self._refuse(name, stamps[name], str(error))
        verdicts = canary.try_out(list(verified.values()))
        loaded: dict[str, Model] = {}
        for name, release in verified.items():
            try:
                loaded[name] = self._model(release, verdicts[release.digest])
            except ReleaseError as error:
                self._refuse(name, stamps[name], str(error))
        return loaded

    def _model(self, release: Release, why: str) -> Model:
        if why:
            raise ReleaseError(f"{release.folder} is refused: {why.rstrip('.')}.")
        now = self.current.models.get(release.card.name)
        return now if now and now.release.digest == release.digest else Model.of(release)

    def _refuse(self, name: str, stamp: Stamp, why: str) -> None:
        self._refused[name] = Refused(stamp, why)
        _log.error("%s: %s (%s)", name, self._state(name), why.rstrip("."))

    def pinned(self, name: str, version: str) -> Model:
        """A version of a model that answers, or that answered before and was not taken back.

        Raises:
            UnknownQuestion: there is no such model.
            UnknownVersion: there is no such version, or it may not answer.
            ReleaseError: its release is damaged, not signed, or does not pass its trial.
            NotReady: the database does not answer.
        """
        now = self.current.models.get(name) or self.current.tables.get(name)
        if now and now.release.card.version == version:
            return now
        if name not in NAMES:
            raise UnknownQuestion("no such model; GET /v1/models lists them.")
        if self._database is None:
            raise UnknownVersion("there is no such version of a model; leave it out.")
        digest = self._may_answer(self._database, name).get(version)
        if digest is None:
            raise UnknownVersion(f"no such version of {name} may answer; leave it out.")
        model = self._pinned.get(digest) or self._verified(self._database, name, version, digest)
        with self._lock_of_pinned:
            self._pinned[digest] = model
            self._pinned.move_to_end(digest)
            while len(self._pinned) > PINNED:
                self._pinned.popitem(last=False)
        return model

    def _may_answer(self, database: Database, name: str) -> dict[str, str]:
        """Version -> digest of what answered and was not taken back, as of seconds ago."""
        asked, found = self._lines.get(name, (-math.inf, {}))
        if time.monotonic() - asked > LINE_FOR:
            found = dict(succession.line(database, name))
            self._lines[name] = time.monotonic(), found
        return found

    def _verified(self, database: Database, name: str, version: str, digest: str) -> Model:
        release = read(settings().releases / name / version, registered(database))
        if release.digest != digest:
            raise ReleaseError(f"{release.folder} is not the release that was promoted.")
        return self._model(release, canary.try_out([release])[digest])


def names() -> set[str]:
    """The models that have a champion."""
    return {path.parent.name for path in settings().releases.glob("*/champion.json")}


def _withdrawn(name: str) -> bool:
    """Whether no version is to answer; a folder that is away altogether says no such thing."""
    folder = settings().releases / name
    return folder.is_dir() and not (folder / "champion.json").exists()


def _champion(name: str, keys: Keys) -> Release:
    """The champion's release, with digests and signatures that hold.

    Raises:
        ReleaseError: it is damaged, unsigned, of another model, or lacks its approval.
    """
    folder = champion(name)
    if folder is None:
        raise ReleaseError(f"{settings().releases / name} is gone.")
    found = read(folder, keys)
    card = found.card
    if (card.name, card.version) != (name, folder.name):
        raise ReleaseError(f"{folder} holds {card.name} version {card.version}.")
    others = [s.actor for s in found.signed if s.role == "approver" and s.actor != card.trainer]
    if card.question in NEED_ANOTHER_PERSON and not others:
        raise ReleaseError(f"{folder} is not approved by another person than its trainer.")
    return found


def _stamp(name: str) -> Stamp:
    """What tells whether a champion has changed: its pointer, and size and time of its files."""
    pointer = settings().releases / name / "champion.json"
    try:
        folder = champion(name)
    except ReleaseError:
        folder = None
    files = [folder / file for file in (*FILES, "digests.json", SEAL)] if folder else []
    return tuple(_seen(path) for path in (pointer, *files))


def _seen(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
