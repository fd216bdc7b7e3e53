"""Commands on the mail that the application sent, for people and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.context import Context

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.operations.mailbox import Mail

To = Annotated[str | None, typer.Option("--to", metavar="ADDRESS", help="Only mail to this address.")]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="RE", help="Only where this is found in the subject.")
]

mail = typer.Typer(
    name="mail",
    help="What the mail catcher holds: every mail that the application sent.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@mail.command("list")
def list_(ctx: typer.Context, to: To = None, subject: Subject = None) -> None:
    """List the mails, the oldest first."""
    from devenv.operations.mail import Wanted, mails

    context: Context = ctx.obj
    found = mails(context.session(), Wanted(to, subject))
    rows = [(one.id, one.received, one.sender, ", ".join(one.recipients), one.subject) for one in found]
    context.output.result(
        "devenv.mail-list/1",
        found,
        lambda: context.output.table(("ID", "RECEIVED", "FROM", "TO", "SUBJECT"), rows),
    )


@mail.command()
def show(
    ctx: typer.Context,
    identity: Annotated[str | None, typer.Argument(metavar="[ID]", help="By default the last one.")] = None,
) -> None:
    """Show one mail."""
    from devenv.operations.mail import mail_of

    context: Context = ctx.obj
    found = mail_of(context.session(), identity)
    context.output.result("devenv.mail/1", found, lambda: show_mail(context.output, found))


@mail.command()
def wait(
    ctx: typer.Context,
    to: To = None,
    subject: Subject = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds; then it ends with status 4.")] = 30.0,
) -> None:
    """Wait for a mail and show it; one that is there already counts, so `devenv mail clear` before."""
    from devenv.operations.mail import Wanted, wait_for_mail

    context: Context = ctx.obj
    found = wait_for_mail(context.session(), Wanted(to, subject), timeout)
    context.output.result("devenv.mail/1", found, lambda: show_mail(context.output, found))


@mail.command()
def clear(ctx: typer.Context) -> None:
    """Throw all mails away."""
    from devenv.operations.mail import clear as operation

    context: Context = ctx.obj
    result = operation(context.session())
    mails = "1 mail" if result.count == 1 else f"{result.count} mails"
    text = f"{mails} thrown away" if result.count else "there was no mail"
    context.output.result("devenv.mail-clear/1", result, lambda: context.output.print(text))


def show_mail(output: Output, found: Mail) -> None:
    """Its head and its text, or its HTML where it has no other."""
    for name, value in (
        ("From", found.sender),
        ("To", ", ".join(found.recipients)),
        ("Subject", found.subject),
        ("Received", found.received),
    ):
        output.print(f"{name}: {value}")
    output.print()
    output.print(((found.text.strip() and found.text) or found.html).rstrip())
