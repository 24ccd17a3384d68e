"""The CRDs: as committed, structural, bounded everywhere, and open to every sample."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import documents, names, refusal, resource_of_manifest
from pydantic import Field

from fluvio_crd import generate
from fluvio_crd.columns import COLUMNS
from fluvio_crd.definition import MODELS, definition_of
from fluvio_crd.model import Model
from fluvio_crd.resources import RESOURCES
from fluvio_crd.schema import NotStructural, structural_schema
from fluvio_protocol.metadata.kinds import Kind

REPOSITORY = Path(__file__).parents[3]
CRDS = {
    resource.plural: yaml.safe_load(generate.generated_files()[f"{resource.plural}.yaml"])
    for resource in RESOURCES
}
SCHEMAS = {
    f"{plural}/{version['name']}": version["schema"]["openAPIV3Schema"]
    for plural, crd in CRDS.items()
    for version in crd["spec"]["versions"]
}
NOT_STRUCTURAL = {"$ref", "anyOf", "allOf", "oneOf", "not", "title", "const", "definitions"}
UNTYPED = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, and where it is."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if word in schema:
            yield from nodes(schema[word], path + mark)


def unknown_fields(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    """Fields that strict decoding refuses."""
    if isinstance(value, list) and "items" in schema:
        return [
            one
            for index, item in enumerate(value)
            for one in unknown_fields(schema["items"], item, f"{path}[{index}]")
        ]
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    if "additionalProperties" in schema or path.endswith(".metadata"):
        return []
    found = []
    for name, inner in value.items():
        if name in schema.get("properties", {}):
            found += unknown_fields(schema["properties"][name], inner, f"{path}.{name}")
        else:
            found.append(f"{path}.{name}")
    return found


def test_the_committed_files_are_those_the_models_make() -> None:
    assert generate.stale_files(REPOSITORY / "crds") == []


def test_check_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "DIRECTORY", tmp_path / "crds")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "crds" / "topics.yaml").write_text("# edited\n")
    (tmp_path / "crds" / "tables.yaml").write_text("# left over\n")
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    assert "tables.yaml, topics.yaml" in capsys.readouterr().out
    assert generate.main([]) == 0
    assert generate.stale_files(tmp_path / "crds") == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_structural(name: str) -> None:
    wrong = []
    for path, schema in nodes(SCHEMAS[name], name):
        typed = schema.get("type") in {"object", "array", "string", "integer", "boolean"}
        untyped = "type" not in schema and UNTYPED & schema.keys()
        if NOT_STRUCTURAL & schema.keys() or not (typed or untyped):
            wrong.append(path)
    assert wrong == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_everything_has_a_bound(name: str) -> None:
    """The API server refuses rules over lists and texts that may grow without end."""
    unbounded = []
    for path, schema in nodes(SCHEMAS[name], name):
        match schema.get("type"):
            case "array":
                bounded = "maxItems" in schema and "x-kubernetes-list-type" in schema
            case "string":
                bounded = "maxLength" in schema or "enum" in schema
            case "object":
                bounded = "additionalProperties" not in schema or "maxProperties" in schema
            case _:
                bounded = True
        if not bounded:
            unbounded.append(path)
    assert set(unbounded) == {f"{name}.apiVersion", f"{name}.kind"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_field_says_what_it_is(name: str) -> None:
    silent = [
        f"{path}.{field}"
        for path, schema in nodes(SCHEMAS[name], name)
        for field, inner in schema.get("properties", {}).items()
        if "description" not in inner
    ]
    assert set(silent) == {f"{name}.{field}" for field in ("apiVersion", "kind", "metadata")}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_status_has_conditions_that_merge(name: str) -> None:
    conditions = SCHEMAS[name]["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert "observedGeneration" in SCHEMAS[name]["properties"]["status"]["properties"]


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_keys_of_merged_lists_are_always_there(name: str) -> None:
    for path, schema in nodes(SCHEMAS[name], name):
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            assert key in schema["items"]["required"], path


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
def test_the_envelope(resource: Any) -> None:
    crd = CRDS[resource.plural]
    assert crd["metadata"]["name"] == f"{resource.plural}.fluvio.infinyon.com"
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert crd["spec"]["names"].get("shortNames", []) == list(resource.short_names)
    versions = {version["name"]: version for version in crd["spec"]["versions"]}
    assert [name for name, one in versions.items() if one["storage"]] == [resource.api_version]
    assert all(one["served"] and "status" in one["subresources"] for one in versions.values())
    assert list(versions) == (
        ["v1", "v2"] if resource.kind is Kind.SMART_MODULE else [resource.api_version]
    )
    scales = "scale" in versions[resource.api_version]["subresources"]
    assert scales == (resource.kind is Kind.SPU_GROUP)


@pytest.mark.parametrize("kind", list(COLUMNS))
def test_columns_print_fields_that_exist(kind: Kind) -> None:
    spec, status = (structural_schema(model) for model in MODELS[kind])
    schema = {"properties": {"spec": spec, "status": status}}
    for column in COLUMNS[kind]:
        node: Any = schema
        if column.path.startswith((".metadata", ".status.conditions[?")):
            continue
        for step in column.path.removeprefix(".").removesuffix("[0]").split("."):
            node = node["properties"][step]
        if column.type == "integer" and not column.path.endswith("[0]"):
            assert node["type"] == "integer", column.path


@pytest.mark.parametrize("name", names("good"))
def test_no_good_sample_has_a_field_that_strict_decoding_refuses(name: str) -> None:
    for manifest in documents("good", name):
        plural = resource_of_manifest(manifest).plural
        schema = SCHEMAS[f"{plural}/{manifest['apiVersion'].partition('/')[2]}"]
        assert unknown_fields(schema, manifest, plural) == []


def test_every_rule_has_a_sample_that_breaks_it() -> None:
    """Else its words were never seen; the story on a real API server shows that they are."""
    messages = {
        rule["message"]
        for name, schema in SCHEMAS.items()
        for path, node in nodes(schema, name)
        if ".status" not in path
        for rule in node.get("x-kubernetes-validations", ())
    }
    words = [one for name in names("bad") for one in refusal(name).words]
    assert [one for one in messages if not any(said in one for said in words)] == []


def test_a_default_is_what_reading_nothing_gives() -> None:
    replicas = SCHEMAS["topics/v2"]["properties"]["spec"]["properties"]["replicas"]
    assert replicas["default"] == {"computed": {"partitions": 1, "replicationFactor": 1}}


class Union(Model):
    """Has no structural form."""

    either: int | str = Field(description="one or the other")


class Titled(Model):
    """Says a word that no schema knows."""

    ratio: float = Field(multiple_of=0.5, description="a number")


@pytest.mark.parametrize("model", [Union, Titled])
def test_what_is_not_structural_is_refused_here_and_not_by_the_server(model: type[Model]) -> None:
    with pytest.raises(NotStructural, match=f"{model.__name__}\\."):
        structural_schema(model)


def test_making_them_twice_gives_the_same() -> None:
    assert [definition_of(one) for one in RESOURCES] == [definition_of(one) for one in RESOURCES]


@pytest.mark.parametrize("module", ["", ".resources", ".settings", ".errors", ".admission"])
def test_the_light_modules_do_not_load_pydantic(module: str) -> None:
    program = f"import sys, fluvio_crd{module}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
