"""Names there and back; amounts in all their spellings."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_operator.manifests.names import (
    claim_name,
    pod_name,
    selector_text,
    spu_name,
    spu_of_pod,
    spu_of_service,
    spu_service_name,
)
from fluvio_operator.manifests.quantity import parse_quantity

GROUPS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,39}[a-z0-9])?", fullmatch=True)


@given(GROUPS, st.integers(0, 65_535))
def test_a_name_leads_back_to_its_spu(group: str, ordinal: int) -> None:
    assert spu_of_pod(pod_name(group, ordinal)) == (group, ordinal)
    assert spu_of_service(spu_service_name(group, ordinal)) == (group, ordinal)


def test_names_are_those_of_fluvio() -> None:
    assert pod_name("main", 0) == "fluvio-spg-main-0"
    assert spu_service_name("main", 0) == "fluvio-spu-main-0"
    assert spu_name("main", 0) == "main-0"
    assert claim_name("main", 0) == "data-fluvio-spg-main-0"
    assert selector_text("main") == "app=spu,group=main"


@pytest.mark.parametrize(
    "name", ["fluvio-sc-0", "fluvio-spg-0", "fluvio-spg-main", "fluvio-spg-main-01", "x", ""]
)
def test_other_pods_are_nobody(name: str) -> None:
    assert spu_of_pod(name) is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10Gi", 10 * 1024**3),
        ("1024Mi", 1024**3),
        ("1.5k", 1500),
        ("500m", Decimal("0.5")),
        ("1e3", 1000),
        ("1E", 10**18),
        ("1E2", 100),
        (".5", Decimal("0.5")),
        ("2.", 2),
        ("+1", 1),
        ("-1", -1),
        (3, 3),
        (0.5, Decimal("0.5")),
        ("", None),
        ("Gi", None),
        ("10GB", None),
        ("10 Gi", None),
        ("10gi", None),
        ("1e", None),
        ("1e999", None),
        ("1" * 50, None),
        (True, None),
    ],
)
def test_amounts(text: str | int | float, amount: Decimal | int | None) -> None:
    assert parse_quantity(text) == amount
