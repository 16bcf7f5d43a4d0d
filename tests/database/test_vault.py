"""The vault: bound envelopes, rotation, wrong keys."""

import uuid

import pytest

from core.errors import ConfigurationError
from db.upgrade import check_keys
from db.vault import Vault, WrongKey, generate_key
from tests.conftest import Database

TENANT, ONE, OTHER = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()


def test_a_secret_opens_only_in_its_own_place(vault: Vault) -> None:
    sealed = vault.seal(TENANT, ONE, "consumer_secret", "cs_invented")
    assert b"cs_invented" not in sealed.ciphertext
    assert vault.open(TENANT, ONE, "consumer_secret", sealed.ciphertext) == "cs_invented"
    for place in ((TENANT, OTHER, "consumer_secret"), (OTHER, ONE, "consumer_secret"), (TENANT, ONE, "key")):
        with pytest.raises(WrongKey):
            vault.open(*place, sealed.ciphertext)


def test_rotation_moves_to_the_new_key_and_the_old_one_can_go() -> None:
    old, new = generate_key(), generate_key()
    sealed = Vault([old]).seal(TENANT, ONE, "k", "segredo")
    both = Vault([new, old])
    moved = both.rotate(sealed.ciphertext)
    assert both.open(TENANT, ONE, "k", sealed.ciphertext) == "segredo"
    assert Vault([new]).open(TENANT, ONE, "k", moved.ciphertext) == "segredo"
    assert moved.key_id == both.key_id != sealed.key_id
    with pytest.raises(WrongKey):
        Vault([new]).open(TENANT, ONE, "k", sealed.ciphertext)


def test_wrong_keys_refuse_to_start(database: Database) -> None:
    right = Vault([generate_key()])
    check_keys(database.admin_url, right)
    check_keys(database.admin_url, right)
    with pytest.raises(WrongKey, match="não abrem"):
        check_keys(database.admin_url, Vault([generate_key()]))


@pytest.mark.parametrize("keys", [[], ["not-a-key"]])
def test_an_unusable_keyring_is_refused_in_portuguese(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="chave"):
        Vault(keys)
