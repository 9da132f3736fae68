"""`maquette-server tenants`: what is set for single tenants, and erasing everything of one."""

from typing import Annotated, Any

import typer
from maquette.cli.lazy_group import plain_typer
from maquette.plain_text import print_line

from service.operator_commands import open_ledger

tenants_app = plain_typer(help="Set what one tenant is allowed, and erase tenants.", no_args_is_help=True)
TenantArgument = Annotated[str, typer.Argument(help="Name of the tenant.")]


def _limit(what: str) -> Any:
    return typer.Option(min=0, help=f"Most {what}; 0 is no limit.")


def _kept(what: str) -> Any:
    return typer.Option(min=0, help=f"Days that {what}; 0: until they are deleted.")


@tenants_app.command("list")
def list_tenants() -> None:
    """List the tenants that have data or keys, with what is set for them."""
    from storage.ledger import keys, retention, tenants

    ledger = open_ledger()
    names = {*retention.list_tenants(ledger), *(key.tenant for key in keys.list_open(ledger))}
    for name in sorted(names):
        settings = tenants.get_settings(ledger, name)
        print_line(
            "  ".join([name, *(f"{key}={format_number(value)}" for key, value in sorted(settings.items()))])
        )


@tenants_app.command("set")
def set_tenant(
    tenant: TenantArgument,
    max_stored_bytes: Annotated[int | None, _limit("bytes that it may store")] = None,
    max_queued_jobs: Annotated[int | None, _limit("jobs that it may have queued")] = None,
    max_running_jobs: Annotated[int | None, _limit("jobs that it may have running")] = None,
    max_requests_per_second: Annotated[
        float | None, _limit("requests per second that it may send to one gateway")
    ] = None,
    max_job_bytes: Annotated[int | None, _limit("bytes of the media of one job")] = None,
    max_job_frames: Annotated[int | None, _limit("frames of the media of one job")] = None,
    max_job_pixels: Annotated[int | None, _limit("pixels of all frames of the media of one job")] = None,
    keep_uploads_days: Annotated[float | None, _kept("uploads are kept after their last use")] = None,
    keep_results_days: Annotated[float | None, _kept("ended jobs and their results are kept")] = None,
    keep_events_days: Annotated[float | None, _kept("events of ended jobs are kept")] = None,
    keep_scratch_days: Annotated[float | None, _kept("scratch files of ended jobs are kept")] = None,
    unset: Annotated[
        list[str] | None, typer.Option(help="Settings to take back, as in keep_uploads_days.")
    ] = None,
) -> None:
    """Set what differs for a tenant from the settings of the server, and print all that is set."""
    from storage.ledger import tenants
    from storage.ledger.audit import find_operator

    values = {name: value for name, value in locals().items() if name.startswith(("max_", "keep_"))}
    changes: dict[str, float | None] = {name: value for name, value in values.items() if value is not None}
    for name in unset or ():
        if name not in values:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(values)}")
        changes[name] = None
    settings = tenants.change_settings(open_ledger(), tenant, changes, find_operator())
    for name, number in sorted(settings.items()):
        print_line(f"{name}={format_number(number)}")


@tenants_app.command()
def erase(
    tenant: TenantArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    keep_keys: Annotated[
        bool, typer.Option("--keep-keys", help="Leave the keys of the tenant valid.")
    ] = False,
) -> None:
    """Delete all jobs, results, uploads and sessions of a tenant, and revoke its keys.

    Jobs that have not ended are cancelled first; where one still runs, the command says so: run it again. The
    files are gone after the grace time.
    """
    from storage.ledger import erasure, keys
    from storage.ledger.audit import find_operator

    ledger = open_ledger()
    if not yes:
        typer.confirm(f"Delete everything of {tenant}?", abort=True)
    if not keep_keys:
        for key in keys.list_open(ledger):
            if key.tenant == tenant:
                keys.revoke(ledger, key.id, find_operator())
    report = erasure.erase_tenant(ledger, tenant, find_operator(), cancel=True)
    print_line(f"{report.jobs} jobs, {report.uploads} uploads, {report.sessions} sessions deleted")
    if report.open_jobs:
        raise RuntimeError(f"{report.open_jobs} jobs were asked to stop and still run: run this again")


def format_number(value: float) -> str:
    """A number without a fraction where it has none."""
    return str(int(value)) if value == int(value) else str(value)
