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
    def lists(self) -> Path:
        """Folder of the propensity lists."""
        return self.home / "lists"

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
