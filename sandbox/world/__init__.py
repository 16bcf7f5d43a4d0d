"""A made-up commerce system for tests: `python -m sandbox.world --folder /some/place`.

A process with a disk of its own that survives its restarts. This page is the system's documentation.

Calls
    JSON in UTF-8 both ways, `Authorization: Bearer <token>`; the token is printed at start and stays the
    same on the same disk. With the switch `oauth` on, it is a live one from `POST /oauth/token` instead.

Objects
    Kinds and their natural keys: categories (`slug`), products (`sku`), customers (`document`), stock
    (`sku`), orders (`number`). The server makes `id` (ascending integer as text, for each kind from 1),
    `version` (1, then +1 with each write, also of equal values), `created_at` and `updated_at`
    (2026-11-25T12:00:00.000Z), `token` (unguessable, never used twice: tells which creation an object came
    from) and, on tombstones alone, `deleted: true`. All other fields are free and kept as sent. Of these are
    checked: `name` (text, not empty; required for categories, products and customers), the natural key and
    `reference` (text or null; `reference` is the client's own and is indexed), `price` (decimal text as
    "12.90", or null), `quantity` (integer, not negative; required for stock). Nothing but the switch
    `unique_natural` keeps two live objects from having one natural key.

Routes
    GET /{kind}             An array. `limit` 1 to 250, 50 without it; `include_deleted=true` adds
                            tombstones. At most one of these selects:
        after=<id>              ids above it, ascending; without a selector all ids. Complete.
        updated_since=<time>    at or after that moment (given with its zone), by `updated_at`, then id;
                                `cursor=<text of X-Next>` continues
        ids=1,2,3               up to 100, whole, by id
        reference=a,b           up to 100, whole, by id
        <natural key>=<text>    whole, by id
                            Header `X-Total`: how many the selection has, all pages together, whatever
                            `after` and `cursor` say. Header `X-Next`: the next `after` or `cursor`; none on
                            the last page.
    POST /{kind}            Creates, 201. With the switch `idempotency`, a repeated `Idempotency-Key` gives
                            201, `Idempotent-Replayed: true` and the object of the first call as it is now, or
                            409 `key_reused` where the body differs; keys are never forgotten.
    GET /{kind}/{id}        One object; 404 for a tombstone (410 with the switch `gone`).
    PATCH /{kind}/{id}      The fields sent replace those of the object, 200. With `If-Match: <version>`: 412
                            `stale` where that is not the current version.
    DELETE /{kind}/{id}     Leaves a tombstone and answers it, 200.
    POST /{kind}/batch      {"create": [fields…], "update": [{"id": "7", fields…}…]}, up to 100 items
                            together. 200 with {"create": […], "update": […]}, for each item in order
                            {"status": 201, "item": {…}} or {"status": 4xx, "error": {"code", "message"…}}.
                            An item to create may carry `idempotency_key`, one to update `if_match`
                            (integer). Items succeed and fail alone.
    POST /oauth/token       Form: grant_type=refresh_token, refresh_token, client_id and client_secret (or
                            Basic). 200 {"access_token", "token_type", "expires_in", "refresh_token"}. A
                            refresh token works once; a spent one gives 400 {"error": "invalid_grant"} and,
                            with the switch `revoke_family`, ends all tokens that came from the same consent.
                            401 {"error": "invalid_client"}. Not counted by the rate limit.

Errors
    {"code", "message"} and, where it applies, "field", "id" (of the object in the way) or "version".
    400 bad_json · 401 unauthorized · 403 forbidden (a kind, by switch) · 404 not_found
    · 405 method_not_allowed · 409 duplicate, key_reused · 410 gone · 412 stale · 413 too_large (body above
    1 MiB), too_many_items · 422 invalid, read_only (a field of the server), unknown_parameter
    · 429 too_many_requests with Retry-After in seconds · 500 internal · 503 unavailable.

Limits
    `requests` in any `seconds`, by arrival, over a sliding window; 0 is no limit. Refused calls do not count
    against it.

Switches are those of `sandbox.world.switches.Switches`, faults those of `sandbox.world.faults`;
`sandbox.world.process` starts and steers a world.
"""
