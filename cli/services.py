"""The commands that start an installation: `up` and `demo`."""

from typing import Annotated

from typer import Exit, Option

from cli.portuguese import command, group

up = group("")
demo = group("")
APPS = {"up": up, "demo": demo}

PortBase = Annotated[
    int,
    Option(
        envvar="PORT_BASE",
        min=1025,
        max=65000,
        metavar="<porta>",
        help="Primeira porta: web +0, Prefect +1, loja de demonstração +2.",
    ),
]


@command(up)
def start(port_base: PortBase = 4700) -> None:
    """Inicia tudo: PostgreSQL, Prefect, worker, sentinela e web.

    Sem DATABASE_URL usa um PostgreSQL próprio na pasta de dados. Fica no ar até Ctrl-C.
    """
    from cli.up import main  # noqa: PLC0415 - keeps help fast

    raise Exit(main(port_base=port_base))


@command(demo)
def show(
    once: Annotated[bool, Option("--once", help="Encerra depois da tabela de execuções.")] = False,
    port_base: PortBase = 4700,
) -> None:
    """Inicia tudo com uma loja de demonstração e executa cada par uma vez.

    Fica no ar até Ctrl-C; com --once sai com 0 só se todas as execuções tiveram sucesso.
    """
    from cli.demo import main  # noqa: PLC0415 - keeps help fast

    raise Exit(main(once=once, port_base=port_base))
