"""`cloudtosys keys`: the keys that encrypt credentials."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

from typer import Option

from cli.databases import make_keys
from cli.installation import attach, data_folder, database
from cli.portuguese import command, group
from core.errors import ConfigurationError
from db.keys import Rotated
from db.keys import rotate as move
from db.settings import read
from db.vault import from_environment, generate_key

app = group("Chaves de criptografia das credenciais.")


@command(app)
def generate(
    output: Annotated[
        Path | None, Option(metavar="<arquivo>", help="Padrão: keys na pasta de dados.")
    ] = None,
) -> None:
    """Cria um arquivo de chaves, legível só por quem o criou; nunca sobrescreve."""
    path = output or data_folder() / "keys"
    make_keys(path)
    print(f"Chave criada em {path}. Guarde uma cópia em outro lugar e informe CLOUDTOSYS_KEYS_FILE={path}.")


@command(app)
def rotate(
    drop_old: Annotated[
        bool,
        Option("--drop-old", help="Retira do arquivo as chaves antigas, depois de tudo recriptografado."),
    ] = False,
    new_key: Annotated[
        bool, Option("--new-key/--no-new-key", help="Põe uma chave nova na frente das outras.")
    ] = True,
) -> None:
    """Troca a chave: põe uma nova na frente e recriptografa tudo; as antigas ficam até --drop-old.

    Pode ser interrompido e repetido. Faça antes uma cópia do arquivo de chaves.
    """
    attach()
    path = _keys_file()
    if new_key:
        _replace(path, [generate_key(), *path.read_text().split()])
        print(f"Chave nova na frente de {path}: copie o arquivo para o mesmo lugar seguro das cópias.")
    done = asyncio.run(_move())
    print(f"Recriptografados: {done.moved}. Ainda com chave antiga: {done.left}.")
    if done.left:
        raise ConfigurationError(
            f"{done.left} registros continuam com chave antiga. Repita `cloudtosys keys rotate --no-new-key` "
            "quando nenhuma execução estiver em andamento; não retire nenhuma chave antes disso."
        )
    if drop_old:
        _replace(path, path.read_text().split()[:1])
        print("Chaves antigas retiradas. As cópias antigas do arquivo só servem a backups antigos.")


async def _move() -> Rotated:
    async with database() as engine:
        return await move(engine, from_environment(read()))


def _keys_file() -> Path:
    named = os.environ.get("CLOUDTOSYS_KEYS_FILE")
    if os.environ.get("CLOUDTOSYS_KEYS") or not named:
        raise ConfigurationError(
            "As chaves vêm de CLOUDTOSYS_KEYS: ponha nela a nova antes das antigas, separadas por vírgula, "
            "reinicie e rode este comando com CLOUDTOSYS_KEYS_FILE apontando para um arquivo com as mesmas."
        )
    return Path(named)


def _replace(path: Path, keys: list[str]) -> None:
    """Written beside and moved over, so that a power cut leaves one whole file."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(keys) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
