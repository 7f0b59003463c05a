"""Commands about who may: make, rotate, revoke and list keys, end sessions, print the rules."""

import re
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from data.database import migrated
from data.errors import ConfigurationError
from data.terminal import out, plain, show_table
from serving.access import sessions
from serving.access.keys import all_keys, make_key, revoke, rotate
from serving.access.roles import Role, roles_of
from serving.access.rules import RULES, matrix
from serving.scoring import MODELS, NAMES

ACTOR = "command line"
_GRACE = re.compile(r"(\d{1,4})([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class _NewUnlessNamed(TyperGroup):
    """`key NAME` makes a key; a name that is a command's goes with `key new NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["new", *args]
        return super().parse_args(ctx, args)


keys = typer.Typer(
    cls=_NewUnlessNamed,
    help="Make an API key: key NAME; or rotate, revoke and list keys.",
    no_args_is_help=True,
)


@keys.command("new")
def new_key(
    name: Annotated[str, typer.Argument(help="Who will hold it.")],
    role: Annotated[
        list[str] | None, typer.Option(help="What they are, once or more; default: system.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 90,
    scope: Annotated[
        list[str] | None, typer.Option(help="Cut down to a question or a route such as /v1/scores.")
    ] = None,
    client: Annotated[str, typer.Option(help="Whom its requests count for; default: NAME.")] = "",
    employee: Annotated[str, typer.Option(help="Their staff_id, for a relationship manager.")] = "",
) -> None:
    """Make an API key and print it, for the only time."""
    roles = roles_of(role or [Role.SYSTEM])
    made = make_key(
        migrated(), name, days, roles=roles, scopes=_scopes(scope or []),
        client=client, employee=employee, actor=ACTOR,
    )  # fmt: skip
    print(made)


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="The 16 digits in the middle of the key.")],
    grace: Annotated[
        str, typer.Option(help="How long the old one lives on: 30m, 24h, 7d.")
    ] = "24h",
) -> None:
    """Make a key's successor and print it, for the only time; the old one lives on for a while."""
    found = _GRACE.fullmatch(grace)
    if not found:
        raise ConfigurationError(f"--grace {grace}: write a number and m, h or d, such as 24h.")
    print(rotate(migrated(), key_id, timedelta(**{_UNITS[found[2]]: int(found[1])}), actor=ACTOR))


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="Which one.")]) -> None:
    """Have a key count no more, within half a minute in every worker."""
    revoke(migrated(), key_id, actor=ACTOR)
    out.print(f"key {plain(key_id)} is revoked; workers that know it forget it in half a minute")


@keys.command("list")
def list_keys() -> None:
    """List all keys, without secrets."""
    rows = [
        (
            key.key_id,
            key.name,
            key.client,
            ", ".join(key.roles) or "none",
            ", ".join(key.scopes) or "all",
            key.employee or "-",
            key.expires_at.strftime("%Y-%m-%d %H:%M"),
            f"replaced, {key.state}" if key.replaced_by else key.state,
        )
        for key in all_keys(migrated())
    ]
    columns = ("key", "name", "client", "roles", "scopes", "employee", "expires (UTC)", "state")
    show_table("API keys", columns, rows)


def end_session(
    token_id: Annotated[str, typer.Option(help="The jti of one token.")] = "",
    subject: Annotated[str, typer.Option(help="The sub, for all of their tokens so far.")] = "",
) -> None:
    """Have a bearer token, or all tokens so far of somebody, count no more."""
    if bool(token_id) == bool(subject):
        raise ConfigurationError("give one of --token-id and --subject.")
    sessions.end(migrated(), "token" if token_id else "subject", token_id or subject, actor=ACTOR)
    out.print("ended; workers that know the token forget it in half a minute")


def show_roles() -> None:
    """Print which role may call which route."""
    table = Table(header_style="bold", caption=CAPTION, caption_justify="left")
    table.add_column("route", no_wrap=True)
    for role in Role:
        table.add_column(role.replace("_", "\n"), justify="center")
    for route, *marks in matrix():
        table.add_row(route, *marks)
    out.print(table)


CAPTION = (
    "all: every customer, every field. own: their own customers, without expected losses."
    " part: of credit risk the band alone, and no weights. -: refused, and recorded."
)


def _scopes(given: list[str]) -> list[str]:
    """Scopes that are routes or questions.

    Raises:
        ConfigurationError: one is neither.
    """
    known = {*(path for _, path in RULES), *MODELS, *NAMES}
    if unknown := [scope for scope in given if scope not in known]:
        raise ConfigurationError(
            f"--scope {', '.join(unknown)}: write a route as ./zhike serving roles prints it,"
            f" without its method, or one of {', '.join(MODELS)}."
        )
    return given
