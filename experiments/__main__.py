"""Run one experiment by name; its last line is one JSON object."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from data.errors import ZhikeError


def names() -> list[str]:
    """The experiments there are: the modules of this package."""
    found = Path(__file__).parent.glob("*.py")
    return sorted(path.stem for path in found if not path.stem.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run the experiment that the first word names; returns the exit status."""
    if not arguments or arguments[0] not in names():
        print(f"usage: ./zhike experiments NAME, one of: {', '.join(names())}", file=sys.stderr)
        return 2
    experiment = import_module(f"experiments.{arguments[0]}")
    parser = argparse.ArgumentParser(
        prog=f"./zhike experiments {arguments[0]}", description=experiment.__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    try:
        print(json.dumps(experiment.run(quick=parser.parse_args(arguments[1:]).quick)))
    except ZhikeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
