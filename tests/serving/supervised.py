"""The service without models under its supervisor, in a process of its own; argv: port file."""

import sys
from pathlib import Path

from serving.service import listen
from serving.workers import supervise

if __name__ == "__main__":
    listener = listen("127.0.0.1", 0)
    told = Path(sys.argv[1])
    worker = str(Path(__file__).with_name("empty_worker.py"))

    def ready() -> None:
        told.with_suffix(".part").write_text(str(listener.getsockname()[1]))
        told.with_suffix(".part").rename(told)

    supervise(listener, 2, [], ready, program=[worker])
