"""A certificate given as a file: kept as a secret, with its end; wrong ones are refused before that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from cli.main import main
from db.vault import generate_key
from sandbox import certificates
from tests.conftest import Database, Tenant

CNPJ = "98765432000198"


@pytest.fixture
def files(tmp_path: Path, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("CLOUDTOSYS_KEYS", generate_key())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a1.pfx").write_bytes(certificates.client(CNPJ, "senha-do-a1")[0])
    return tmp_path


def given(folder: Path, password: str) -> str:
    path = folder / "credenciais"
    path.write_text(f"certificate={folder / 'a1.pfx'}\ncertificate_password={password}\n")
    path.chmod(0o600)
    return str(path)


def create(folder: Path, password: str, *more: str) -> int:
    words = ["integration", "create", "--name", "SEFAZ", "--provider", "sefaz", *more]
    return main(
        [*words, "--set", f"cnpj={CNPJ}", "--set", "uf=SP", "--credentials-file", given(folder, password)]
    )


def rows(database: Database, sql: str) -> Any:
    with create_engine(database.admin_url).begin() as connection:
        return connection.execute(text(sql)).all()


def test_it_is_kept_with_its_end(files: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(files, "senha-do-a1") == 0, capsys.readouterr().err
    kept = {
        row.name: row for row in rows(database, "SELECT name, expires_at, ciphertext FROM sync.credential")
    }
    assert kept.keys() == {"certificate", "certificate_password"}
    assert kept["certificate"].expires_at - datetime.now(UTC) < timedelta(days=31)
    assert kept["certificate_password"].expires_at is None
    assert rows(database, "SELECT simulate_next FROM sync.pair") == [(False,)]
    assert rows(database, "SELECT base_url FROM sync.integration") == [(None,)]
    assert "simulação" not in capsys.readouterr().out


def test_its_end_is_shown_and_a_new_one_takes_its_place(
    files: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(files, "senha-do-a1") == 0
    capsys.readouterr()
    assert main(["integration", "show", "SEFAZ"]) == 0
    assert "Credencial vence em:" in capsys.readouterr().out
    (files / "a1.pfx").write_bytes(certificates.client(CNPJ, "senha-do-a1", valid=timedelta(days=365))[0])
    words = ["integration", "update", "SEFAZ", "--credentials-file", given(files, "senha-do-a1")]
    assert main(words) == 0
    [(ends,)] = rows(database, "SELECT expires_at FROM sync.credential WHERE name = 'certificate'")
    assert ends > datetime.now(UTC) + timedelta(days=360)


def test_a_wrong_password_or_a_plain_argument_is_refused(
    files: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(files, "outra-senha") == 1
    assert "não abre" in capsys.readouterr().err
    assert create(files, "senha-do-a1", "--set", "certificate=a1.pfx") == 1
    assert "não pode ser um argumento" in capsys.readouterr().err
    assert create(files, "senha-do-a1", "--cadence", "15min") == 1
    assert "uma hora depois" in capsys.readouterr().err
    assert rows(database, "SELECT count(*) FROM sync.integration") == [(0,)]


def test_a_deleted_integration_is_restored_with_it(
    files: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(files, "senha-do-a1") == 0
    assert main(["integration", "delete", "SEFAZ", "--yes"]) == 0
    assert main(["integration", "show", "SEFAZ"]) == 1
    assert main(["integration", "restore", "sefaz"]) == 0
    assert "restaurada, pausada" in capsys.readouterr().out
    assert rows(database, "SELECT status, deleted_at FROM sync.integration") == [("paused", None)]
    assert len(rows(database, "SELECT name FROM sync.credential")) == 2
    assert main(["integration", "restore", "SEFAZ"]) == 1
