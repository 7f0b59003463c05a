"""Profiles on a standalone Spark cluster: a master and two workers, each a process of its own."""

import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import pandas as pd
import pytest

from data.warehouse import Warehouse
from features.catalogue import CATALOGUE
from features.profile import build
from features.spark import SparkEngine, session
from tests.features.dated_bank import same_bits

pytestmark = [pytest.mark.java, pytest.mark.spark, pytest.mark.slow]
DEPLOY = "org.apache.spark.deploy"
PATIENCE = 120.0


def started(stack: ExitStack, log: Path, *arguments: str) -> Popen[bytes]:
    """A process of Spark's, which writes its log to a file and is stopped with the stack."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = os.environ | {
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",  # Spark's pages would listen on every address
    }
    with log.open("wb") as sink:
        process = Popen(
            [str(home / "bin" / "spark-class"), *arguments],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log.parent,
        )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def told(log: Path, pattern: str, process: Popen[bytes], times: int = 1) -> str:
    """The first group of a pattern once a log holds it so many times."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = re.findall(pattern, log.read_text(errors="replace"))
        if len(found) >= times:
            return str(found[0])
        time.sleep(0.2)
    pytest.fail(f"{log.name} never said {pattern}:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        log = folder / "master.log"
        loopback = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        master = started(stack, log, f"{DEPLOY}.master.Master", *loopback)
        url = told(log, r"(spark://127\.0\.0\.1:\d+)", master)
        for number in (1, 2):
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"))
            one = folder / f"worker{number}.log"
            started(stack, one, f"{DEPLOY}.worker.Worker", *loopback, *size, url)
        told(log, r"Registering worker", master, times=2)
        yield url


def test_the_whole_catalogue_on_a_cluster_of_two_has_the_bits_of_duckdb(
    cluster: str, little: Warehouse, spine: pd.DataFrame
) -> None:
    here = build(little, spine)
    with (
        warnings.catch_warnings(),
        session(
            cluster,
            spark_sql_shuffle_partitions="4",
            spark_executor_memory="512m",
            spark_scheduler_minRegisteredResourcesRatio="1.0",
        ) as spark,
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # py4j leaves its sockets to the collector
        there = build(SparkEngine(little, spark), spine)
        told_by = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size()
    assert told_by == 3  # the driver and an executor on each worker
    assert set(there.features) | set(there.absent) == set(CATALOGUE)
    assert there.features == here.features
    assert same_bits(there.frame, here.frame)
