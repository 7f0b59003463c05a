"""A worker of the service without models, for tests of what runs workers; argv: socket, line."""

import sys

from data.database import Database
from serving.releases import Served
from serving.scoring import Scorer
from serving.workers import work


def nothing(database: Database) -> Served:
    return Served(Scorer({}, {}), database)


if __name__ == "__main__":
    work(int(sys.argv[1]), int(sys.argv[2]), nothing, jobs=False)
