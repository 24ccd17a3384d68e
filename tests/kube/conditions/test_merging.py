"""A new set of conditions over an old one: times, other people's, texts that are too long."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_operator.conditions.condition import (
    MESSAGE_BYTES_MAX,
    Condition,
    ConditionType,
    merge_conditions,
)
from fluvio_operator.conditions.reasons import Reason

THEN, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def written(kind: str, status: str, since: str = THEN, **rest: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": since, **rest}


def test_a_first_condition() -> None:
    new = [Condition(ConditionType.READY, True, Reason.READY, "fine")]
    assert merge_conditions([], new, 3, NOW) == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "fine",
            "lastTransitionTime": NOW,
            "observedGeneration": 3,
        }
    ]


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        ("True", True, THEN),
        ("False", True, NOW),
        ("Unknown", None, THEN),
        ("Unknown", False, NOW),
    ],
)
def test_the_time_is_that_of_the_last_change(before: str, after: bool | None, since: str) -> None:
    new = [Condition(ConditionType.READY, after, Reason.READY, "another text")]
    merged = merge_conditions([written("Ready", before, message="a text")], new, 1, NOW)
    assert merged[0]["lastTransitionTime"] == since
    assert merged[0]["message"] == "another text"


def test_a_condition_without_time_gets_one() -> None:
    new = [Condition(ConditionType.READY, True, Reason.READY)]
    old = [{"type": "Ready", "status": "True"}]
    assert merge_conditions(old, new, 1, NOW)[0]["lastTransitionTime"] == NOW


def test_ours_go_when_they_are_not_said_and_others_stay() -> None:
    old = [
        written("Stalled", "True"),
        written("example.test/Backup", "True", reason="Done"),
        written("Ready", "False"),
    ]
    merged = merge_conditions(old, [Condition(ConditionType.READY, False, Reason.READY)], 1, NOW)
    assert [each["type"] for each in merged] == ["Ready", "example.test/Backup"]
    assert merged[1] == old[1]


def test_merging_again_changes_nothing() -> None:
    new = [
        Condition(ConditionType.READY, False, Reason.DISK_FULL, "m" * 5000),
        Condition(ConditionType.IN_SYNC, None, Reason.NOT_CHECKED),
    ]
    once = merge_conditions([written("other", "True")], new, 1, THEN)
    assert merge_conditions(once, new, 1, NOW) == once


@given(st.text(min_size=300, max_size=1500))
def test_long_messages_are_cut_between_characters(message: str) -> None:
    new = [Condition(ConditionType.READY, True, Reason.READY, message)]
    kept = merge_conditions([], new, 1, NOW)[0]["message"]
    assert len(kept.encode()) <= MESSAGE_BYTES_MAX
    assert kept == message or message.startswith(kept.removesuffix("..."))
    assert (kept == message) is (len(message.encode()) <= MESSAGE_BYTES_MAX)


def test_reasons_are_words_that_kubernetes_takes() -> None:
    for reason in Reason:
        assert reason.value.isascii()
        assert reason.value.isalnum()
        assert reason.value[0].isupper()
