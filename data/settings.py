"""Where generated files go and the few switches that change behaviour."""

import os
from functools import lru_cache
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
    vault_key_file: Path | None = Field(
        None, description="The vault's master key; empty means keys/vault.key under the home."
    )
    checkpoints: Path | None = Field(
        None,
        description="File of the audit's signed checkpoints; empty means"
        " audit/checkpoints.jsonl under the home.",
    )
    telephone_key: str = Field(
        "",
        repr=False,
        description="Secret of the digests by which telephones are looked up; empty: none are.",
    )
    threads: int = Field(2, ge=1, description="Threads for the engine and for training.")
    memory_gb: int = Field(
        4, ge=1, description="Memory for each engine, in GB; what needs more goes to the disk."
    )
    rate_limit: str = Field(
        "1000/second", description="Requests that one client gets answered by one worker."
    )
    oidc_issuer: str = Field("", description="Issuer of bearer tokens; empty means keys only.")
    oidc_audience: str = Field("", description="Audience that tokens have to name.")
    oidc_jwks_file: Path | None = Field(
        None, description="File with the issuer's key set; read anew when it changes."
    )
    oidc_roles_claim: str = Field("roles", description="Claim that lists the roles.")
    oidc_employee_claim: str = Field("sub", description="Claim that holds the staff_id.")
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
    def vault_key(self) -> Path:
        """File of the vault's master key."""
        return self.vault_key_file or self.home / "keys" / "vault.key"

    @property
    def checkpoints_file(self) -> Path:
        """File of the audit's signed checkpoints."""
        return self.checkpoints or self.home / "audit" / "checkpoints.jsonl"

    @property
    def jobs(self) -> Path:
        """Folder of the results of jobs."""
        return self.home / "jobs"

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
    return _read(tuple(map(os.environ.get, _VARIABLES)))


_VARIABLES = [f"ZHIKE_{name}".upper() for name in Settings.model_fields]


@lru_cache(maxsize=8)
def _read(variables: tuple[str | None, ...]) -> Settings:
    """The same variables are read once: every request asks."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"ZHIKE_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigurationError(f"settings that cannot be used: {faults}") from None
