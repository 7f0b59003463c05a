"""A home for a while: everything that an experiment generates goes to a folder of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def home(folder: Path) -> Iterator[None]:
    """Everything that is generated goes to ``folder``, for a while."""
    wanted = {"ZHIKE_HOME": str(folder), "ZHIKE_DATABASE_URL": "", "ZHIKE_TRACKING_URI": ""}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
