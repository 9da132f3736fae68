"""`maquette-server login`: a link that logs a browser in once."""

from typing import Annotated

import typer
from maquette.plain_text import print_line

from service.operator_commands import open_ledger


def login(
    key_id: Annotated[
        str | None, typer.Argument(help="Id of the key, as `keys list` shows it; by default the only key.")
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the gateway.")] = "http://127.0.0.1:8700",
    minutes: Annotated[float, typer.Option(min=1, max=10_080, help="How long the link works.")] = 60.0,
) -> None:
    """Print a link that opens the Playground, logged in with a key; it works once."""
    from storage.ledger import keys, login_codes
    from storage.ledger.audit import find_operator

    ledger = open_ledger()
    known = [key for key in keys.list_open(ledger) if key_id in (None, key.id)]
    if not known:
        raise typer.BadParameter(
            "no valid key"
            + (f" has the id {key_id}" if key_id else "")
            + ": create one with maquette-server keys create"
        )
    if len(known) > 1:
        raise typer.BadParameter(
            "there are several keys: give the id of one, as maquette-server keys list shows it"
        )
    code = login_codes.create(ledger, known[0], find_operator(), seconds=minutes * 60)
    print_line(make_link(url, code))


def make_link(url: str, code: str) -> str:
    """The address that logs in with a code, which browsers never send to a server: it is a fragment."""
    return f"{url.rstrip('/')}/#/login/{code}"
