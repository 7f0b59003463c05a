"""Run one experiment by name; its last line is one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from data.errors import ZhikeError


def names() -> list[str]:
    """The experiments there are: the modules of this package."""
    found = Path(__file__).parent.glob("*.py")
    return sorted(path.stem for path in found if not path.stem.startswith("_"))


def options(parser: argparse.ArgumentParser, experiment: Callable[..., Any]) -> None:
    """One option for every argument of an experiment: ``quick`` by itself, others with a value."""
    kinds: dict[Any, Any] = {
        int | None: int, float | None: float, str | None: str, Path | None: Path
    }  # fmt: skip
    for name, parameter in signature(experiment).parameters.items():
        if name == "quick":
            parser.add_argument("--quick", action="store_true", help="a small run, to see it work")
        else:
            parser.add_argument(f"--{name}", type=kinds[parameter.annotation], metavar=name.upper())


def main(arguments: list[str]) -> int:
    """Run the experiment that the first word names; returns the exit status."""
    if not arguments or arguments[0] not in names():
        print(f"usage: ./zhike experiments NAME, one of: {', '.join(names())}", file=sys.stderr)
        return 2
    experiment = import_module(f"experiments.{arguments[0]}")
    parser = argparse.ArgumentParser(
        prog=f"./zhike experiments {arguments[0]}", description=experiment.__doc__
    )
    options(parser, experiment.run)
    try:
        print(json.dumps(experiment.run(**vars(parser.parse_args(arguments[1:])))))
    except ZhikeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
