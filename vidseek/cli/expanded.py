"""Options that several commands share, as one parameter of each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

Command = Callable[..., None]


def expand_parameter(command: Command, name: str, build: Callable[..., object]) -> Command:
    """Replace a parameter of a command by the options of the function that makes its value.

    Args:
        command: the command.
        name: of its parameter.
        build: makes the value from options, the parameters of this function. An option that the
            command has itself, under the same flag, is left out.
    """
    given = _parameters(command)
    flags = {flag for parameter in given for flag in _flags(parameter)}
    options = [each for each in _parameters(build) if flags.isdisjoint(_flags(each))]
    parameters = []
    for parameter in given:
        parameters += options if parameter.name == name else [parameter]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        value = build(**{option.name: values.pop(option.name) for option in options})
        command(**{name: value}, **values)

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    # The classes of values that are made from options are imported for type checkers only.
    made = {"VideoFilter": object}
    types = get_type_hints(function, localns=made, include_extras=True)
    return [
        parameter.replace(annotation=types[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]


def _flags(parameter: inspect.Parameter) -> set[str]:
    """The flags of a parameter, as far as they are spelled out."""
    return {
        flag
        for each in getattr(parameter.annotation, "__metadata__", ())
        # In an annotation, typer reads the first flag where a default would be.
        for flag in (getattr(each, "default", None), *(getattr(each, "param_decls", None) or ()))
        if isinstance(flag, str) and flag.startswith("-")
    }
