"""The file of a read-only cluster, as its controller reads it."""

import logging
from pathlib import Path

import pytest

from fluvio_local import declared_objects
from fluvio_local.cluster_files import UnreadableFile
from fluvio_local.declared_objects import read_declared
from fluvio_protocol.metadata.kinds import Kind

TOPIC = """
apiVersion: fluvio.infinyon.com/v2
kind: Topic
metadata: {name: orders}
spec: {replicas: {computed: {partitions: 2}}, minInSyncReplicas: 2}
"""


def test_objects_and_what_has_no_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(TOPIC)
    with caplog.at_level(logging.WARNING):
        (found,) = read_declared(file)
    assert (found.kind, found.name, found.spec.replicas.partitions) == (Kind.TOPIC, "orders", 2)
    assert [one.getMessage() for one in caplog.records] == [
        "event=setting_ignored object=Topic orders path=spec.minInSyncReplicas"
    ]


def test_a_file_may_declare_nothing(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text("")
    assert read_declared(file) == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe\xfd", "is no text in UTF-8"),
        (b"topics: [", "while parsing"),
        (b"a: 1", "object 1: no apiVersion"),
        (f"{TOPIC}---{TOPIC}".encode(), "Topic orders is there twice"),
        (b"#" * 101, "larger than 100 bytes"),
    ],
)
def test_what_is_no_such_file_is_told(
    content: bytes | None, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if complaint.startswith("larger"):
        monkeypatch.setattr(declared_objects, "TEXT_SIZE_BYTES_MAX", 100)
    file = tmp_path / "objects.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UnreadableFile, match=complaint) as raised:
        read_declared(file)
    assert str(file) in str(raised.value)


def test_without_pydantic_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fluvio_crd.manifest", None)
    file = tmp_path / "objects.yaml"
    file.write_text(TOPIC)
    with pytest.raises(UnreadableFile, match=r"fluvio-cluster\[apply\]"):
        read_declared(file)
