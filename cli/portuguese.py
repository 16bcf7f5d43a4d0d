"""The command line's own words in Portuguese: what typer prints by itself, help and errors alike.

Typer takes only a part of its texts from gettext, so commands carry their own usage line and help option
here, and errors pass through `explain`.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from typer import Typer, core, rich_utils

Function = TypeVar("Function", bound=Callable[..., Any])

_PANELS = {
    "ARGUMENTS_PANEL_TITLE": "Argumentos",
    "OPTIONS_PANEL_TITLE": "Opções",
    "COMMANDS_PANEL_TITLE": "Comandos",
    "ERRORS_PANEL_TITLE": "Erro",
    "ABORTED_TEXT": "Cancelado.",
    "DEFAULT_STRING": "[padrão: {}]",
    "ENVVAR_STRING": "[variável: {}]",
    "REQUIRED_LONG_STRING": "[obrigatório]",
    "DEPRECATED_STRING": "(obsoleto) ",
}
_KINDS = {"str": "<texto>", "int": "<número>", "float": "<número>", "Path": "<arquivo>"}
_ERRORS = (
    (r"No such command (.+)\.$", r"Comando desconhecido: \1."),
    (r"No such command (.+)\. Did you mean (.+)\?$", r"Comando desconhecido: \1. Seria \2?"),
    (r"No such option: (\S+)(?: \(Possible options: (.+)\))?$", r"Opção desconhecida: \1."),
    (r"Missing command\.$", "Falta o comando."),
    (r"Missing argument '?([^']+)'?\..*$", r"Falta o argumento \1."),
    (r"Missing option '?([^']+)'?\..*$", r"Falta a opção \1."),
    (r"Missing parameter: (.+)$", r"Falta \1."),
    (r"Invalid value for '?([^:']+)'?(?: \(env var: '\w+'\))?: (.+)$", r"Valor inválido para \1: \2"),
    (r"Invalid value: (.+)$", r"Valor inválido: \1"),
    (r"Got unexpected extra arguments? \((.+)\)$", r"Sobrou no comando: \1."),
    (r"Option '?([^']+)'? requires an argument\.?$", r"A opção \1 precisa de um valor."),
    (r"Option '?([^']+)'? does not take a value\.?$", r"A opção \1 não aceita valor."),
)
_VALUES = (
    (r".*valid integer.*", "deve ser um número inteiro."),
    (r".*valid number.*", "deve ser um número."),
    (r".*greater than or equal to (\S+)$", r"deve ser \1 ou mais."),
    (r".*less than or equal to (\S+)$", r"deve ser \1 ou menos."),
    (r"'(.*)' is not one of (.+?)\.?$", r"'\1' não é um de \2."),
    (r"\S+ '(.*)' does not exist\.$", r"'\1' não existe."),
    (r"\S+ '(.*)' is a directory\.$", r"'\1' é uma pasta."),
    (r"\S+ '(.*)' is not readable\.$", r"'\1' não pode ser lido."),
    (r"(Input should|Value '.*' is not|'?.*'? is not a valid).*", "valor não aceito."),
)


class Command(core.TyperCommand):
    """A command whose usage line and help option are in Portuguese."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.options_metavar = "[OPÇÕES]"

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), "Uso: ")

    def get_help_option(self, ctx: Any) -> Any:
        return _in_portuguese(super().get_help_option(ctx))

    def get_params(self, ctx: Any) -> Any:
        return [_with_kind(param) for param in super().get_params(ctx)]


class Group(core.TyperGroup):
    """As `Command`, for a group of commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.options_metavar = "[OPÇÕES]"
        self.subcommand_metavar = "COMANDO [ARGUMENTOS]..."

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), "Uso: ")

    def get_help_option(self, ctx: Any) -> Any:
        return _in_portuguese(super().get_help_option(ctx))

    def get_params(self, ctx: Any) -> Any:
        return [_with_kind(param) for param in super().get_params(ctx)]


def group(help_: str) -> Typer:
    """A group of commands, with help in Portuguese."""
    return Typer(cls=Group, help=help_, no_args_is_help=True, add_completion=False)


def command(app: Typer, name: str | None = None) -> Callable[[Function], Function]:
    """A command of a group; its docstring is its help."""
    return app.command(name, cls=Command)


def speak() -> None:
    """Titles of the help pages. Once, at the start of the process."""
    for name, text in _PANELS.items():
        setattr(rich_utils, name, text)


def explain(message: str) -> str:
    """One of typer's error messages in Portuguese; an unknown one is returned as it is."""
    for pattern, words in _ERRORS:
        found = re.match(pattern, message, re.DOTALL)
        if found:
            return _value(found.expand(words))
    return message


def _value(message: str) -> str:
    head, colon, rest = message.partition(": ")
    if not colon or not head.startswith("Valor inválido"):
        return message
    for pattern, words in _VALUES:
        found = re.match(pattern, rest, re.DOTALL)
        if found:
            return f"{head}: {found.expand(words)}"
    return message


def _in_portuguese(option: Any) -> Any:
    if option is not None:
        option.help = "Mostra esta ajuda."
        option.metavar = ""
    return option


def _with_kind(param: Any) -> Any:
    """The kind of value an option takes, in our words; choices stay as they are typed."""
    if param.metavar is None and param.param_type_name == "option":
        if param.is_flag:
            param.metavar = ""
        elif not param.type_descriptor.is_choice:
            param.metavar = _KINDS.get(param.bare_type(), "<texto>")
    return param
