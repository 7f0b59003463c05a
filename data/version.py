"""Which code this is: the project's version and a digest of its sources."""

import hashlib
import tomllib
from functools import cache

from data.settings import CHECKOUT

PACKAGES = ("data", "features", "training", "serving")


@cache
def code_version() -> str:
    """Version, plus and 16 digits of the SHA-256 of every source file, such as 0.1.0+52e0...

    Read once a process: what runs is what was there when it started.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    found = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(CHECKOUT)} {content}\n".encode())
    return f"{project['version']}+{found.hexdigest()[:16]}"
