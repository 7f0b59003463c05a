"""The door to the database: SQLite by default, PostgreSQL in production, one schema for both."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError

from data.errors import ConfigurationError, NotReady
from data.settings import CHECKOUT, settings

if TYPE_CHECKING:
    from data.audit.committer import Committer

MIGRATIONS = CHECKOUT / "data" / "migrations"
_WRITERS = 7201  # PostgreSQL's advisory lock on which our writers queue
_PATIENCE = 5  # seconds for a server to take a connection
# A DatabaseError by its own name: the file is damaged, or no database at all.
_SILENCE = (OperationalError, DatabaseError, sa.exc.TimeoutError)


class Database:
    """A database at an address, migrated to the schema of this code.

    Args:
        patience: seconds to wait for a statement, or for a free connection; what takes longer is
            NotReady. None waits for as long as the work takes.

    Attributes:
        committer: of a serving process, what writes its audit records many at a time.

    Raises:
        ConfigurationError: the address cannot be read, or names a database without a driver here.
    """

    def __init__(self, address: str = "", *, patience: float | None = None) -> None:
        self.address = address or settings().database
        self.engine = _engine(self.address, patience)
        self.committer: Committer | None = None
        self._file: os.stat_result | None = None

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema up to date, or up to a revision, whole or not at all.

        Raises:
            NotReady: the database does not answer.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection; what is not committed is undone.

        Raises:
            NotReady: the database does not answer.
        """
        try:
            self._check_file()
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            if type(error) not in _SILENCE:
                raise
            raise self._away(getattr(error, "orig", None) or error) from error

    @contextmanager
    def writing(self, *, queued: bool = True) -> Iterator[Connection]:
        """A transaction that no other writer shares; committed at the end, or not at all.

        Args:
            queued: on PostgreSQL, wait for other writers; not needed by who writes only what
                nobody else does. On SQLite all writers queue.

        Raises:
            NotReady: the database does not answer.
        """
        with self.alone(), self.reading() as connection, connection.begin():
            if queued and self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))
            yield connection

    @contextmanager
    def alone(self) -> Iterator[None]:
        """On SQLite, the file lock on which all writers queue: its own busy timer is unfair.

        Raises:
            NotReady: the file's folder cannot be written.
        """
        path = self.engine.url.database
        if self.engine.dialect.name != "sqlite" or not path or path == ":memory:":
            yield
            return
        with self._queue(path) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _queue(self, path: str) -> IO[str]:
        try:
            return Path(f"{path}.lock").open("a")
        except FileNotFoundError:
            return self._first_queue(path)
        except OSError as error:
            raise self._away(error) from None

    def _first_queue(self, path: str) -> IO[str]:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            return Path(f"{path}.lock").open("a")
        except OSError as error:
            raise self._away(error) from None

    def _check_file(self) -> None:
        """Of SQLite: a file that was taken away would go on taking records that nobody finds."""
        path = self.engine.url.database
        if self.engine.dialect.name != "sqlite" or not path or path == ":memory:":
            return
        try:
            there = os.stat(path)  # noqa: PTH116 - a quarter of the time of Path's, on every request
        except OSError as error:
            if self._file is None and isinstance(error, FileNotFoundError):
                return  # the first connection makes it
            self.engine.dispose()
            raise self._away(error) from None
        if self._file is not None and not os.path.samestat(there, self._file):
            self.engine.dispose()
        self._file = there

    def _away(self, error: BaseException) -> NotReady:
        url = self.engine.url.difference_update_query(
            ["password", "sslpassword", "connect_timeout"]
        )
        return NotReady(
            f"the database {url.render_as_string(hide_password=True)} does not answer"
            f" ({type(error).__name__}); check that it runs and that ZHIKE_DATABASE_URL names it."
        )


def migrated() -> Database:
    """The database that the settings name, with the schema of this code."""
    database = Database()
    database.migrate()
    return database


def _engine(address: str, patience: float | None) -> Engine:
    try:
        url = sa.make_url(address)
        postgres = url.get_backend_name() == "postgresql"
        if postgres and "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": str(ceil(patience or _PATIENCE))})
        # Parameters are people's identifiers: they stay out of errors and logs.
        engine = sa.create_engine(
            url, pool_pre_ping=postgres, hide_parameters=True, **_pool(url, patience)
        )
    except (ArgumentError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"ZHIKE_DATABASE_URL is no address of a database ({type(error).__name__}); write"
            " sqlite:////path/to/zhike.db or postgresql+psycopg://user:password@host/name."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _durable)
        sa.event.listen(engine, "begin", _begin)
    elif postgres and patience is not None:
        sa.event.listen(engine, "do_connect", _bounded(patience))
    return engine


def _pool(url: sa.URL, patience: float | None) -> dict[str, Any]:
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database in (None, "", ":memory:"):
        return {}
    waits: dict[str, Any] = {} if patience is None else {"pool_timeout": patience}
    if sqlite and patience is not None:
        waits["connect_args"] = {"timeout": patience}
    return {"pool_size": settings().database_pool, "max_overflow": 0, **waits}


def _bounded(patience: float) -> Callable[..., Any]:
    """What opens a connection on which no wait is longer: a server that hangs says nothing."""

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            began = time.monotonic()
            try:
                return super().wait(gen, interval, timeout or patience)
            except psycopg.OperationalError:
                if timeout is None and time.monotonic() - began >= patience:
                    self.pgconn.finish()  # its answer may come when nobody asks
                raise

    def connect(_: Any, __: Any, arguments: Any, named: dict[str, Any]) -> Any:
        # The server gives up too, so that no work is left behind.
        options = f"{named.get('options', '')} -c statement_timeout={int(patience * 1000)}"
        return Bounded.connect(*arguments, **{**named, "options": options.strip()})

    return connect


def _durable(connection: Any, _: Any) -> None:
    # Python's driver would open a transaction only before the first INSERT, leaving reads and
    # migrations outside; we open it ourselves.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
