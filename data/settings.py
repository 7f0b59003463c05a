"""Where generated files go and the few switches that change behaviour."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Settings read from environment variables that begin with ``ZHIKE_``."""

    model_config = SettingsConfigDict(env_prefix="ZHIKE_", frozen=True)

    home: Path = Field(CHECKOUT / "var", description="Folder for everything Zhike generates.")
    database_url: str = Field(
        "", description="SQLAlchemy address of the database; empty means SQLite under the home."
    )
    tracking_uri: str = Field(
        "", description="MLflow tracking address; empty means a SQLite file under the home."
    )
    zone: str = Field(
        "Asia/Taipei", description="Time zone of the bank's business days (canonical sources)."
    )
    threads: int = Field(2, ge=1, description="Threads for the engine and for training.")
    allowed_hosts: str = Field(
        "127.0.0.1,localhost,[::1]",
        description="Names by which the service may be called, with commas: what proxies send as Host.",
    )
    header_seconds: float = Field(
        10, gt=0, description="Seconds for a client to send the head of a request."
    )
    body_seconds: float = Field(20, gt=0, description="Seconds for a client to send a whole body.")
    write_seconds: float = Field(
        20, gt=0, description="Seconds for a client to take what it asked for."
    )
    request_seconds: float = Field(
        15, gt=0, description="Seconds for an answer; then 503, whatever becomes of the work."
    )
    stop_seconds: int = Field(20, ge=1, description="Seconds to finish what runs when stopped.")
    connections: int = Field(
        1000, ge=1, description="Connections a worker holds; fewer if it may open fewer files."
    )
    concurrency: int = Field(
        32, ge=1, description="Requests a worker answers at once; more are told 503 at once."
    )
    database_seconds: float = Field(
        5, gt=0, description="Seconds the service waits for one statement, or for a connection."
    )
    database_pool: int = Field(
        16, ge=1, description="Connections of a process to the database, at most."
    )
    stale_days: int = Field(
        7, ge=1, description="Days after which published profiles make the service degraded."
    )

    @property
    def warehouse(self) -> Path:
        """Folder of the Parquet warehouse."""
        return self.home / "warehouse"

    @property
    def snapshots(self) -> Path:
        """Folder of the profile snapshots."""
        return self.home / "snapshots"

    @property
    def releases(self) -> Path:
        """Folder of the model releases."""
        return self.home / "releases"

    @property
    def books(self) -> Path:
        """Folder of the book runs' outputs."""
        return self.home / "books"

    @property
    def database(self) -> str:
        """The database address in force."""
        return self.database_url or f"sqlite:///{self.home / 'zhike.db'}"

    @property
    def tracking(self) -> str:
        """The MLflow tracking address in force."""
        return self.tracking_uri or f"sqlite:///{self.home / 'mlflow.db'}"


def settings() -> Settings:
    """Read the settings in force now.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"ZHIKE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigurationError(f"settings that cannot be used: {faults}") from None
