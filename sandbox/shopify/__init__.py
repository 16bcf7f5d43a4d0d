"""A Shopify shop: the parts of the GraphQL Admin API 2026-04 that a connected system uses.

Written from Shopify's schema and its pages on rate limits, bulk operations, idempotent requests and client
credentials. A field that is not here is refused, as Shopify refuses one that does not exist.
"""
