"""The transition tables: terminal states are final, every state is reached, nothing else is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import PlatformError
from app.db.states import (
    ATTEMPT_ACTIVE,
    ATTEMPT_FINAL,
    ATTEMPT_STATES,
    JOB_ACTIVE,
    JOB_FINAL,
    JOB_STATES,
    transition,
)

TABLES = st.sampled_from([JOB_STATES, ATTEMPT_STATES])


@given(TABLES, st.data())
def test_a_change_happens_exactly_where_the_table_has_it(table: dict[str, frozenset[str]], data: st.DataObject) -> None:
    current = data.draw(st.sampled_from(sorted(table)))
    wanted = data.draw(st.sampled_from([*sorted(table), "unknown"]))
    if wanted in table[current]:
        assert transition(table, current, wanted) == wanted
    else:
        with pytest.raises(PlatformError) as caught:
            transition(table, current, wanted)
        assert caught.value.code == "CONFLICT"
        assert caught.value.context == {"state": current, "wanted": wanted}


@given(st.sampled_from(sorted(JOB_FINAL | ATTEMPT_FINAL)), TABLES, st.text(max_size=10))
def test_nothing_follows_a_final_state(final: str, table: dict[str, frozenset[str]], wanted: str) -> None:
    with pytest.raises(PlatformError):
        transition(table, final, wanted)


@pytest.mark.parametrize(("table", "first"), [(JOB_STATES, "queued"), (ATTEMPT_STATES, "created")])
def test_every_state_is_reached_and_an_end_from_every_state(table: dict[str, frozenset[str]], first: str) -> None:
    def reached(start: str) -> set[str]:
        found, open_ = set(), [start]
        while open_:
            state = open_.pop()
            if state not in found:
                found.add(state)
                open_ += table[state]
        return found

    assert reached(first) == set(table)
    ends = {state for state in table if not table[state]}
    assert ends == {"succeeded", "failed", "cancelled"}
    for state in table:
        assert reached(state) & ends
    assert all(following <= set(table) for following in table.values())


def test_active_and_final_states_are_all_states() -> None:
    assert set(JOB_STATES) == JOB_ACTIVE | JOB_FINAL
    assert set(ATTEMPT_STATES) == ATTEMPT_ACTIVE | ATTEMPT_FINAL
    assert not JOB_ACTIVE & JOB_FINAL
    assert not ATTEMPT_ACTIVE & ATTEMPT_FINAL
