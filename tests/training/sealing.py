"""Vouch for a release that a test has altered, as somebody who holds a key could."""

import hashlib
from pathlib import Path

from data.warehouse import canonical_json
from training import seal
from training.actors import Actor
from training.release import FILES


def digested(folder: Path) -> str:
    """Write digests that hold, as whoever swaps a file would; returns that of the release."""
    digests = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES}
    together = hashlib.sha256(canonical_json(digests).encode()).hexdigest()
    (folder / "digests.json").write_text(canonical_json({**digests, "release": together}))
    return together


def sealed(folder: Path, actor: Actor, name: str, version: str, role: seal.Role = "trainer") -> str:
    """Write digests that hold and one signature of them; returns the digest of the release."""
    release = digested(folder)
    report = hashlib.sha256((folder / "card.json").read_bytes()).hexdigest()
    signature = actor.sign(seal.message(role, name, version, release, report))
    mine = seal.Signed(role=role, actor=actor.name, key=actor.public_key, signature=signature)
    seal.write(
        folder,
        seal.Seal(model=name, version=version, release=release, report=report, signatures=(mine,)),
    )
    return release
