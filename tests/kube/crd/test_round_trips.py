"""What is written as a manifest is read back as it was, whatever the wire carried."""

import json
from typing import Any

import pytest
from cases import documents, names, resource_of_manifest
from hypothesis import given
from hypothesis import strategies as st
from wire_values import values_of

from fluvio_crd.manifest import parse_spec, parse_status, render_spec, render_status
from fluvio_crd.resources import RESOURCES
from fluvio_protocol.metadata.kinds import Kind, spec_type, status_type

KINDS = [resource.kind for resource in RESOURCES]


def through_json(value: Any) -> Any:
    """As it comes back from an API server, or from a file."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_spec_comes_back(kind: Kind, data: st.DataObject) -> None:
    spec = data.draw(values_of(spec_type(kind)))
    assert parse_spec(kind, through_json({"spec": render_spec(kind, spec)})) == spec


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_status_comes_back(kind: Kind, data: st.DataObject) -> None:
    status = data.draw(values_of(status_type(kind)))
    assert parse_status(kind, through_json({"status": render_status(kind, status)})) == status


@pytest.mark.parametrize("folder", ["good", "plain", "older", "observed"])
def test_a_sample_says_the_same_after_writing_it_anew(folder: str) -> None:
    for name in names(folder):
        for manifest in documents(folder, name):
            kind = resource_of_manifest(manifest).kind
            spec = parse_spec(kind, manifest)
            assert parse_spec(kind, {"spec": render_spec(kind, spec)}) == spec


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_null_and_nothing_unknown_is_written(kind: Kind, data: st.DataObject) -> None:
    """A null would take the field away from whoever else owns it."""

    def nulls(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(nulls, value.values()))
        return any(map(nulls, value)) if isinstance(value, list) else value is None

    assert not nulls(render_spec(kind, data.draw(values_of(spec_type(kind)))))
    assert not nulls(render_status(kind, data.draw(values_of(status_type(kind)))))
