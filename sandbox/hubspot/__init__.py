"""A HubSpot account: the parts of the CRM API (v3, associations v4) that a connected system uses.

Written from HubSpot's OpenAPI and its pages on private apps, usage limits, search, batches with several
statuses, and associations. What is not here is refused, as HubSpot refuses properties that do not exist.
"""
