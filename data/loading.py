"""Load a source: check every row, keep the sound, set the broken aside, account for all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from data import contribution
from data.calendar import Calendar
from data.checking import Clock, listed, literal
from data.contracts import Table, typed_nulls
from data.errors import ContractBroken, SourceError
from data.reading import CHUNK
from data.rejects import REJECTS, rejects_table
from data.sources.source import Source
from data.staging import Arrival, Staged
from data.tables import CANONICAL, table
from data.warehouse import CONTRIBUTIONS, Batch, Manifest, SourceFile, Warehouse, engine
from data.withdrawal import Withdrawals

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Loaded:
    """The outcome of a load: the reconciliation by file and what the reader must know.

    ``withdrawn`` counts by table the rows of earlier loads that this one contradicts.
    """

    files: tuple[SourceFile, ...]
    rows: dict[str, int]
    withdrawn: dict[str, int]
    warnings: tuple[str, ...]
    manifest: str


def load(
    source: Source,
    warehouse: Warehouse,
    *,
    replace: bool = False,
    reject_limit: float = 0.5,
    received: datetime | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Bring a source into the warehouse; nothing is visible before all of it is.

    A load that brings nothing new leaves the manifest, and so its digest, as it was.

    Args:
        replace: start from an empty manifest; the former one is kept under its digest.
        reject_limit: share of broken rows above which a file is refused as a whole.
        received: when the files were delivered; a fact dated later is broken. Default: now.

    Raises:
        SourceError: a file cannot be read, or breaks its contract as a whole.
    """
    moment = (received or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    with warehouse.writing() as spill:
        before = Manifest() if replace else warehouse.manifest
        if before.batches and before.source != source.name:
            raise SourceError(
                f"the warehouse {warehouse.folder} holds '{before.source}', not '{source.name}'."
                " Load with --replace, or choose another folder with ZHIKE_HOME."
            )
        connection = engine(spill)
        warehouse.show(connection, before, resolved=False)
        run = _Load(source, warehouse, before, connection)
        return run.run(Clock(source.zone, moment), reject_limit, progress or (lambda *_: None))


class _Load:
    def __init__(
        self,
        source: Source,
        warehouse: Warehouse,
        before: Manifest,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        self.source, self.warehouse, self.before = source, warehouse, before
        self.engine = connection
        self.arrivals = [Arrival.of(d, source.folder) for d in source.deliveries]
        self.staged: dict[str, Staged] = {}
        self.withdrawals = Withdrawals(connection, warehouse, before)
        self.calendar = Calendar.of(before, [a.name for a in self.arrivals])
        self.warnings: list[str] = []

    def run(self, clock: Clock, limit: float, progress: Progress) -> Loaded:
        if self.before.batches and self._is_adapted():
            return self._nothing_new()
        total = len(self.arrivals)
        for contract, arrivals in self._by_table():
            self._withdraw_orphans(contract)
            if not arrivals:
                continue
            staged = self.staged[contract.name] = Staged(self.engine, contract, arrivals)
            for arrival in arrivals:
                progress(arrival.name, self.arrivals.index(arrival), total)
                self._warn(arrival, staged.read(arrival, clock))
            staged.reject_orphans(self._known(contract))
            self._settle(staged)
            for arrival in arrivals:
                self._refuse_above(limit, arrival)
        self._drop()
        progress("writing", total, total)
        return self._commit()

    def _is_adapted(self) -> bool:
        """Whether canonical rows are made of several files, so that only the whole makes sense."""
        return any(d.contract not in CANONICAL for d in self.source.deliveries)

    def _nothing_new(self) -> Loaded:
        digests = {file.sha256: file.rows_in for file in self.before.files}
        changed = [a.name for a in self.arrivals if a.sha256 not in digests]
        if changed:
            raise SourceError(
                f"{self.source.folder} is loaded as a whole, and {listed(changed)} changed since"
                " the last load. Load with --replace."
            )
        for arrival in self.arrivals:
            arrival.rows_in = arrival.duplicate = digests[arrival.sha256]
        files = [arrival.accounted(0) for arrival in self.arrivals]
        return self._loaded(files, self.before, self.before.digest)

    def _by_table(self) -> list[tuple[Table, list[Arrival]]]:
        """What arrived for each table, and nothing for one that only holds rows; parents first."""
        groups: dict[str, list[Arrival]] = {}
        for arrival in self.arrivals:
            groups.setdefault(arrival.delivery.contract.name, []).append(arrival)
        own = [group[0].delivery.contract for group in groups.values()]
        if self._is_adapted():
            return [(contract, groups[contract.name]) for contract in own]
        held = [c for c in CANONICAL if c.name in {*groups, *self.before.tables}]
        return [(contract, groups.get(contract.name, [])) for contract in held]

    def _settle(self, staged: Staged) -> None:
        """Let the rows of a table agree among themselves and with what was accepted earlier."""
        contract = staged.contract
        held = contract.name if contract.name in self.before.tables else None
        aside = [batch for batch in self.before.aside if batch.table == contract.name]
        staged.settle_keys(held, self.warehouse.scan(aside) if aside else None)
        if held:
            self.withdrawals.take(contract, staged.outvoted)

    def _withdraw_orphans(self, contract: Table) -> None:
        """Withdraw rows accepted earlier whose parent this load has withdrawn."""
        if not self.withdrawals.counts or contract.name not in self.before.tables:
            return
        for column, query in self._known(contract).items():
            self.withdrawals.take(
                contract,
                f"SELECT {', '.join(contract.key)}, {literal(contract.no_such_row(column))}"
                f" AS reason FROM {contract.name}"
                f" WHERE {column} IS NOT NULL AND {column} NOT IN ({query})",
            )

    def _warn(self, arrival: Arrival, extra: list[str]) -> None:
        if extra:
            self.warnings.append(f"{arrival.name}: columns not used: {listed(extra)}")
        if not arrival.rows_in:
            self.warnings.append(f"{arrival.name}: no rows")

    def _known(self, contract: Table) -> dict[str, str]:
        """By column that refers to another table, the query for the values it may have."""
        return {
            column.name: self._keys_of(column.refers_to)
            for column in contract.columns
            if column.refers_to
        }

    def _keys_of(self, name: str) -> str:
        staged = self.staged.get(name)
        key = (staged.contract if staged else table(name)).key[0]
        places = [staged.place] if staged else []
        if name in self.before.tables:
            places.append(name)
        known = " UNION ALL ".join(f"SELECT {key} FROM {place}" for place in places)
        return known or "SELECT NULL WHERE false"

    def _refuse_above(self, limit: float, arrival: Arrival) -> None:
        rejected = arrival.rejected
        if not rejected or rejected <= limit * arrival.rows_in:
            return
        kept = self._write_rejects()[0].file
        first = arrival.rejects()[0].sentence
        raise ContractBroken(
            f"{arrival.delivery.path}: {rejected:,} of {arrival.rows_in:,} rows are broken, more"
            f" than the limit of {limit:.0%}. Nothing was loaded; the reasons are in"
            f" {self.warehouse.folder / kept}. First: {first}"
        )

    def _drop(self) -> None:
        """Set aside what the adapter cannot use, and what refers to it, until all hangs together."""
        lost = 1 if self.source.dropped else 0
        while lost:
            lost = sum(self.staged[n].drop(test, why) for n, test, why in self.source.dropped)
            lost += sum(s.reject_orphans(self._known(s.contract)) for s in self.staged.values())

    def _commit(self) -> Loaded:
        files = [file for staged in self.staged.values() for file in staged.accounts()]
        rejects = [b for b in self._write_rejects() if b not in self.before.rejects]
        new = rejects or self.calendar.new_days or any(file.accepted for file in files)
        self.warnings += self.calendar.warnings
        if self.before.batches and not new:
            return self._loaded(files, self.before, self.before.digest)
        batches = [batch for name in self.source.canonical if (batch := self._write(name))]
        manifest = Manifest(
            source=self.source.name,
            zone=self.source.zone,
            batches=(*self.withdrawals.batches(), *batches),
            rejects=(*self.before.rejects, *rejects),
            files=(*self.before.files, *files),
            notes=self.source.notes,
            aside=(*self.before.aside, *self._write_aside()),
            withdrawn=(*self.before.withdrawn, *self.withdrawals.counts),
            gaps=self.calendar.gaps,
            late=self.calendar.late,
        )
        manifest = self._derive(manifest)
        for arrival in self.arrivals:
            arrival.check_unchanged(to_the_byte=True)
        return self._loaded(files, manifest, self.warehouse.commit(manifest))

    def _loaded(self, files: list[SourceFile], manifest: Manifest, digest: str) -> Loaded:
        return Loaded(
            files=tuple(files),
            rows={name: sum(b.rows for b in manifest.of(name)) for name in manifest.tables},
            withdrawn={w.table: w.rows for w in self.withdrawals.counts},
            warnings=tuple(self.warnings),
            manifest=digest,
        )

    def _write(self, name: str) -> Batch | None:
        contract = table(name)
        if self._is_adapted():
            self._check_rules(contract)
        columns = ", ".join(c.name for c in contract.columns)
        if contract.dated:
            columns += (
                f", {self._day('event_at')} AS event_day, {self._day('known_at')} AS known_day"
            )
        self.engine.execute("SET search_path = 'staged,main'")
        try:
            # What an adapter leaves out of an optional column is null.
            rows = self.engine.sql(
                f"SELECT {columns} FROM (SELECT {typed_nulls(contract)} WHERE false"
                f" UNION ALL BY NAME ({self.source.canonical[name]})) ORDER BY line"
            ).to_arrow_reader(CHUNK)
            return self.warehouse.write(name, rows, rows.schema)
        finally:
            self.engine.execute("SET search_path = 'main'")

    def _check_rules(self, contract: Table) -> None:
        """Refuse what an adapter made of sound rows where it breaks a rule of the table."""
        self.engine.execute("SET search_path = 'staged,main'")
        for rule in contract.rules:
            broken = self.engine.execute(
                f"SELECT {contract.key[0]}, count(*) OVER ()"
                f" FROM ({self.source.canonical[contract.name]}) WHERE NOT ({rule.holds}) LIMIT 1"
            ).fetchall()
            for key, count in broken:
                raise ContractBroken(
                    f"{self.source.folder}: {count:,} {contract.name} have an {rule.column} that"
                    f" is {rule.about}; one is {key}. Correct them; nothing was loaded."
                )

    def _day(self, clock: str) -> str:
        """The bank's business day of a moment, in days since 1970."""
        local = f"CAST(timezone('{self.source.zone}', {clock}) AS DATE)"
        return f"CAST({local} - DATE '1970-01-01' AS INTEGER)"

    def _write_rejects(self) -> list[Batch]:
        """What was set aside of the files, and what was withdrawn, each as a batch of its own.

        A file that brings nothing new is rejected with the same bytes as before.
        """
        arrived = [reject for a in self.arrivals for reject in a.rejects()]
        tables = [rejects_table(found) for found in (arrived, self.withdrawals.rejects())]
        written = [self.warehouse.write(REJECTS, t.to_batches(), t.schema) for t in tables]
        return [batch for batch in written if batch]

    def _write_aside(self) -> list[Batch]:
        names = [name for name in self.staged if name in self.source.canonical]
        written = []
        for name in [] if self._is_adapted() else names:
            rows = self.engine.sql(f"SELECT * FROM aside.{name} ORDER BY ALL")
            reader = rows.to_arrow_reader(CHUNK)
            written.append(self.warehouse.write(name, reader, reader.schema))
        return [batch for batch in written if batch]

    def _derive(self, manifest: Manifest) -> Manifest:
        """Replace what is computed from the tables rather than delivered."""
        delivered = tuple(b for b in manifest.batches if b.table != CONTRIBUTIONS)
        manifest = manifest.model_copy(update={"batches": delivered})
        if not delivered:
            return manifest
        connection = self.warehouse.connect(manifest, resolved=False)
        missing = contribution.reason_without(connection, manifest.tables)
        if missing:
            self.warnings.append(f"contribution cannot be computed: {missing}")
            return manifest
        contribution.prepare(connection)
        rows = contribution.contributions(connection).to_arrow_reader(CHUNK)
        batch = self.warehouse.write(CONTRIBUTIONS, rows, contribution.schema())
        extra = (batch,) if batch else ()
        return manifest.model_copy(update={"batches": (*delivered, *extra)})
