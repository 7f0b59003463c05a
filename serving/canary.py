"""Try releases in a process of their own: a damaged text can crash or hang the LightGBM library.

    python -m serving.canary SECONDS FOLDER...

prints for each folder one line of JSON, ``{"folder", "digest", "why"}``, with an empty ``why``
where the release may answer. The process dies where the library crashes it, and is ended by the
alarm where one release takes longer than its seconds; the folder it died of has no line.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data.errors import NotReady, ZhikeError
from data.settings import CHECKOUT, settings
from data.warehouse import canonical_json, replace_file
from serving.scoring import Model
from training.release import Release, libraries, read
from training.shapley import Explainer
from training.trees import Forest

LIMIT = 10.0  # seconds for one release
START = 300.0  # seconds for a new, busy machine to import and compile what the child needs


def try_out(releases: Sequence[Release], limit: float = LIMIT) -> dict[str, str]:
    """Digest -> why a release may not answer, empty where it may; each is tried once a machine.

    Args:
        releases: their digests and signatures hold.
        limit: seconds for one.

    Raises:
        NotReady: the child could not be run; nothing is known.
    """
    waiting = {one.digest: one for one in releases}
    if not waiting:
        return {}
    with _alone():  # the other workers wait for this one's verdicts
        known = {digest: _kept(digest) for digest in waiting}
        untried = [one for digest, one in waiting.items() if known[digest] is None]
        fresh = _tried(untried, limit)
        for digest, why in fresh.items():
            content = canonical_json({"why": why, "libraries": libraries()})
            replace_file(verdict_file(digest), content.encode())
    return {digest: why for digest, why in known.items() if why is not None} | fresh


def verdict_file(digest: str) -> Path:
    """Where the verdict on a release is kept; without it, the release is tried again."""
    return settings().home / "cache" / "canary" / f"{digest}.json"


@contextmanager
def _alone() -> Iterator[None]:
    folder = settings().home / "cache" / "canary"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kept(digest: str) -> str | None:
    """The verdict of before, unless libraries have changed since."""
    try:
        kept: Mapping[str, object] = json.loads(verdict_file(digest).read_text())
        return str(kept["why"]) if kept["libraries"] == libraries() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tried(releases: Sequence[Release], limit: float) -> dict[str, str]:
    """Verdicts; after one that the child died of, another child goes on with the rest."""
    found: dict[str, str] = {}
    left = list(releases)
    while left:
        said, code = _child([one.folder for one in left], limit)
        answers = [json.loads(line) for line in said if line.startswith("{")]
        for one, answer in zip(left, answers, strict=False):
            same = answer["digest"] in ("", one.digest)
            found[one.digest] = answer["why"] if same else "it changed while it was tried"
        left = left[len(answers) :]
        if left and "ready" not in said:
            raise NotReady(f"releases cannot be tried: the child ended with {code}.")
        if left:
            found[left.pop(0).digest] = _ended(code, limit)
    return found


def _ended(code: int, limit: float) -> str:
    if code == -signal.SIGALRM:
        return f"loading it took longer than {limit:g} seconds"
    named = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"loading it ended the process ({named})"


def _child(folders: Sequence[Path], limit: float) -> tuple[list[str], int]:
    """The lines that the child wrote, and how it ended."""
    words = [sys.executable, "-m", "serving.canary", f"{limit:g}"]
    # What may be damaged gets no address of a database, nor a password in it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZHIKE_")}
    try:
        done = subprocess.run(
            [*words, *(str(folder.absolute()) for folder in folders)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",  # a library that reads a damaged text may say anything
            cwd=CHECKOUT,
            env={**kept, "ZHIKE_HOME": str(settings().home.absolute())},
            timeout=START + limit * len(folders),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotReady(f"releases cannot be tried ({type(error).__name__}).") from None
    return done.stdout.splitlines(), done.returncode


def main(words: Sequence[str]) -> None:
    """What the child does."""
    _warm()
    limit = float(words[0])
    print("ready", flush=True)
    for folder in words[1:]:
        # No handler: the default ends the process even while it loops in C.
        signal.setitimer(signal.ITIMER_REAL, limit)
        digest, why = _judged(Path(folder))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps({"folder": folder, "digest": digest, "why": why}), flush=True)


def _warm() -> None:
    """Import and compile before the clock runs: on a new machine that takes longer than a model."""
    import lightgbm

    rows, target = np.arange(8.0).reshape(-1, 1), np.arange(8) % 2
    few = {"min_data_in_leaf": 1, "min_data_in_bin": 1, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(few, lightgbm.Dataset(rows, target), num_boost_round=1)
    Explainer(Forest.from_text(booster.model_to_string()))


def _judged(folder: Path) -> tuple[str, str]:
    digest = ""
    try:
        found = read(folder)
        digest = found.digest
        if margins_of_library(found) != found.golden_margins:
            return digest, "LightGBM does not give its golden margins"
        Model.of(found)
    except ZhikeError as error:
        return digest, str(error)
    except Exception as error:  # noqa: BLE001  # whatever the library finds wrong with a text
        return digest, f"it cannot be loaded ({type(error).__name__})"
    return digest, ""


def margins_of_library(found: Release) -> tuple[str, ...]:
    """The margins of the golden rows as LightGBM gives them, in hexadecimal."""
    import lightgbm

    booster = lightgbm.Booster(model_str=found.model)
    margins = np.asarray(booster.predict(found.golden_rows, raw_score=True, num_threads=1))
    return tuple(margin.hex() for margin in margins.tolist())


if __name__ == "__main__":
    main(sys.argv[1:])
