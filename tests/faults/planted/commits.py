"""Bugs of commits, leases, cursors and creates."""

from tests.faults.planted.bug import DATABASE, FAULTS, PAIRS, UNIT, Bug

COMMITS = (
    Bug(
        "the cursor is committed before the rows",
        "db/store.py",
        """        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
""",
        """        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
            await ledger.advance(connection, bound, cursor, Counts(), total)
        async with tenant_transaction(self._engine, bound.tenant_id) as connection:
            await ledger.hold(connection, bound)
""",
        (f"{FAULTS}commits.py",),
    ),
    Bug(
        "an export's cursor passes what was not written",
        "core/exporting.py",
        """    for error in ended:
        if error is not None:
            raise error
""",
        "",
        (f"{PAIRS}exports.py::test_a_world_in_trouble_is_met_again",),
    ),
    Bug(
        "an intent is put on record after the call",
        "core/exporting.py",
        """        if creates:
            await job.erp_side.intend(creates)
        try:
            written = await job.writing.write(job.source, [outgoing(item) for item in items])
""",
        """        try:
            written = await job.writing.write(job.source, [outgoing(item) for item in items])
            if creates:
                await job.erp_side.intend(creates)
""",
        (f"{FAULTS}lost_answers.py",),
    ),
    Bug(
        "an export reads the last change again and again",
        "db/exports.py",
        "AND (t.change_seq, t.{column}) > (:seq",
        "AND (t.change_seq, t.{column}) >= (:seq",
        (f"{PAIRS}exports.py",),
    ),
    Bug(
        "an export passes the rest of a transaction",
        "db/exports.py",
        "AND (t.change_seq, t.{column}) > (:seq, CAST(:after AS uuid))",
        "AND t.change_seq > :seq AND CAST(:after AS uuid) IS NOT NULL",
        (f"{PAIRS}export_cursor.py",),
    ),
    Bug(
        "an export reads past transactions that are still open",
        "db/exports.py",
        " AND t.change_seq < (SELECT erp.change_horizon()){mine}",
        "{mine}",
        (f"{PAIRS}export_cursor.py",),
    ),
    Bug(
        "the next import does not ask again for the overlap",
        "core/engine.py",
        "since=cursor.watermark - incremental.overlap",
        "since=cursor.watermark",
        (f"{UNIT}start.py",),
    ),
    Bug(
        "the watermark passes the beginning of the scan",
        "core/engine.py",
        "watermark = min(seen) if cursor.high",
        "watermark = max(seen) if cursor.high",
        (f"{UNIT}start.py",),
    ),
    Bug(
        "nothing fences off a run that lost its lease",
        "db/ledger.py",
        "if held.rowcount != 1:",
        "if held.rowcount < 0:",
        (f"{PAIRS}woocommerce.py::test_a_run_that_lost_its_lease_writes_nothing",),
    ),
    Bug(
        "a lease is taken from a run that lives",
        "db/runs.py",
        "AND (lease_log_id IS NULL OR lease_expires_at < now()) RETURNING lease_token",
        "RETURNING lease_token",
        (f"{PAIRS}requests.py::test_a_request_waits_for_a_busy_pair",),
    ),
    Bug(
        "a lease is not kept alive between batches",
        "tasks/job.py",
        "await runs.renew(database, lease)",
        "await asyncio.sleep(0)",
        (f"{PAIRS}lease.py",),
    ),
    Bug(
        "a simulation is kept",
        "db/ledger.py",
        "await trial.rollback()",
        "await trial.commit()",
        (f"{PAIRS}requests.py::test_a_simulation_counts_and_writes_nothing",),
    ),
    Bug(
        "a slot that was served is served again",
        "db/runs.py",
        "if token is not None and slot_at is not None and await _served(connection, log):",
        "if False:",
        (f"{FAULTS}outage.py",),
    ),
    Bug(
        "calls at the same time lose what others counted",
        "core/answers.py",
        """    done.issues = issues
    counts = await job.erp_side.commit(done)
    job.counts += counts
""",
        """    done.issues = issues
    job.counts += await job.erp_side.commit(done)
""",
        (f"{PAIRS}exports.py::test_creates_updates_and_skips",),
    ),
    Bug(
        "a lease is freed though its run came back to life",
        "db/watch.py",
        " WHERE id = :pair AND lease_token = :token AND lease_expires_at < now()",
        " WHERE id = :pair",
        ("tests/flows/test_watchdog.py::test_a_run_that_came_back_to_life_is_left_alone",),
    ),
)

CREATES = (
    Bug(
        "nobody looks outside before a create",
        "core/exporting.py",
        "if job.writing.find is None or not items:",
        "if True:",
        (f"{PAIRS}exports.py::test_what_exists_outside_is_linked_not_doubled",),
    ),
    Bug(
        "a create of unknown outcome is forgotten",
        "core/answers.py",
        "await job.erp_side.doubt([item.intent for item in creates if item.intent], job.look_again[0])",
        "await job.erp_side.withdraw([item.intent for item in creates if item.intent])",
        (f"{FAULTS}lost_answers.py::test_where_nobody_can_say_nothing_is_sent_twice",),
    ),
    Bug(
        "a create is sent again under another key",
        "core/settling.py",
        "job.intents = {doubt.internal_id: doubt for doubt in due}",
        "job.intents = {}",
        (f"{FAULTS}lost_answers.py::test_no_create_is_doubled_and_none_stays_unknown",),
    ),
    Bug(
        "what may not be repeated is repeated",
        "core/source.py",
        "        if repeatable:\n",
        "        if repeatable or body is not None:\n",
        (f"{PAIRS}woocommerce_writing.py",),
    ),
    Bug(
        "the external record of another one is taken",
        "core/exporting.py",
        "if external_id in taken:",
        "if external_id == '':",
        (f"{PAIRS}exports.py::test_the_counterpart_of_another_record_is_not_taken",),
    ),
    Bug(
        "one of several candidates is taken",
        "core/planning.py",
        "if len(matches) > 1:",
        "if len(matches) > 9:",
        (f"{UNIT}planning.py",),
    ),
    Bug(
        "two mappings of one ERP record are possible",
        "db/migrations/versions/0001_first_schema.py",
        """        ["integration_id", "entity", "internal_id"],
        unique=True,
""",
        """        ["integration_id", "entity", "internal_id"],
""",
        (f"{DATABASE}mappings.py::test_two_people_at_once_link_one_record_once",),
    ),
    Bug(
        "twenty processes renew one token",
        "db/tokens.py",
        """            await connection.execute(_ALONE, {"integration": str(self._account[1])})
            token = await self._read(connection, _LOCK)
""",
        """            token = await self._read(connection, _READ)
""",
        (f"{FAULTS}renewal.py::test_twenty_workers_refresh_once",),
    ),
    Bug(
        "whoever waited for a token renews it once more",
        "db/tokens.py",
        """            token = await self._read(connection, _LOCK)
            if self._good(token, refused):
""",
        """            token = await self._read(connection, _LOCK)
            if False:
""",
        (f"{FAULTS}renewal.py::test_twenty_workers_refresh_once",),
    ),
)
