"""Identifiers of jobs, outcomes and overrides: unguessable, and sorted by when they were made."""

import secrets
import time
from typing import Annotated

from pydantic import Field

Identifier = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def new_identifier() -> str:
    """32 hexadecimal digits: 14 of the microsecond, 18 of chance."""
    return f"{time.time_ns() // 1_000:014x}{secrets.token_hex(9)}"
