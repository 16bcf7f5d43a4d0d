"""`cloudtosys`: the command line, in Portuguese. Each command's module is imported when it is used.

Exit status: 0 done · 1 could not be done (cause and remedy are on stderr) · 2 the command line is wrong ·
3 `run --wait`: the run ended otherwise than with success · 130 Ctrl-C.
"""

import importlib
import os
import sys
from typing import Any

from typer import Abort, Typer
from typer.exceptions import Exit, TyperException
from typer.main import get_command

from cli.portuguese import Command, Group, explain, speak

COMMANDS = {
    "up": ("cli.services", "Inicia tudo: PostgreSQL, Prefect, worker, sentinela e web."),
    "demo": ("cli.services", "Inicia tudo com uma loja de demonstração e executa cada par uma vez."),
    "db": ("cli.db", "Banco de dados."),
    "providers": ("cli.providers", "Sistemas externos que podem ser conectados."),
    "tenant": ("cli.tenant", "Tenants (empresas)."),
    "person": ("cli.person", "Pessoas que entram no console, e o que podem em cada tenant."),
    "integration": ("cli.integration", "Integrações: contas conectadas de sistemas externos."),
    "pair": ("cli.pair", "Pares: integração × entidade × direção, com sua frequência."),
    "run": ("cli.run", "Executa um par agora."),
    "cancel": ("cli.request", "Cancela uma execução em andamento, ou um pedido."),
    "simulate": ("cli.request", "Simula um par: conta o que mudaria e não grava nada."),
    "backfill": ("cli.request", "Lê de novo o que mudou em um período."),
    "request": ("cli.request", "Pedidos: reprocessamentos, cargas retroativas e simulações."),
    "issue": ("cli.issue", "Issues: registros que falharam; reprocessar e corrigir."),
    "logs": ("cli.logs", "Logs de sincronização."),
    "log": ("cli.log", "Ações sobre um log: resolver, exportar, abrir ticket."),
    "ticket": ("cli.ticket", "Tickets de suporte."),
    "mapping": ("cli.mapping", "Mapeamentos entre registros do ERP e externos."),
    "conflict": ("cli.conflict", "Conflitos: registros que mudaram nos dois lados."),
    "reconcile": ("cli.reconcile", "Conciliação: lançamentos do extrato e cobranças."),
    "migrate-legacy": ("cli.migrate", "Migra uma planilha ou tabela de um ERP antigo."),
    "alarm": ("cli.alarm", "Alarmes: o que deixou de acontecer."),
    "channel": ("cli.channel", "Canais de aviso: e-mail, webhook ou chat."),
    "notice": ("cli.notice", "Avisos enviados às pessoas."),
    "keys": ("cli.keys", "Chaves de criptografia das credenciais."),
}
HELP = "CloudToSys Integrações: conecta o ERP a lojas, marketplaces, bancos e outros sistemas."
EPILOG = (
    "Código de saída: 0 feito · 1 não foi possível (causa e solução em stderr) · 2 comando errado · "
    "3 a execução não terminou com sucesso (--wait) · 130 Ctrl-C."
)


class Lazy(Group):
    """The top level: help is made from the table above, so that it imports none of the commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands = {name: Command(name, help=text) for name, (_, text) in COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            module = importlib.import_module(COMMANDS[name][0])
            app: Typer = getattr(module, "APPS", {}).get(name) or module.app
            found = get_command(app)
            found.name = name
        return name, found, rest


app = Typer(cls=Lazy, help=HELP, epilog=EPILOG, no_args_is_help=True, add_completion=False)


@app.callback()
def root() -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """The exit status. Nothing is raised: every ending has its words."""
    speak()
    try:
        return int(app(arguments, prog_name="cloudtosys", standalone_mode=False) or 0)
    except Exit as ending:
        return ending.exit_code
    except (Abort, KeyboardInterrupt):
        print("Cancelado.", file=sys.stderr)
        return 130
    except TyperException as error:
        return _refuse(error)
    except Exception as error:
        return _fail(error)


def _refuse(error: TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        return 2
    context = getattr(error, "ctx", None)
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Ajuda: {context.command_path} --help", file=sys.stderr)
    print(f"Erro: {explain(error.format_message())}", file=sys.stderr)
    return error.exit_code


def _fail(error: Exception) -> int:
    from cli.output import print_error  # noqa: PLC0415 - rich and msgspec are not needed for help
    from core.errors import SyncError  # noqa: PLC0415

    if isinstance(error, SyncError):
        print_error(error)
        return 1
    if os.environ.get("CLOUDTOSYS_DEBUG"):
        raise error
    print(
        f"Erro interno ({type(error).__name__}).\nCausa: uma situação não prevista.\n"
        "Solução: repita com CLOUDTOSYS_DEBUG=1 e abra um ticket com o que aparecer.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
