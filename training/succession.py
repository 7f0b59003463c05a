"""Which versions of a model answered one after the other, as the audit chain tells."""

import json
from collections.abc import Mapping
from typing import Any

from data import audit
from data.database import Database

PROMOTED, ROLLED_BACK, RETIRED = "model_promoted", "model_rolled_back", "model_retired"


def line(database: Database, name: str) -> list[tuple[str, str]]:
    """Versions with their digests in the order in which each began to answer, without retired ones.

    What was rolled back is no longer in the line.
    """
    found: list[tuple[str, str]] = []
    for record in audit.records(database, (PROMOTED, ROLLED_BACK, RETIRED)):
        body: Mapping[str, Any] = json.loads(record.body)
        if body["model"] != name:
            continue
        one = (body["version"], body["release"])
        if record.kind == ROLLED_BACK:
            found = found[: found.index(one) + 1] if one in found else [one]
        else:
            found = [other for other in found if other != one]
            if record.kind == PROMOTED:
                found.append(one)
    return found
