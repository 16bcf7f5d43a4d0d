"""The one place that decides: every combination of what is known ends in exactly one way."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from core.entities import Matching
from core.errors import ConflictError
from core.planning import decide
from core.ports import Action, Known, Match

HASHES = st.sampled_from([b"a", b"b"])
KNOWN = st.none() | st.builds(
    Known,
    mapping_id=st.uuids(),
    internal_id=st.uuids(),
    external_hash=st.none() | HASHES,
    incomplete=st.booleans(),
)
MATCHES = st.lists(st.builds(Match, internal_id=st.uuids(), external_id=st.none() | st.just("7")), max_size=3)


@given(KNOWN, HASHES, MATCHES, st.sampled_from(Matching))
def test_decide(known: Known | None, record_hash: bytes, matches: list[Match], matching: Matching) -> None:
    try:
        decision = decide(known, record_hash, matches, matching, "SKU")
    except ConflictError:
        assert known is None
        assert matches
        assert len(matches) > 1 or matches[0].external_id or matching is not Matching.SKU
        return
    if known is not None:
        unchanged = known.external_hash == record_hash and not known.incomplete
        assert decision.action is (Action.SKIP if unchanged else Action.UPDATE)
        assert decision.internal_id == known.internal_id
    elif matches:
        assert len(matches) == 1
        assert (decision.action, decision.internal_id) == (Action.LINK, matches[0].internal_id)
    else:
        assert (decision.action, decision.internal_id) == (Action.CREATE, None)


def test_a_known_record_is_never_linked_elsewhere() -> None:
    known = Known(uuid.uuid4(), uuid.uuid4(), b"a")
    decision = decide(known, b"b", [Match(uuid.uuid4())], Matching.SKU, "SKU")
    assert decision.internal_id == known.internal_id
