"""Bugs of failures, speed, secrets and tenants."""

from tests.faults.planted.bug import DATABASE, FAULTS, NOTICES, PAIRS, UNIT, Bug

FAILURES = (
    Bug(
        "a success leaves its issue open",
        "db/ledger.py",
        "    if not external_ids and not internal_ids:\n        return\n",
        "    return\n",
        (f"{PAIRS}exports.py::test_what_is_refused_becomes_an_issue_and_heals",),
    ),
    Bug(
        "equal requests make a run each",
        "db/requests.py",
        """hashlib.sha256(f"{kind}:{direction}:".encode() + encoded).hexdigest()""",
        """hashlib.sha256(repr(datetime.now(UTC)).encode()).hexdigest()""",
        (f"{PAIRS}requests.py::test_two_who_ask_for_the_same_get_one_run",),
    ),
    Bug(
        "the record at hand is not noted before it is touched",
        "core/isolation.py",
        "        await job.store.suspect(job.resource.key(raw))\n",
        "",
        (f"{FAULTS}poison.py::test_a_record_is_noted_before_it_is_touched",),
    ),
    Bug(
        "deaths at one place are not counted",
        "db/runs.py",
        "DO UPDATE SET deaths = c.deaths + 1 RETURNING",
        "DO UPDATE SET deaths = c.deaths RETURNING",
        (f"{FAULTS}poison.py::test_runs_that_die_are_counted_until_one_commits_or_ends",),
    ),
    Bug(
        "data that are wrong are tried again for ever",
        "core/retrying.py",
        "if not (error.retryable or isinstance(error, MappingNotFound)) or attempt > len(DELAYS):",
        "if attempt > len(DELAYS):",
        (f"{PAIRS}requests.py::test_attempts_grow_apart_and_end_with_a_person",),
    ),
    Bug(
        "Retry-After is not read",
        "core/http.py",
        'value = response.headers.get("retry-after", "").strip()',
        'value = ""',
        (f"{UNIT}http.py::test_retry_after",),
    ),
    Bug(
        "a pause is kept by the run that was told alone",
        "core/source.py",
        "                await self._limiter.block(error.retry_at)\n",
        "",
        (f"{PAIRS}speed_limit.py::test_a_pause_asked_of_one_run_is_kept_by_the_next",),
    ),
    Bug(
        "calls leave at twice the speed",
        "db/limiter.py",
        "self._gap = (rate.seconds + room) / rate.requests",
        "self._gap = (rate.seconds + room) / rate.requests / 2",
        (f"{PAIRS}speed_limit.py::test_two_pairs_together_keep_the_limit",),
    ),
    Bug(
        "refused credentials stop nothing",
        "db/health.py",
        "if isinstance(error, AuthenticationError):",
        "if isinstance(error, OURS):",
        (f"{NOTICES}health.py::test_refused_credentials_stop_it_at_once_and_new_ones_start_it",),
    ),
    Bug(
        "two sentinels send one notice twice",
        "db/notices.py",
        " FOR UPDATE SKIP LOCKED) AND n.id",
        ") AND n.id",
        (f"{NOTICES}delivery.py::test_many_sentinels_send_each_notice_once",),
    ),
    Bug(
        "a request is served by every run that asks for it",
        "db/requests.py",
        """    f" AND state = 'waiting' AND (CAST(:only AS text) IS NULL OR kind = :only) RETURNING {_COLUMNS}"
""",
        """    f" AND (CAST(:only AS text) IS NULL OR kind = :only) RETURNING {_COLUMNS}"
""",
        (f"{PAIRS}requests.py::test_a_request_is_served_once",),
    ),
)

SECRETS = (
    Bug(
        "a secret opens in another place",
        "db/vault.py",
        "        if (envelope.tenant, envelope.integration, envelope.field) != (\n",
        "        if False and (envelope.tenant, envelope.integration, envelope.field) != (\n",
        (f"{DATABASE}vault.py",),
    ),
    Bug(
        "any key may start the installation",
        "db/vault.py",
        "        if self._decrypt(canary) != CANARY:\n",
        "        if not canary:\n",
        (f"{DATABASE}vault.py", f"{DATABASE}keys.py"),
    ),
    Bug(
        "an old key is let go too early",
        "db/keys.py",
        "        if not left:\n",
        "        if True:\n",
        (f"{DATABASE}keys.py",),
    ),
    Bug(
        "live secrets stay in texts",
        "core/redaction.py",
        "return self._pattern.sub(MASK, text) if self._pattern else text",
        "return text",
        (f"{UNIT}redaction.py",),
    ),
    Bug(
        "an answer's words hold what was sent",
        "core/http.py",
        "redactor = Redactor(_sent_secrets(response.request))",
        "redactor = Redactor()",
        (f"{UNIT}http.py::test_an_answer_that_repeats_the_credential_does_not_pass_it_on",),
    ),
    Bug(
        "a table has no policy",
        "db/migrations/rules.py",
        '            "issue",\n            "alarm",\n',
        '            "alarm",\n',
        (f"{DATABASE}schema.py",),
    ),
    Bug(
        "the audit trail can be changed",
        "db/migrations/rules.py",
        '    yield "REVOKE UPDATE, DELETE ON sync.audit_log FROM cloudtosys_app"\n',
        "",
        (f"{DATABASE}schema.py::test_the_audit_trail_only_grows",),
    ),
    Bug(
        "a name is not looked at after it was resolved",
        "core/address.py",
        "            for address in answers:\n                self._check_address(host, address)\n",
        "            assert answers\n",
        (f"{UNIT}address.py",),
    ),
    Bug(
        "the values of sensitive names stay",
        "core/redaction.py",
        "return _SENSITIVE.search(name) is not None",
        "return not name",
        (f"{UNIT}redaction.py",),
    ),
    Bug(
        "a pooled connection carries its tenant on",
        "db/session.py",
        "set_config('app.tenant_id', :tenant, true)\"",
        "set_config('app.tenant_id', :tenant, false)\"",
        (f"{DATABASE}session.py::test_nothing_stays_on_a_pooled_connection",),
    ),
)
