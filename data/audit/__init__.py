"""The audit: what was answered, on what grounds, each record bound to the one before in its chain."""

from data.audit.chain import (
    GENESIS,
    MAIN,
    Record,
    append,
    enter,
    payload_of,
    record_of,
    records,
    settled,
    submit,
)
from data.audit.committer import Committer, committing
from data.audit.verifying import Broken, Findings, first_broken, verify

__all__ = [
    "GENESIS",
    "MAIN",
    "Broken",
    "Committer",
    "Findings",
    "Record",
    "append",
    "committing",
    "enter",
    "first_broken",
    "payload_of",
    "record_of",
    "records",
    "settled",
    "submit",
    "verify",
]
