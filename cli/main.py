"""`cloudtosys`: the command line, in Portuguese."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="CloudToSys Integrações.", no_args_is_help=True, add_completion=False)


@app.callback()
def root() -> None:
    """CloudToSys Integrações."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Encerra depois da tabela de execuções.")] = False,
    port_base: Annotated[int, typer.Option(help="Primeira porta usada.")] = 4700,
) -> None:
    """Inicia tudo, conecta uma loja de demonstração e executa cada par uma vez."""
    from cli import demo as demonstration  # noqa: PLC0415 - keeps help fast

    sys.exit(demonstration.main(once=once, port_base=port_base, project=Path.cwd()))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    app()
