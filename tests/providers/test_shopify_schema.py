"""Every GraphQL document held against Shopify's own schema, where it is present."""

from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, NoDeprecatedCustomRule, build_schema, parse, validate

from providers.shopify import webhooks
from providers.shopify.operations import documents as operations

SCHEMA = Path(__file__).parents[3] / "shared" / "specs" / "shopify" / "admin_2026-04.schema.graphql"
pytestmark = pytest.mark.skipif(not SCHEMA.exists(), reason="shared/specs/shopify is not here")


@cache
def schema() -> GraphQLSchema:
    return build_schema(SCHEMA.read_text(), assume_valid=True)


def documents() -> dict[str, str]:
    told = {
        "webhooks.every": webhooks.EVERY,
        "webhooks.create": webhooks.CREATE,
        "webhooks.update": webhooks.UPDATE,
    }
    return operations() | told


@pytest.mark.parametrize("name", documents())
def test_every_document_is_valid(name: str) -> None:
    assert [error.message for error in validate(schema(), parse(documents()[name]))] == []


@pytest.mark.parametrize("name", documents())
def test_no_document_asks_for_what_is_about_to_go(name: str) -> None:
    found = validate(schema(), parse(documents()[name]), [NoDeprecatedCustomRule])
    assert [error.message for error in found] == []


def test_every_topic_is_one_of_theirs() -> None:
    theirs = schema().type_map["WebhookSubscriptionTopic"]
    assert isinstance(theirs, GraphQLEnumType)
    assert {topic.replace("/", "_").upper() for topic in webhooks.WEBHOOKS.topics} <= set(theirs.values)


def test_an_unknown_field_is_found() -> None:
    assert validate(schema(), parse("{ shop { nome } }"))
