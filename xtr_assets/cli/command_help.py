"""What a command line says of itself: the help of arguments, and what was meant by words too many."""

import inspect
import math
from typing import Any

import click
from typer.core import TyperArgument, TyperCommand
from typer.models import ArgumentInfo

# Options that take a text.
TEXTS = ("--reason", "--query")
EXTRA = "Got unexpected extra argument"


class Finite(click.FloatRange):
    """A range of numbers: `nan` is in none, though it is neither below nor above one, and an infinity is no number of
    hours or chunks."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or wrong use."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


def only_finite(command: click.Command) -> None:
    """Let the options of a command, or of all of a group, that take a range of numbers take no `nan`."""
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        only_finite(one)
    for param in command.params:
        if type(found := param.type) is click.FloatRange:
            param.type = Finite(found.min, found.max, found.min_open, found.max_open, found.clamp)


def restore_help(command: click.Command) -> None:
    """Give the arguments of a command, or of all of a group, the help that they were declared with: click since 8.5
    takes it from them where typer is before 0.26 (dagster-dg-cli holds it back)."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            restore_help(one)
        return
    parameters = inspect.signature(command.callback).parameters if command.callback is not None else {}
    for param in command.params:
        told = parameters.get(str(param.name))
        if isinstance(param, TyperArgument) and param.help is None and told is not None:
            infos = getattr(told.annotation, "__metadata__", ())
            param.help = next((info.help for info in infos if isinstance(info, ArgumentInfo)), None)


def what_is_meant(error: click.UsageError) -> click.UsageError:
    """The same, with what helps where words are too many: quotes around a text, or none of them."""
    command = error.ctx.command if error.ctx is not None else None
    extra = error.message.startswith(EXTRA)
    if (
        error.ctx is None
        or not isinstance(command, TyperCommand)
        or not (extra or isinstance(error, click.BadParameter))
    ):
        return error
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    texts = [one for one in command.params if isinstance(one, click.Option) and one.opts[0] in TEXTS]
    given = [one.opts[0] for one in texts if error.ctx.params.get(one.name or "")]
    said = error.format_message().removesuffix(".")
    if given and (extra or getattr(error, "param", None) in arguments):
        return click.UsageError(f'{said}; a text of several words goes in quotes: {given[0]} "..."', error.ctx)
    if extra and not arguments:
        return click.UsageError(
            f"{said}; `{command.name}` takes options alone: `xtr-assets {command.name} -h`", error.ctx
        )
    return error
