"""Twins of the ready-made modules: the same decisions in plain Python, with Python's own libraries.

A twin is slow, obvious, and shares nothing with the C. `TWINS[name](params)` raises Refused when
the parameters are wrong; the object's `call(record)` gives what the module gives for that one
record, or raises TwinError where the module gives an error.
"""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

Params = Mapping[str, str]


class Refused(Exception):
    """The parameters are wrong: the stream is refused."""


class TwinError(Exception):
    """The record is an error."""


@dataclass(frozen=True, slots=True)
class TwinRecord:
    """What a twin sees of a record."""

    value: bytes
    key: bytes | None
    offset: int
    timestamp: int


class Twin(ABC):
    """One instance of a module."""

    takes: tuple[str, ...] = ()

    def __init__(self, params: Params) -> None:
        if set(params) - set(self.takes):
            raise Refused("unknown parameter")
        self.params = params
        self.begin()

    def begin(self) -> None:  # noqa: B027 - there may be no parameters
        """Look at the parameters. Raises Refused."""

    @abstractmethod
    def call(self, record: TwinRecord) -> Any:
        """Filter: whether to keep. Map: key and value. Array map: a list of those."""

    def needed(self, name: str) -> str:
        if name not in self.params:
            raise Refused(f"missing {name}")
        return self.params[name]

    def choice(self, name: str, *choices: str) -> str:
        found = self.params.get(name, choices[0])
        if found not in choices:
            raise Refused(f"wrong {name}")
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        if name not in self.params:
            return None
        text = self.params[name]
        if not re.fullmatch(r"[+-]?[0-9]+", text) or not least <= int(text) <= most:
            raise Refused(f"wrong {name}")
        return int(text)

    def path(self, name: str = "field") -> str | None:
        if self.params.get(name) == "":
            raise Refused(f"empty {name}")
        return self.params.get(name)


# -- JSON: objects as lists of pairs, numbers as they are written --------------------------------


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object, with names that may occur twice."""


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parse_json(value: bytes) -> Any:
    """Strict JSON in UTF-8. Raises TwinError."""
    try:
        text = value.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("a byte order mark")
        return json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_float=Number,
            parse_int=Number,
            parse_constant=_no_constant,
        )
    except ValueError as error:
        raise TwinError(str(error)) from error


def write_json(value: Any) -> str:
    """Compact JSON of what `parse_json` gives."""
    match value:
        case Pairs():
            inside = ",".join(f"{json.dumps(name)}:{write_json(item)}" for name, item in value)
            return "{" + inside + "}"
        case list():
            return "[" + ",".join(map(write_json, value)) + "]"
        case Number():
            return str(value)
        case _:
            return json.dumps(value)


class Absent(Exception):
    """There is nothing at that path."""


def at_path(value: Any, path: str) -> Any:
    """Raises Absent."""
    for step in path.split("."):
        if isinstance(value, Pairs):
            found = [item for name, item in value if _as_utf8(name) == step]
            if not found:
                raise Absent
            value = found[-1]
        elif isinstance(value, list) and re.fullmatch(r"[+-]?[0-9]+", step):
            if not 0 <= int(step) < len(value):
                raise Absent
            value = value[int(step)]
        else:
            raise Absent
    return value


def _as_utf8(text: str) -> str:
    """Half a pair of code units cannot be UTF-8."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


# -- Filters -------------------------------------------------------------------------------------


class Contains(Twin):
    takes = ("text", "at", "of", "keep")

    def begin(self) -> None:
        self.text = self.needed("text").encode()
        self.at = self.choice("at", "anywhere", "start", "end")
        self.of = self.choice("of", "value", "key")
        self.keep = self.choice("keep", "found", "others")

    def call(self, record: TwinRecord) -> bool:
        whole = record.value if self.of == "value" else record.key
        tests: dict[str, Callable[[bytes], bool]] = {
            "anywhere": lambda whole: self.text in whole,
            "start": lambda whole: whole.startswith(self.text),
            "end": lambda whole: whole.endswith(self.text),
        }
        return (whole is not None and tests[self.at](whole)) == (self.keep == "found")


class RegexFilter(Twin):
    """Of expressions that both know; `$` is the very end here."""

    takes = ("regex", "of", "keep")

    def begin(self) -> None:
        text = self.needed("regex")
        self.of = self.choice("of", "value", "key")
        self.keep = self.choice("keep", "found", "others")
        meant = re.sub(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", lambda m: m[1] or r"\Z", text)
        try:
            self.regex = re.compile(meant, re.ASCII)
        except re.error as error:
            raise Refused(str(error)) from error

    def call(self, record: TwinRecord) -> bool:
        whole = record.value if self.of == "value" else record.key
        try:
            found = whole is not None and self.regex.search(whole.decode()) is not None
        except UnicodeDecodeError as error:
            raise TwinError("not UTF-8") from error
        return found == (self.keep == "found")


class JsonFieldFilter(Twin):
    takes = ("field", "op", "value")
    ops = ("eq", "ne", "lt", "le", "gt", "ge")
    texts = ("contains", "starts-with", "ends-with")

    def begin(self) -> None:
        self.needed("field")
        self.field = self.path() or ""
        self.op = self.choice("op", *self.ops, *self.texts, "exists", "missing")
        if (self.op in ("exists", "missing")) == ("value" in self.params):
            raise Refused("value")
        self.value = self.params.get("value", "")

    def call(self, record: TwinRecord) -> bool:
        try:
            found = at_path(parse_json(record.value), self.field)
        except Absent:
            return self.op == "missing"
        if self.op in ("exists", "missing"):
            return self.op == "exists"
        if isinstance(found, list):
            return self.op == "ne"
        text, value = _said(found), self.value.encode()
        match self.op:
            case "contains":
                return value in text
            case "starts-with":
                return text.startswith(value)
            case "ends-with":
                return text.endswith(value)
        if not isinstance(found, Number):
            return self.compares((text > value) - (text < value))
        try:
            number = parse_json(value)
        except TwinError:
            number = None
        if not isinstance(number, Number) or number != self.value:
            return self.op == "ne"
        left, right = Decimal(found), Decimal(number)
        return self.compares((left > right) - (left < right))

    def compares(self, order: int) -> bool:
        match self.op:
            case "eq":
                return order == 0
            case "ne":
                return order != 0
            case "lt":
                return order < 0
            case "le":
                return order <= 0
            case "gt":
                return order > 0
            case _:
                return order >= 0


def _said(value: Any) -> bytes:
    if isinstance(value, str) and not isinstance(value, Number):
        return _as_utf8(value).encode()
    return write_json(value).encode()


class Sample(Twin):
    takes = ("every", "percent")

    def begin(self) -> None:
        self.every = self.whole("every", 1, 2**63 - 1)
        self.percent = self.whole("percent", 0, 100)
        if (self.every is None) == (self.percent is None):
            raise Refused("one of the two")

    def call(self, record: TwinRecord) -> bool:
        if self.every is not None:
            return record.offset % self.every == 0
        mask, found = 2**64 - 1, 0xCBF29CE484222325
        for byte in record.value if record.key is None else record.key:
            found = (found ^ byte) * 0x100000001B3 & mask
        found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 & mask
        found = (found ^ found >> 27) * 0x94D049BB133111EB & mask
        return (found ^ found >> 31) % 100 < (self.percent or 0)


class DedupExact(Twin):
    """A list of what was seen, oldest first, with the bytes themselves."""

    takes = ("count", "age")

    def begin(self) -> None:
        self.needed("count")
        self.count = self.whole("count", 1, 2**24 - 2) or 0
        self.age = self.whole("age", 1, (2**63 - 1) // 4)
        self.seen: list[tuple[tuple[bool, bytes], int]] = []
        self.now = -1

    def call(self, record: TwinRecord) -> bool:
        has_key = record.key is not None
        this = (has_key, record.value if record.key is None else record.key)
        self.now = max(self.now, record.timestamp)
        while len(self.seen) > self.count + 1 and self.may_forget_oldest():
            del self.seen[0]
        if any(this == other for other, _ in self.seen):
            return False
        self.seen.append((this, record.timestamp))
        return True

    def may_forget_oldest(self) -> bool:
        if self.age is None:
            return True
        entry, timestamp = self.seen[0]
        if timestamp == -1:
            timestamp = self.now
            self.seen[0] = (entry, timestamp)
        return timestamp != -1 and self.now - timestamp > self.age


# -- Maps ----------------------------------------------------------------------------------------


class Case(Twin):
    takes = ("to", "of")

    def begin(self) -> None:
        self.needed("to")
        self.to = self.choice("to", "upper", "lower")
        self.of = self.choice("of", "value", "key", "both")

    def call(self, record: TwinRecord) -> tuple[bytes | None, bytes]:
        change = bytes.upper if self.to == "upper" else bytes.lower
        key, value = record.key, record.value
        if self.of != "value" and key is not None:
            key = change(key)
        return key, change(value) if self.of != "key" else value


class JsonProject(Twin):
    takes = ("fields", "rename")

    def begin(self) -> None:
        if ("fields" in self.params) == ("rename" in self.params):
            raise Refused("one of the two")
        self.is_rename = "rename" in self.params
        self.pairs: list[tuple[str, str]] = []
        for part in (self.params.get("fields") or self.params.get("rename") or "").split(","):
            words = part.split("=")
            if len(words) > 2 or "" in words or (self.is_rename and len(words) < 2):
                raise Refused(part)
            if self.is_rename:
                self.pairs.append((words[0], words[1]))
            elif len(words) == 2:
                self.pairs.append((words[1], words[0]))
            else:
                self.pairs.append((part, part.split(".")[-1]))
        if len({to for _, to in self.pairs}) < len(self.pairs):
            raise Refused("twice")
        if self.is_rename and len({old for old, _ in self.pairs}) < len(self.pairs):
            raise Refused("twice")

    def call(self, record: TwinRecord) -> tuple[bytes | None, bytes]:
        root = parse_json(record.value)
        if not isinstance(root, Pairs):
            raise TwinError("not an object")
        made = Pairs()
        if self.is_rename:
            names = dict(self.pairs)
            made.extend((names.get(_as_utf8(name), name), item) for name, item in root)
        else:
            for path, name in self.pairs:
                try:
                    made.append((name, at_path(root, path)))
                except Absent:
                    continue
        return record.key, write_json(made).encode()


class JsonFlatten(Twin):
    takes = ("separator",)

    def call(self, record: TwinRecord) -> tuple[bytes | None, bytes]:
        root = parse_json(record.value)
        if not isinstance(root, list):
            raise TwinError("neither an object nor an array")
        made = Pairs()
        self.add(made, root, [])
        return record.key, write_json(made).encode()

    def add(self, made: Pairs, value: Any, path: list[str]) -> None:
        if isinstance(value, list) and (value or not path):
            items = value if isinstance(value, Pairs) else enumerate(value)
            for name, item in items:
                self.add(made, item, [*path, str(name)])
        else:
            made.append((self.params.get("separator", ".").join(path), value))


class CsvToJson(Twin):
    takes = ("columns", "delimiter", "numbers")

    def begin(self) -> None:
        self.columns = self.needed("columns").split(",")
        self.delimiter = self.params.get("delimiter", ",")
        self.numbers = self.choice("numbers", "text", "json")
        if len(self.delimiter.encode()) != 1 or self.delimiter in '"\n\r':
            raise Refused("delimiter")
        if len(set(self.columns)) < len(self.columns):
            raise Refused("twice")

    def call(self, record: TwinRecord) -> tuple[bytes | None, bytes]:
        try:
            text = record.value.decode()
            line = text.removesuffix("\n").removesuffix("\r")
            cells = self.cells(line)
        except (ValueError, csv.Error) as error:
            raise TwinError(str(error)) from error
        if len(cells) != len(self.columns):
            raise TwinError("another number of cells")
        made = Pairs(zip(self.columns, map(self.said, cells), strict=True))
        return record.key, write_json(made).encode()

    def cells(self, line: str) -> list[str]:
        if not line:
            return [""]  # where Python's reader sees no line at all
        reader = csv.reader(io.StringIO(line, newline=""), delimiter=self.delimiter, strict=True)
        rows = list(reader)
        if len(rows) != 1 or self.breaks_outside_quotes(line):
            raise ValueError("a line break outside quotes")
        return rows[0]

    def breaks_outside_quotes(self, line: str) -> bool:
        """A quote opens at the beginning of a cell alone; anywhere else it is a letter."""
        apart = re.escape(self.delimiter)
        quoted = re.compile(rf'"(?:[^"]|"")*"(?={apart}|\Z)')
        position, rest = 0, ""
        while position <= len(line):
            found = quoted.match(line, position)
            end = line.find(self.delimiter, found.end() if found else position)
            end = len(line) if end < 0 else end
            rest += line[found.end() if found else position : end]
            position = end + 1
        return re.search(r"[\r\n]", rest) is not None

    def said(self, cell: str) -> Any:
        if self.numbers == "json":
            try:
                found = parse_json(cell.encode())
            except TwinError:
                return cell
            if isinstance(found, Number) and found == cell:
                return found
        return cell


class ExplodeArray(Twin):
    takes = ("field", "strings")

    def begin(self) -> None:
        self.field = self.path()
        self.strings = self.choice("strings", "json", "text")

    def call(self, record: TwinRecord) -> list[tuple[bytes | None, bytes]]:
        found = parse_json(record.value)
        if self.field is not None:
            try:
                found = at_path(found, self.field)
            except Absent as error:
                raise TwinError("no such field") from error
        if isinstance(found, Pairs) or not isinstance(found, list):
            raise TwinError("not an array")
        return [(record.key, self.said(item)) for item in found]

    def said(self, item: Any) -> bytes:
        is_string = isinstance(item, str) and not isinstance(item, Number)
        return _said(item) if is_string and self.strings == "text" else write_json(item).encode()


# -- Aggregates ----------------------------------------------------------------------------------


class Aggregate(Twin):
    """`step(accumulator, record)` gives the next accumulator."""

    def call(self, record: TwinRecord) -> Any:
        raise AssertionError("an aggregate is called with an accumulator")

    @abstractmethod
    def step(self, accumulator: bytes, record: TwinRecord) -> bytes:
        """The next accumulator. Raises TwinError."""


class Count(Aggregate):
    def step(self, accumulator: bytes, record: TwinRecord) -> bytes:
        if accumulator and not re.fullmatch(rb"\+?[0-9]+|-0+", accumulator):
            raise TwinError("no count")
        if int(accumulator or b"0") >= 2**63 - 1:
            raise TwinError("no count")
        return b"%d" % (int(accumulator or b"0") + 1)


def to_decimal(text: bytes | str) -> Decimal:
    """Raises TwinError when it has too many digits, or is no JSON number."""
    said = text if isinstance(text, str) else text.decode("latin-1")
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", said):
        raise TwinError("not a number")
    digits = re.sub("[-.]|[eE].*", "", said).lstrip("0")
    if len(digits) > 36:
        raise TwinError("too many digits")
    with localcontext(prec=100):
        number = Decimal(said)
        if not number:
            return Decimal(0)
        if abs(number) >= 10**27 or number != number.quantize(Decimal("1e-9")):
            raise TwinError("too many digits")
    return number


def write_decimal(number: Decimal) -> str:
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


class NumberAggregate(Aggregate):
    takes = ("field",)

    def begin(self) -> None:
        self.field = self.path()

    def number_of(self, record: TwinRecord) -> Decimal:
        if self.field is None:
            return to_decimal(record.value)
        try:
            found = at_path(parse_json(record.value), self.field)
        except Absent as error:
            raise TwinError("no such field") from error
        if not isinstance(found, Number):
            raise TwinError("not a number")
        return to_decimal(found)


class Folded(NumberAggregate):
    """The accumulator is a number."""

    def step(self, accumulator: bytes, record: TwinRecord) -> bytes:
        before = to_decimal(accumulator) if accumulator else None
        with localcontext(prec=100):
            found = self.combined(before, self.number_of(record))
            if abs(found) >= 10**27:
                raise TwinError("too many digits")
        return write_decimal(found).encode()

    @abstractmethod
    def combined(self, before: Decimal | None, number: Decimal) -> Decimal:
        """What the numbers so far and one more make; before: None for the first."""


class Sum(Folded):
    def combined(self, before: Decimal | None, number: Decimal) -> Decimal:
        return (before or Decimal(0)) + number


class Min(Folded):
    def combined(self, before: Decimal | None, number: Decimal) -> Decimal:
        return number if before is None else min(before, number)


class Max(Folded):
    def combined(self, before: Decimal | None, number: Decimal) -> Decimal:
        return number if before is None else max(before, number)


class Average(NumberAggregate):
    def step(self, accumulator: bytes, record: TwinRecord) -> bytes:
        count, total = 0, Decimal(0)
        if accumulator:
            root = parse_json(accumulator)
            try:
                said = at_path(root, "count"), at_path(root, "sum")
            except Absent as error:
                raise TwinError("no count and sum") from error
            if not all(isinstance(one, Number) for one in said) or not said[0].isdigit():
                raise TwinError("no count and sum")
            count, total = int(said[0]), to_decimal(said[1])
        number = self.number_of(record)
        with localcontext(prec=100) as context:
            total, count = total + number, count + 1
            if abs(total) >= 10**27:
                raise TwinError("too many digits")
            context.rounding = "ROUND_DOWN"
            mean = (total / count).quantize(Decimal("1e-9"))
            said_mean, said_sum = write_decimal(mean), write_decimal(total)
        return f'{{"average":{said_mean},"count":{count},"sum":{said_sum}}}'.encode()


TWINS: Mapping[str, type[Twin]] = {
    "average": Average,
    "case": Case,
    "contains": Contains,
    "count": Count,
    "csv-to-json": CsvToJson,
    "dedup-exact": DedupExact,
    "explode-array": ExplodeArray,
    "json-field-filter": JsonFieldFilter,
    "json-flatten": JsonFlatten,
    "json-project": JsonProject,
    "max": Max,
    "min": Min,
    "regex-filter": RegexFilter,
    "sample": Sample,
    "sum": Sum,
}
