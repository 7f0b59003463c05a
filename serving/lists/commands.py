"""Commands of the lists: policies, notices, and a list from its draft to its close."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from data.csvfile import Layout
from data.database import migrated
from data.errors import ListError
from data.settings import settings
from data.terminal import application, note, out, plain, progress, show_table
from data.warehouse import Warehouse, canonical_json
from serving.lists import life, notices, policies, records
from serving.lists.counts import for_marketing
from serving.lists.export import Recall, export, recall
from serving.lists.notices import Notice
from serving.lists.reasons import NOTICES, REASONS
from serving.lists.records import MadeList
from serving.lists.request import read_request
from serving.lists.returns import take_results
from serving.lists.templates import template

app = application("Make lists of whom to contact, seal them, hand them over, take results back.")
policy = application("Publish the risk policies that lists choose by name.")
_Who = Annotated[str, typer.Option("--as", help="Who does it, for the audit record.")]
_List = Annotated[str, typer.Argument(help="The list's identifier.")]
CLERK = "command line"


@policy.command("publish")
def publish_policy(
    name: Annotated[str, typer.Argument(help="The policy's name.")],
    max_pd: Annotated[float, typer.Option(help="The highest PD of 12 months within it.")],
    max_grade: Annotated[str, typer.Option(help="The worst grade within it.")] = "10",
    unscored: Annotated[
        bool, typer.Option("--unscored", help="Offer credit to customers without a PD as well.")
    ] = False,
    who: _Who = CLERK,
) -> None:
    """Publish a risk policy, or its next version; a risk officer's to do."""
    made = policies.publish(
        migrated(), name, max_pd=max_pd, max_grade=max_grade, unscored=unscored, actor=who
    )
    out.print(f"policy {plain(made.name)}, version {made.version}, is published")


@app.command("draft")
def draft_list(
    policy_name: Annotated[str, typer.Option("--policy", help="A published risk policy.")],
    product: Annotated[list[str], typer.Option(help="A family or product; repeat it for more.")],
    channel: Annotated[str, typer.Option(help="branch, online, mobile or call_centre.")],
    cost: Annotated[float, typer.Option(help="Cost of one contact.")],
    seed: Annotated[int, typer.Option(help="Of the draws.")],
    size: Annotated[int | None, typer.Option(help="The most customers to contact.")] = None,
    budget: Annotated[float | None, typer.Option(help="The most that contacts may cost.")] = None,
    segment: Annotated[list[str] | None, typer.Option(help="key, high, middle, base.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Of the customer's district.")] = None,
    minimum_profit: Annotated[float, typer.Option(help="Least expected profit.")] = 0.0,
    control: Annotated[float, typer.Option(help="Share that is not contacted.")] = 0.1,
    challenger: Annotated[float, typer.Option(help="Share chosen by take-up alone.")] = 0.0,
    random: Annotated[float, typer.Option(help="Share chosen by lot.")] = 0.0,
    day: Annotated[str, typer.Option(help="Of the list, YYYY-MM-DD; default: today.")] = "",
    until: Annotated[str, typer.Option(help="Last contact; default: 30 days later.")] = "",
    who: _Who = CLERK,
) -> None:
    """Draft a list from the newest book; the same asked twice is one list."""
    on = _day(day) if day else datetime.now(ZoneInfo(settings().zone)).date()
    ends = _day(until) if until else on + timedelta(days=30)
    asked = {
        "products": product,
        "size": size,
        "budget": budget,
        "channel": channel,
        "segments": segment or [],
        "regions": region or [],
        "policy": policy_name,
        "minimum_profit": minimum_profit,
        "control": control,
        "arms": {
            "champion": 1 - challenger - random,
            "challenger": challenger,
            "random": random,
        },
        "seed": seed,
        "cost": cost,
        "day": on.isoformat(),
        "contact_until": ends.isoformat(),
    }
    request = read_request(canonical_json(asked))
    with progress("list") as report:
        made = life.draft(migrated(), Warehouse(), request, actor=who, report=report)
    show(made)


@app.command("show")
def show_lists(
    list_id: Annotated[str, typer.Argument(help="A list; default: all of them.")] = "",
    marketing: Annotated[
        bool, typer.Option("--marketing", help="As marketing sees it: small counts hidden.")
    ] = False,
) -> None:
    """Print every list, or one with its reconciliation."""
    database = migrated()
    if list_id:
        show(records.find(database, list_id), marketing=marketing)
        return
    rows = [
        (one.list_id, one.state, ", ".join(one.request.products), one.counts.listed)
        for one in records.all_lists(database)
    ]
    show_table("Lists", ("list", "state", "products", "listed"), rows)


@app.command("seal")
def seal_list(list_id: _List, who: _Who = CLERK) -> None:
    """Ask consent anew, drop whom it concerns, and fix the list for good."""
    show(life.seal(migrated(), Warehouse(), list_id, actor=who))


@app.command("export")
def export_list(
    list_id: _List,
    template_name: Annotated[str, typer.Option("--template", help="How to write it.")],
    who: _Who = CLERK,
) -> None:
    """Write a sealed list for a system; the control file comes last."""
    made = export(migrated(), Warehouse(), list_id, template(template_name), actor=who)
    left = ", ".join(f"{count} {code}" for code, count in made.control["left_out"].items())
    out.print(f"{made.control['rows']:,} rows in {plain(str(made.folder))}", soft_wrap=True)
    out.print(f"left out since the seal: {left or 'nobody'}; audit record {made.audit}")


@app.command("results")
def take_results_of(
    list_id: _List,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV of results.")],
    encoding: Annotated[str, typer.Option(help="utf-8 or gb18030.")] = "utf-8",
    delimiter: Annotated[str, typer.Option(help="Between columns.")] = ",",
    who: _Who = CLERK,
) -> None:
    """Take results back: columns list, row, disposition, at."""
    found = take_results(migrated(), list_id, file, layout=Layout(delimiter, encoding), actor=who)
    out.print(
        f"{found.new} new, {found.same} known, {found.corrected} corrected,"
        f" {found.superseded} superseded, {sum(found.rejected.values())} rejected"
    )
    for reason, count in sorted(found.rejected.items()):
        note(f"rejected: {count} {reason}")
    if found.rejects:
        out.print(f"rejects in {plain(str(found.rejects))}", soft_wrap=True)
    out.print(
        f"delivered {found.delivered} = returned {found.returned} + outstanding {found.outstanding}"
    )


@app.command("close")
def close_list(list_id: _List, who: _Who = CLERK) -> None:
    """Close a list: its people may be listed again."""
    out.print(f"list {life.close(migrated(), list_id, actor=who).list_id} is closed")


@app.command("notice")
def give_notice(
    customer_id: Annotated[str, typer.Argument(help="The customer, or a source record.")],
    kind: Annotated[str, typer.Argument(help=", ".join(NOTICES))],
    lifted: Annotated[bool, typer.Option("--lifted", help="It holds no more.")] = False,
    who: _Who = CLERK,
) -> None:
    """Say at once what the next load would bring: consent withdrawn, opted out, frozen, ..."""
    moment = datetime.now(ZoneInfo("UTC"))
    database, warehouse = migrated(), Warehouse()
    given = Notice(customer_id, kind, not lifted, moment)
    notices.take(database, warehouse, [given], actor=who)
    out.print("taken; lists that are sealed or exported from now on respect it")
    if not lifted:
        _show_recall(recall(database, warehouse, notices.person(warehouse, customer_id)))


@app.command("recall")
def show_recall(
    customer_id: Annotated[str, typer.Argument(help="A customer; default: all withdrawn.")] = "",
) -> None:
    """Print who stands in an export of an open list and may be contacted no more."""
    database, warehouse = migrated(), Warehouse()
    person = notices.person(warehouse, customer_id) if customer_id else None
    _show_recall(recall(database, warehouse, person))


def _show_recall(found: list[Recall]) -> None:
    rows = [tuple(map(_cell, asdict(one).values())) for one in found]
    if rows:
        heads = ("customer", "export", "list", "template", "row", "reasons")
        show_table("To be recalled", heads, rows)
    else:
        out.print("nobody stands in an export")


def _cell(value: object) -> object:
    return ", ".join(value) if isinstance(value, tuple) else value


def show(made: MadeList, *, marketing: bool = False) -> None:
    """Print a list's reconciliation."""
    counts, power = made.counts, made.power
    out.print(f"List {made.list_id} is {made.state}; policy {plain(made.request.policy)}")
    if marketing:
        _show_rounded(made)
    else:
        rows = [
            (r.code, r.says, counts.first[r.code], counts.applies[r.code])
            for r in REASONS
            if counts.applies[r.code]
        ]
        show_table("Suppressed", ("reason", "", "counted", "applies to"), rows)
        out.print(
            f"listed {counts.listed:,} + control {counts.control:,} + suppressed"
            f" {counts.suppressed:,} = book {counts.book:,}"
        )
    if made.unchecked:
        out.print(f"not checked, as nothing tells it: {', '.join(made.unchecked)}")
    families = set(made.request.products) - set(made.incremental)
    if families:
        out.print(f"not incremental (take-up, not uplift): {', '.join(sorted(families))}")
    if power.detectable is None:
        out.print("there is no control group: nothing can be shown of the list's effect")
        return
    out.print(
        f"the control group shows an effect of {power.detectable:.2%} or more (80 % power, 5 %"
        f" two-sided) on a take-up of {power.take_up:.2%}"
    )
    if not power.enough:
        out.print(f"underpowered: the effect worth seeing is {power.least_effect:.2%}")


def _show_rounded(made: MadeList) -> None:
    seen = for_marketing(made.counts, f"{made.request.policy}/{made.policy_version}")
    rows = []
    for reason in REASONS:
        count = seen[reason.code]
        told = "few or none" if count is None else f"about {count:,}"
        rows.append((reason.code, reason.says, told))
    show_table("Suppressed", ("reason", "", "customers"), rows)
    out.print(f"listed {made.counts.listed:,} of a book of {made.counts.book:,}")


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise ListError(f"{given} is not a day; write YYYY-MM-DD.") from None
