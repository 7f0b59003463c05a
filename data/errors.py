"""The errors Zhike raises on purpose: facts with a culprit and a remedy.

ZhikeError
├── ConfigurationError   a setting or option that cannot be used
│   └── NotRefusable     nothing to refuse, or nobody to compare a refusal with
├── SourceError          a source folder or file that is not what it was said to be
│   ├── UnknownTable     a table that the canonical layout does not have
│   └── ContractBroken   columns missing, undeclared types, too many rejects
├── WarehouseError       a batch or manifest that is missing or damaged
├── FeatureError         a feature, window or as-of date that cannot be built
│   └── OutsideData      an as-of date before or after all that is known
├── IdentityError        a pair of records that cannot be decided upon
├── TrainingError        a question that the data cannot carry, or a recipe that may not be trained
│   └── TooFewEvents     not enough outcomes to learn from or to judge by
├── RegistryError        a model version that is not there, or may not be approved or promoted
├── ReleaseError         a release directory that is missing, damaged or foreign
├── AdditivityBroken     reasons that do not add up to the score; never served
├── ListError            a list that cannot be made, sealed, exported or answered so
├── UnknownCustomer      nobody with this identifier at the as-of date
├── UnknownRecord        no audit record has this number
├── Erased               personal data whose key was destroyed, or a person who was erased
├── SplitCustomer        an identifier that several customers have borne
├── UnknownQuestion      a question nobody has a model for
│   └── UnknownVersion   a version of a model that there is not
├── NotOffered           what this bank has not set up
├── NotReady             a needed part (database, releases, snapshot) is not there yet
│   └── NotScorable      a question that has no model, or does not fit the customer
├── UnknownItem          nothing of the caller's with this identifier
│   ├── UnknownJob
│   ├── UnknownOutcome
│   ├── UnknownOverride
│   └── UnknownScore     an audit record that holds no such score
├── BadFeedback          an outcome or override that cannot be so
├── Conflict             what stands already does not allow this
│   └── JobNotDone       a result that is not there yet
├── IdempotencyMismatch  a key that came before with another request
├── FourEyes             somebody who would approve what they decided themselves
├── Unauthorised         no key or token, or one that does not count
├── Forbidden            a caller who is known but may not do this
└── TooMany              more requests, or more wrong keys, than one client gets answered
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ZhikeError(Exception):
    """Base of every error that is meant for a person to read."""


class ConfigurationError(ZhikeError):
    """A setting or option that cannot be used."""


class SourceError(ZhikeError):
    """A source folder or file that is not what it was said to be."""


class UnknownTable(SourceError):
    """A table that the canonical layout does not have."""


class ContractBroken(SourceError):
    """A file that does not keep its contract as a whole."""


class WarehouseError(ZhikeError):
    """A batch or manifest that is missing or damaged."""


class FeatureError(ZhikeError):
    """A feature, window or as-of date that cannot be built."""


class OutsideData(FeatureError):
    """An as-of date before or after all that is known."""


class IdentityError(ZhikeError):
    """A pair of records that cannot be decided upon."""


class TrainingError(ZhikeError):
    """A question that the data cannot carry, or a recipe that may not be trained."""


class TooFewEvents(TrainingError):
    """Not enough outcomes to learn from or to judge by."""


class RegistryError(ZhikeError):
    """A model version that is not there, or may not be approved or promoted."""


class ReleaseError(ZhikeError):
    """A release directory that is missing, damaged or foreign."""


class AdditivityBroken(ZhikeError):
    """Contributions that do not add up to the margin."""


class ListError(ZhikeError):
    """A list, policy or template that cannot be used so."""


class UnknownCustomer(ZhikeError):
    """Nobody with this identifier at the as-of date."""


class UnknownRecord(ZhikeError):
    """No audit record has this number."""


class Erased(ZhikeError):
    """Personal data that was erased, or a person about whom nothing is recorded any more."""


class SplitCustomer(ZhikeError):
    """An identifier that several customers have borne; ``candidates`` says which."""

    def __init__(self, message: str, candidates: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.candidates = list(candidates)


class BadFeatures(ZhikeError):
    """Values sent with a request that a model cannot read."""


class UnknownQuestion(ZhikeError):
    """A question nobody has a model for."""


class UnknownVersion(UnknownQuestion):
    """A version of a model that there is not."""


class NotRefusable(ConfigurationError):
    """Nothing to refuse, or nobody to compare a refusal with."""


class NotOffered(ZhikeError):
    """What this bank has not set up."""


class NotReady(ZhikeError):
    """A needed part is not there yet."""


class NotScorable(NotReady):
    """A question that has no model, or does not fit the customer."""


class Unauthorised(ZhikeError):
    """No key or token, or one that does not count."""


class Forbidden(ZhikeError):
    """A caller who is known but may not do this."""


class TooMany(ZhikeError):
    """More requests than a client gets answered; ``after`` is in seconds."""

    def __init__(self, told: str, after: int = 1) -> None:
        super().__init__(told)
        self.after = after


class UnknownItem(ZhikeError):
    """Nothing of the caller's with this identifier."""


class UnknownJob(UnknownItem):
    """No job of the caller's with this identifier."""


class UnknownOutcome(UnknownItem):
    """No outcome with this identifier."""


class UnknownOverride(UnknownItem):
    """No override with this identifier."""


class UnknownScore(UnknownItem):
    """An audit record that does not exist, or holds no such score."""


class BadFeedback(ZhikeError):
    """An outcome or an override that cannot be so."""


class Conflict(ZhikeError):
    """What stands already does not allow this."""


class JobNotDone(Conflict):
    """A job whose result is not there yet."""


class IdempotencyMismatch(ZhikeError):
    """An idempotency key that came before with another request."""


class FourEyes(ZhikeError):
    """Somebody who would approve what they decided themselves."""
