"""PySpark as an engine, for a book that one machine cannot hold; the only door to pyspark.

The driver and every worker must see the warehouse folder under the same path. Tables that name a
customer are read as the warehouse's views show them, since a view may resolve who is who; the
driver writes them once for each manifest into the folder ``spark``. All others are read where
they lie.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pyarrow as pa

from data.errors import ConfigurationError
from data.warehouse import Warehouse
from features.definition import Source
from features.engines import DuckEngine, unreadable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
# A cluster on other machines must reach the driver: there Spark's own configuration decides.
_LOOPBACK = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}


@contextmanager
def session(master: str = "local[*]", **settings: str) -> Iterator["SparkSession"]:
    """A Spark session for building profiles, stopped at the end.

    Args:
        master: ``local[*]``, or the URL of a cluster, ``spark://HOST:PORT``.
        settings: more of Spark's own settings, with ``_`` for ``.`` in their names.

    Raises:
        ConfigurationError: Java or pyspark is missing; says what to install.
    """
    _demand()
    from pyspark.sql import SparkSession

    # The workers must run the driver's Python, and Arrow must carry rows: without it a missing
    # string arrives as the text 'NaN'.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    chosen = {
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(_LOOPBACK if master.startswith(("local", "spark://127.0.0.1")) else {}),
        **{name.replace("_", "."): value for name, value in settings.items()},
    }
    builder = SparkSession.builder.master(master).appName("zhike profiles")
    for name, value in chosen.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def spread(
    spark: "SparkSession",
    places: int,
    work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    answer: str,
    environment: Mapping[str, str],
) -> None:
    """Have workers do some places, numbered from 0, each a task of its own, by ``mapInArrow``.

    Args:
        work: takes batches with a column of places, gives batches of ``answer``'s columns.
        environment: what a worker's Python is started with beside its own.
    """
    spark.sparkContext.environment.update(environment)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        spark.range(0, places, 1, places).mapInArrow(work, answer).collect()


def _demand() -> None:
    if not _has_pyspark():
        raise ConfigurationError(
            "the engine spark needs pyspark. Install the extra: ZHIKE_EXTRAS=spark ./zhike ...,"
            " or uv sync --extra spark."
        )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        raise ConfigurationError(
            f"the engine spark needs a Java runtime, {OLDEST_JAVA} or later. Install one"
            " (Debian: apt install openjdk-17-jre-headless) or point JAVA_HOME at it."
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = "".join(c for c in (said.stderr + said.stdout).partition('"')[2][:2] if c.isdigit())
    if not version or int(version) < OLDEST_JAVA:
        raise ConfigurationError(
            f"the engine spark needs Java {OLDEST_JAVA} or later; {java} is"
            f" {version or 'of an unknown version'}. Point JAVA_HOME at a newer one."
        )


def _has_pyspark() -> bool:
    try:
        return importlib.util.find_spec("pyspark") is not None
    except ValueError:  # what find_spec says of a module that was blocked
        return False


class SparkEngine:
    """PySpark over the files of a warehouse."""

    def __init__(self, warehouse: Warehouse, spark: "SparkSession") -> None:
        self._spark, self.manifest, self._folder = spark, warehouse.manifest, warehouse.folder
        self._store = DuckEngine(warehouse)
        for table in self.manifest.tables:
            spark.read.parquet(*self._files(table)).createOrReplaceTempView(table)

    def facts(self, source: Source) -> nw.LazyFrame[Any]:
        """All facts of a source."""
        from pyspark.errors import AnalysisException

        try:
            return _lazy(self._spark.sql(source.query))
        except AnalysisException as error:
            raise unreadable(source, str(error.getMessage()).split("\n")[0]) from None

    def spine(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """The rows that profiles are wanted for."""
        with warnings.catch_warnings():
            # It warns of pandas 3, which it imports here and does not use: rows come as Arrow.
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
            return _lazy(self._spark.createDataFrame(rows))

    def _files(self, table: str) -> list[str]:
        columns = self._store.connection.table(table).columns
        if "customer_id" not in columns:
            return [str(self._folder / batch.file) for batch in self.manifest.of(table)]
        path = self._folder / "spark" / self.manifest.digest[:24] / f"{table}.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{table}.{os.getpid()}")
            self._store.connection.table(table).write_parquet(str(draft), compression="zstd")
            draft.replace(path)
        return [str(path)]


def _lazy(frame: Any) -> nw.LazyFrame[Any]:
    lazy: nw.LazyFrame[Any] = nw.from_native(frame).lazy()
    return lazy
