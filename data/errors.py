"""The errors Zhike raises on purpose: facts with a culprit and a remedy.

ZhikeError
├── ConfigurationError   a setting or option that cannot be used
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
├── UnknownQuestion      a question nobody has a model for
├── NotReady             a needed part (database, releases, snapshot) is not there yet
└── Unauthorised         no key, or a key that does not count
"""


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


class BadFeatures(ZhikeError):
    """Values sent with a request that a model cannot read."""


class UnknownQuestion(ZhikeError):
    """A question nobody has a model for."""


class NotReady(ZhikeError):
    """A needed part is not there yet."""


class Unauthorised(ZhikeError):
    """No key, or a key that does not count."""
