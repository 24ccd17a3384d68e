"""Tables byte for byte as Fluvio's own command prints them, and the machine formats."""

import json
import tomllib

import pytest
import yaml

from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    OutputType,
    emit,
    format_columns,
    format_data,
    format_yaml,
)
from fluvio_client.shapes import Variant

# From a terminal of Fluvio 0.18; every line ends in a space.
PARTITIONS = (
    "  TOPIC  PARTITION  LEADER  MIRROR  REPLICAS  RESOLUTION  SIZE   BASE  HW  LEO  LRS"
    "  FOLLOWER OFFSETS                                               \n"
    "  comp   0          5002            []        Online      558 B  0     6   6    6"
    "    0                 []                                           \n"
    "  three  1          5002            [5001]    Online      73 B   0     1   1    1"
    "    1                 [ReplicaStatus { spu: 5001, hw: 1, leo: 1 }] \n"
)
PROFILES = (
    "     PROFILE  CLUSTER  ADDRESS         TLS       INSTALLATION \n"
    "  *  local    local    127.0.0.1:9003  Disabled  Local        \n"
)
ADDED = " PARTITION  SPU  \n 1          5001 \n 2          5002 \n"
DESCRIBED = (
    "   Name:three                   \n"
    "   Ignore Rack Assignment:false \n"
    "   Reason:                      \n"
    "   -----------------            \n"
)


def test_a_list_with_more_cells_than_headers() -> None:
    headers = [
        "TOPIC", "PARTITION", "LEADER", "MIRROR", "REPLICAS", "RESOLUTION", "SIZE", "BASE", "HW",
        "LEO", "LRS", "FOLLOWER OFFSETS",
    ]  # fmt: skip
    rows = [
        ["comp", "0", "5002", "", "[]", "Online", "558 B", "0", "6", "6", "6", "0", "[]"],
        [
            "three", "1", "5002", "", "[5001]", "Online", "73 B", "0", "1", "1", "1", "1",
            "[ReplicaStatus { spu: 5001, hw: 1, leo: 1 }]",
        ],
    ]  # fmt: skip
    assert format_columns(rows, headers=headers) == PARTITIONS


def test_a_list_with_an_empty_header() -> None:
    headers = ("", "PROFILE", "CLUSTER", "ADDRESS", "TLS", "INSTALLATION")
    row = ["*", "local", "local", "127.0.0.1:9003", "Disabled", "Local"]
    assert format_columns([row], headers=headers) == PROFILES


def test_other_margins() -> None:
    rows = [["1", "5001"], ["2", "5002"]]
    assert format_columns(rows, headers=("PARTITION", "SPU"), margin=0) == ADDED
    lines = [["Name:three"], ["Ignore Rack Assignment:false"], ["Reason:"], ["-" * 17]]
    assert format_columns(lines, margin=DESCRIBE_MARGIN) == DESCRIBED


def test_no_rows() -> None:
    assert format_columns([]) == ""
    assert format_columns([], headers=("A",)) == "  A \n"


TOPIC = {
    "name": "comp",
    "spec": {
        "replicas": Variant(computed={"partitions": 1}),
        "rack": None,
        "mirrorMap": {},
        "replicaMap": {0: [5002]},
        "reason": "",
    },
}


def test_json() -> None:
    text = format_data(OutputType.JSON, [TOPIC])
    assert text.startswith('[\n  {\n    "name": "comp",')
    assert json.loads(text)[0]["spec"]["replicas"] == {"computed": {"partitions": 1}}
    assert json.loads(text)[0]["spec"]["replicaMap"] == {"0": [5002]}


def test_yaml_tags_choices_as_fluvio_does() -> None:
    assert format_yaml([TOPIC]) == (
        "- name: comp\n"
        "  spec:\n"
        "    replicas: !computed\n"
        "      partitions: 1\n"
        "    rack: null\n"
        "    mirrorMap: {}\n"
        "    replicaMap:\n"
        "      0:\n"
        "      - 5002\n"
        "    reason: ''\n"
    )


def test_yaml_of_plain_data_reads_back() -> None:
    data = [{"a": ["b", 1, True, None], "c": {"d": "e: f"}}]
    assert yaml.safe_load(format_yaml(data)) == data


def test_toml_has_a_key_for_the_list_and_no_nulls() -> None:
    found = tomllib.loads(format_data(OutputType.TOML, [TOPIC], kind="topics"))
    assert found["topics"][0]["spec"]["replicas"] == {"computed": {"partitions": 1}}
    assert "rack" not in found["topics"][0]["spec"]


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        (OutputType.TABLE, "No topics found\n"),
        (OutputType.JSON, "[]\n"),
        (OutputType.YAML, "[]\n\n"),
        (OutputType.TOML, "topics = []\n"),
    ],
)
def test_nothing_is_a_sentence_for_people_and_an_empty_list_for_machines(
    capsys: pytest.CaptureFixture[str], output: OutputType, printed: str
) -> None:
    emit(output, [], kind="topics", empty="No topics found", table=lambda: "no table wanted")
    assert capsys.readouterr().out == printed
