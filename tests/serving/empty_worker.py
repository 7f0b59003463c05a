"""A worker of the service without models, for tests of what runs workers; argv: socket, line."""

import sys

from serving.scoring import Scorer
from serving.workers import work

if __name__ == "__main__":
    work(int(sys.argv[1]), int(sys.argv[2]), lambda: Scorer({}, {}))
