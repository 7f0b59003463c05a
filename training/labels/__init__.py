"""What each question asks, exactly: who is asked about, what counts, by when it is known."""

from training.labels.churn import CHURN, RUN_OFF
from training.labels.contract import HORIZON, SCORABLE, Answer, LabelContract
from training.labels.credit import ACQUISITION, CREDIT_RISK, LOAN_STATUS
from training.labels.default import DefaultDefinition
from training.labels.labelling import (
    Labelled,
    credit_spine,
    label,
    loan_spine,
    spine_query,
    statuses,
)
from training.labels.propensity import OFFERED, propensity
from training.labels.value import EXTRAPOLATED, FIVE_YEARS, LIFETIME_VALUE

__all__ = [
    "ACQUISITION",
    "CHURN",
    "CREDIT_RISK",
    "EXTRAPOLATED",
    "FIVE_YEARS",
    "HORIZON",
    "LIFETIME_VALUE",
    "LOAN_STATUS",
    "OFFERED",
    "RUN_OFF",
    "SCORABLE",
    "Answer",
    "DefaultDefinition",
    "LabelContract",
    "Labelled",
    "credit_spine",
    "label",
    "loan_spine",
    "propensity",
    "spine_query",
    "statuses",
]
