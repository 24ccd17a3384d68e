"""What the models of all kinds are made of: base classes, rules, and marks for the schema.

Used by the modules of the kinds; `schema.py` reads the marks. Two rule books, kept apart:

    pydantic's checks    what the wire can carry. They decide whether a manifest can be read at
                         all, and a spec that came over the wire must survive being written here.
    `Published`, `Rule`  what the API server enforces on top. Values that these refuse still reach
                         the controller another way, and it answers them with Fluvio's words.

Null is absence, everywhere: nulls are dropped before anything is looked at.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

RULES = "x-kubernetes-validations"
DEFAULT_MARK = "x-fluvio-default"
REQUIRED_MARK = "x-fluvio-required"
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence in CEL, and what people read when it does not hold."""

    rule: str
    message: str

    def keyword(self) -> dict[str, str]:
        """As it stands in a schema."""
        return {"rule": self.rule, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Keywords that a field has in the schema alone; put in a field's `Annotated`.

    default:   the API server fills it in; other defaults stay in the code, where they can change
    required:  demanded of manifests, though older objects may lack it
    untyped:   any JSON; nothing below is looked at
    nullable:  null is kept, and CEL sees it; only where Fluvio's own CRD has it
    """

    minimum: int | None = None
    maximum: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    max_properties: int | None = None
    list_type: str | None = None
    list_keys: tuple[str, ...] | None = None
    untyped: bool = False
    nullable: bool = False
    required: bool = False
    default: Any = _ABSENT
    rules: tuple[Rule, ...] = ()

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        keywords = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": self.pattern,
            "format": self.format,
            "minItems": self.min_items,
            "maxItems": self.max_items,
            "maxProperties": self.max_properties,
            "x-kubernetes-list-type": self.list_type,
            "x-kubernetes-list-map-keys": None if self.list_keys is None else list(self.list_keys),
            "x-kubernetes-preserve-unknown-fields": True if self.untyped else None,
            "nullable": True if self.nullable else None,
            REQUIRED_MARK: True if self.required else None,
            RULES: [rule.keyword() for rule in self.rules] or None,
        }
        schema.update({name: value for name, value in keywords.items() if value is not None})
        if self.default is not _ABSENT:
            schema[DEFAULT_MARK] = self.default
        return schema


U16 = Annotated[int, Field(ge=0, le=(1 << 16) - 1), Published(format="int32")]
U32 = Annotated[int, Field(ge=0, le=(1 << 32) - 1), Published(format="int64")]
U64 = Annotated[int, Field(ge=0, le=(1 << 64) - 1), Published(format="int64")]
I32 = Annotated[int, Field(ge=-(1 << 31), le=(1 << 31) - 1), Published(format="int32")]
I64 = Annotated[int, Field(ge=-(1 << 63), le=(1 << 63) - 1), Published(format="int64")]

Name = Annotated[str, Published(max_length=253)]
"""A name of an object, a host, a label: what Kubernetes allows for its own."""
Line = Annotated[str, Published(max_length=1024)]
Text = Annotated[str, Published(max_length=32_768)]
"""Text for people, such as a condition's message."""

REPLICAS_MAX = 64
"""Of one partition, as the controller has it."""
PARTITIONS_MAX = 5000
"""Of one topic: Fluvio's own limit for manifests."""
SpuIds = Annotated[list[I32], Published(max_items=REPLICAS_MAX, list_type="atomic")]

JsonObject = Annotated[dict[str, Any], Published(untyped=True)]
"""A part of a pod's spec: Kubernetes checks it when the pod is made."""


class Model(BaseModel):
    """An object in a manifest; its keys are the camel-case form of the field names."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        frozen=True,
        strict=True,
        defer_build=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absence(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            return {name: value for name, value in data.items() if value is not None}
        return data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.rules:
            resolved = handler.resolve_ref_schema(schema)
            resolved[RULES] = [rule.keyword() for rule in cls.rules]
        return schema

    def body(self) -> dict[str, Any]:
        """As JSON, with what is absent left out."""
        return self.model_dump(by_alias=True, exclude_none=True)


class SpecModel(Model):
    """What a user wants of an object."""

    @classmethod
    @abstractmethod
    def of_wire(cls, spec: Any) -> Self:
        """From the value that the controller knows."""

    @abstractmethod
    def to_wire(self) -> Any:
        """As the controller knows it."""


class StatusPart(Model):
    """Part of a status. Whoever wrote it, it can be read: what makes no sense is absent."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _nonsense_is_absence(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        try:
            return handler(value)
        except ValidationError:
            assert info.field_name is not None
            return cls.model_fields[info.field_name].get_default(call_default_factory=True)


class Condition(StatusPart):
    """One thing that is so, or is not, or is not known."""

    type: Annotated[str, Published(max_length=316, required=True)] = Field(
        default="", description="what it is about, such as Ready"
    )
    status: Annotated[str, Published(max_length=16, pattern="^(True|False|Unknown)$")] = Field(
        default="Unknown", description="True, False or Unknown"
    )
    reason: Line | None = Field(default=None, description="one word for programs")
    message: Text | None = Field(default=None, description="text for people")
    last_transition_time: Annotated[str, Published(format="date-time", max_length=64)] | None = (
        Field(default=None, description="when status last changed")
    )
    observed_generation: I64 | None = Field(
        default=None, description="generation of the spec it was said of"
    )


class StatusModel(StatusPart):
    """What became of an object: Fluvio's fields, and what all our statuses have."""

    observed_generation: I64 | None = Field(
        default=None, description="generation of the spec that this status is about"
    )
    conditions: (
        Annotated[list[Condition], Published(max_items=32, list_type="map", list_keys=("type",))]
        | None
    ) = Field(default=None, description="what is so, for people and tools")

    @classmethod
    @abstractmethod
    def of_wire(cls, status: Any) -> Self:
        """From the value that the controller knows: Fluvio's fields and no other."""

    @abstractmethod
    def to_wire(self) -> Any:
        """As the controller knows it."""


def exactly_one(model: Model, *names: str) -> None:
    """Refuse a model that has none or several of the named fields."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        keys = ", ".join(names)
        raise PydanticCustomError(
            "variant",
            "{found}: give exactly one of {keys}",
            {"found": f"has {' and '.join(given)}" if given else "has none", "keys": keys},
        )
