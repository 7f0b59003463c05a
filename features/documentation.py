"""The catalogue to read: the page that documents it, and every entry as plain values."""

from collections.abc import Iterable
from typing import Any

from features.catalogue import CATALOGUE, SUBJECTS, version
from features.definition import DATA_CLASSES, DIRECTIONS, PURPOSES, Feature
from features.sources import SOURCES

_INTRODUCTION = """\
# The feature catalogue

Every number a model may read about a customer. A feature sees only facts that had happened, and
were known to the bank, strictly before the as-of day of the profile. A window of 90 days holds the
90 days before that day. Money is in minor units, rates are in millionths, and what cannot be
computed is missing: a ratio over nothing, the time since what never happened. This page is made
from the code (`./zhike features catalogue --write docs/feature-catalogue.md`).

How a reason names a feature stands in English, in the Chinese of Taiwan's banks and in that of the
mainland's.
"""


def entry(feature: Feature) -> dict[str, Any]:
    """A feature's catalogue entry as JSON has it."""
    return {
        "name": feature.name,
        "subject": feature.subject,
        "sentence": feature.sentence,
        "unit": feature.unit,
        "window_days": feature.days,
        "higher": feature.higher,
        "data_class": feature.data_class,
        "purposes": list(feature.purposes),
        "reasons": {
            "en": feature.reasons.en,
            "zh-TW": feature.reasons.zh_tw,
            "zh-CN": feature.reasons.zh_cn,
        },
        "made_of": [f.name for f in feature.inputs],
        "sources": sorted({s.name for s in feature.sources}),
        "tables": sorted({t for s in feature.sources for t in s.tables}),
    }


def entries() -> dict[str, Any]:
    """The whole catalogue with its version and its vocabularies."""
    return {
        "version": version(),
        "data_classes": dict(DATA_CLASSES),
        "directions": dict(DIRECTIONS),
        "purposes": dict(PURPOSES),
        "features": [entry(feature) for feature in CATALOGUE.values()],
    }


def catalogue_page() -> str:
    """Markdown of the whole page."""
    parts = [
        f"{_INTRODUCTION}\n{len(CATALOGUE)} features.\n",
        _vocabulary("Higher is", "direction", DIRECTIONS.items()),
        _vocabulary("Data classes", "class", DATA_CLASSES.items()),
        _vocabulary("Purposes", "purpose", PURPOSES.items()),
        _vocabulary("Sources", "source", ((s.name, _told(s.about, s.tables)) for s in SOURCES)),
    ]
    for module in SUBJECTS:
        subject = module.__name__.partition(".")[2]
        mine = [f for f in CATALOGUE.values() if f.subject == subject]
        parts.append(f"## {subject}\n\n{module.__doc__}\n\n{_HEAD}{_rows(mine)}\n")
    return "\n".join(parts)


def _told(about: str, tables: tuple[str, ...]) -> str:
    return f"{about} From {', '.join(f'`{table}`' for table in tables)}."


def _vocabulary(title: str, head: str, meanings: Iterable[tuple[str, str]]) -> str:
    rows = "\n".join(f"| {word} | {meaning} |" for word, meaning in meanings)
    return f"## {title}\n\n| {head} | meaning |\n|---|---|\n{rows}\n"


_HEAD = (
    "| feature | what it is | unit | days | higher is | class | may serve | in reasons |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def _rows(features: Iterable[Feature]) -> str:
    return "\n".join(_row(feature) for feature in features)


def _row(feature: Feature) -> str:
    made = f" From {', '.join(f'`{f.name}`' for f in feature.inputs)}." if feature.inputs else ""
    said = feature.reasons
    return (
        f"| `{feature.name}` | {feature.sentence}{made} | {feature.unit} | {window(feature)}"
        f" | {feature.higher} | {feature.data_class} | {', '.join(feature.purposes)}"
        f" | {said.en} · {said.zh_tw} · {said.zh_cn} |"
    )


def window(feature: Feature) -> str:
    """The window as people read it."""
    if feature.inputs:
        return "-"
    return str(feature.days) if feature.days else "ever"
