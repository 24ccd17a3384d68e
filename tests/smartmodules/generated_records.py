"""Parameters and records for the comparison of modules with their twins, from a seed.

Plain random choices instead of hypothesis's: a hundred records cost less than one that it draws,
and whatever is wrong for one record is seen at that record. Choices are few and near each other, so
that equal keys, numbers just at a limit, and matches that only just fail are common.
"""

import json
from collections.abc import Callable, Mapping
from random import Random

from wasm_host import HostRecord

Params = dict[str, str]
Values = Callable[[Random], bytes]

NAMES = ("a", "a", "b", "b", "c", "", "a.b", "é", 'q"', "0", "1", "\ud800", "\U0001f600", "\n")
NUMBERS = (
    *(
        "0",
        "-0",
        "1",
        "-1",
        "5",
        "5.0",
        "50e-1",
        "0.5e1",
        "0.05",
        "0.050",
        "5e-2",
        "0.5",
        "50",
        "-5",
    ),
    *(
        "-5.0",
        "-0.5",
        "6",
        "2.5",
        "10",
        "1e1",
        "1E+2",
        "100e-2",
        "0.000000001",
        "0e5",
        "1e-10",
        "55",
    ),
    *(
        "999999999999999999999999999",
        "1e27",
        "12345678901234567.25",
        "1.0000000000",
        "1e400",
        "0.0",
    ),
    *("999999999999999999999999999.999999999", "0.1", "0.10", "3", "33", "7", "-7", "1e-9", "100"),
)
WORDS = ("", "a", "b", "ab", "Ab c", "é", "\u2028", '"', "\\", "true", "5", "null", "/", "x" * 300)
SPACES = ("", "", "", "", " ", "\n\t", "\r ")
PATHS = (
    "a",
    "a",
    "a",
    "b",
    "a.b",
    "a.0",
    "0",
    "a.b.c",
    "b.1",
    "é",
    "c",
    "a.",
    "\ufffd",
    "0.a",
    "a.+1",
)
WRONG = (b"", b",", b"}", b"]", b'"', b"\\", b"\x01", b"\xff", b"e", b"-", b"x", b"0", b":", b"[")


def number(random: Random) -> str:
    if random.random() < 0.7:
        return random.choice(NUMBERS)
    text = random.choice(("", "-")) + str(random.randrange(10 ** random.randrange(1, 12)))
    if random.random() < 0.5:
        text += "." + str(random.randrange(10 ** random.randrange(1, 11)))
    if random.random() < 0.3:
        text += random.choice("eE") + random.choice(("", "-", "+")) + str(random.randrange(12))
    return text


def json_string(random: Random, word: str) -> str:
    is_ascii = random.random() < 0.5 or any("\ud800" <= one <= "\udfff" for one in word)
    text = json.dumps(word, ensure_ascii=is_ascii)
    return text.replace("/", "\\/") if random.random() < 0.5 else text


def json_text(random: Random, depth: int = 0) -> str:
    """JSON as people and programs write it; objects at the top, most of the time."""

    def space() -> str:
        return random.choice(SPACES)

    shape = random.random()
    if depth < 4 and shape < (0.85, 0.3, 0.3, 0.3)[depth]:
        inside = []
        is_object = random.random() < (0.85, 0.6, 0.6, 0.6)[depth]
        for _ in range(random.randrange(5)):
            name = json_string(random, random.choice(NAMES)) + space() + ":" if is_object else ""
            inside.append(space() + name + json_text(random, depth + 1))
        text = ",".join(inside) or space()
        text = "{" + text + "}" if is_object else "[" + text + "]"
    elif shape < 0.65:
        text = number(random)
    elif shape < 0.9:
        text = json_string(random, random.choice(WORDS))
    else:
        text = random.choice(("null", "true", "false"))
    return space() + text + space()


def broken(random: Random, whole: bytes) -> bytes:
    at = random.randrange(len(whole) + 1)
    return whole[:at] + random.choice(WRONG) + whole[at + random.randrange(3) :]


def json_value(random: Random) -> bytes:
    whole = json_text(random).encode("utf-8", "surrogatepass")
    return broken(random, whole) if random.random() < 0.1 else whole


def number_value(random: Random) -> bytes:
    shape = random.random()
    if shape < 0.6:
        return number(random).encode()
    if shape < 0.8:
        return json_value(random)
    return random.choice(
        (b"two", b"", b" 1", b"1 ", b"+1", b"01", b".5", b"1.", b"NaN", b"1e", b"-")
    )


def text(random: Random) -> bytes:
    if random.random() < 0.1:
        return random.randbytes(random.randrange(6))
    return "".join(random.choices("aaabbAB \n09_é\U0001f600-.", k=random.randrange(10))).encode()


def csv_line(random: Random) -> bytes:
    if random.random() < 0.4:
        line = "".join(random.choices('ab1",;\n\ré ', k=random.randrange(12)))
    else:
        cells = [
            random.choice(
                ("a", "", "1", "-0.5", "01", '"q"', '"x ""y"" z"', '"a,b"', '"a\n\rb"', "é")
            )
            for _ in range(random.randrange(1, 5))
        ]
        line = random.choice(",,,;").join(cells) + random.choice(("", "\n", "\r\n", "\r"))
    return broken(random, line.encode()) if random.random() < 0.05 else line.encode()


def key_like(random: Random) -> bytes:
    return b"%d" % random.randrange(random.choice((4, 30))) if random.random() < 0.9 else b""


ATOMS = (
    *(
        "a",
        "b",
        "a",
        "b",
        "0",
        "é",
        " ",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        ".",
        ".",
        r"\.",
        r"\n",
    ),
    *(
        "[ab]",
        "[^ab]",
        "[a-z0-9]",
        r"[^\d]",
        r"[\w-]",
        "[]a]",
        "[^]a]",
        "[é-\U0001f600]",
        "[^\x01-é]",
    ),
    *(r"[\s\S]", "^", "$", "()", r"\-", "_", "[A-Z_]", r"\x41", "[.-9]", r"[\x41-\x43é]"),
)
REPEATS = (
    "",
    "",
    "",
    "",
    "*",
    "+",
    "+",
    "?",
    "{2}",
    "{1,}",
    "{0,2}",
    "{1,3}",
    "*?",
    "+?",
    "??",
    "{2,3}?",
)


def expression(random: Random, depth: int = 0) -> str:
    rows = []
    for _ in range(random.choice((1, 1, 2))):
        row = ""
        for _ in range(random.randrange(4)):
            if depth < 2 and random.random() < 0.2:
                group = random.choice(("(", "(?:")) + expression(random, depth + 1) + ")"
                row += group + random.choice(REPEATS)
                continue
            atom = random.choice(ATOMS)
            row += atom + (random.choice(REPEATS) if atom not in "^$" else "")
        rows.append(row)
    whole = "|".join(rows)
    return f"^({whole})$" if not depth and random.random() < 0.4 else whole


def some(random: Random, needed: Mapping[str, str], **optional: tuple[str, ...]) -> Params:
    """All that are needed, and of the others about half."""
    chosen = {name: random.choice(ways) for name, ways in optional.items() if random.random() < 0.5}
    return {**needed, **chosen}


def field(random: Random) -> Params:
    return {"field": random.choice((*PATHS, ""))} if random.random() < 0.5 else {}


def json_field(random: Random) -> Params:
    op = random.choice(
        (*("eq", "ne", "lt", "le", "gt", "ge") * 3, "contains", "starts-with", "ends-with")
    )
    if random.random() < 0.15:
        op = random.choice(("exists", "missing", "between"))
    params = {"field": random.choice(PATHS), "op": op}
    if op not in ("exists", "missing") or random.random() < 0.1:
        params["value"] = number(random) if random.random() < 0.6 else random.choice(WORDS)
    if op == "eq" and random.random() < 0.5:
        del params["op"]
    return params


def projection(random: Random) -> Params:
    kept = (*PATHS, "x=a", "y=b.c", "z=a.0", "n=", "=a", "a=b=c", "")
    renamed = ("a=x", "b=a", "c=b", "é=é é", "=c", "a", "a=", '\ufffd="')
    match random.random():
        case roll if roll < 0.55:
            return {
                "fields": ",".join(
                    random.sample(kept[: random.choice((15, 22))], random.randrange(1, 4))
                )
            }
        case roll if roll < 0.95:
            names = renamed[: random.choice((4, 8))]
            return {"rename": ",".join(random.sample(names, random.randrange(1, 4)))}
        case _:
            return {"fields": "a", "rename": "a=b"} if random.random() < 0.5 else {}


def sampling(random: Random) -> Params:
    percents = ("0", "1", "50", "99", "100", "101", "-1")
    return random.choice(
        [{"every": one} for one in ("1", "2", "3", "1000", "0", "two")]
        + [{"percent": one} for one in percents]
        + [{}, {"every": "2", "percent": "50"}]
    )


PARAMETERS: Mapping[str, Callable[[Random], Params]] = {
    "average": field,
    "case": lambda random: some(
        random, {"to": random.choice(("upper", "lower"))}, of=("value", "key", "both", "all")
    ),
    "contains": lambda random: some(
        random,
        {"text": random.choice(("", "a", "ab", "é", "aa", " ", "ba"))},
        at=("anywhere", "start", "end", "middle"),
        of=("value", "key"),
        keep=("found", "others"),
    ),
    "count": lambda random: {},
    "csv-to-json": lambda random: some(
        random,
        {"columns": random.choice(("a", "a,b", "x,é", 'q",\\', "a,b,c", ",", "a,a"))},
        delimiter=(",", ";", ",", "\t", ";;", '"', ""),
        numbers=("text", "json"),
    ),
    "dedup-exact": lambda random: some(
        random,
        {"count": random.choice(("1", "2", "3", "5", "10", "0", "x"))},
        age=("1", "5", "20", "40", "1000"),
    ),
    "explode-array": lambda random: some(
        random, {}, field=(*PATHS, ""), strings=("json", "text", "bytes")
    ),
    "json-field-filter": json_field,
    "json-flatten": lambda random: some(random, {}, separator=(".", "", "__", '"', "é", "\\")),
    "json-project": projection,
    "max": field,
    "min": field,
    "regex-filter": lambda random: some(
        random, {"regex": expression(random)}, of=("value", "key"), keep=("found", "others")
    ),
    "sample": sampling,
    "sum": field,
}

VALUES: Mapping[str, Values] = {
    "average": number_value,
    "case": text,
    "contains": text,
    "count": text,
    "csv-to-json": csv_line,
    "dedup-exact": key_like,
    "explode-array": json_value,
    "json-field-filter": json_value,
    "json-flatten": json_value,
    "json-project": json_value,
    "max": number_value,
    "min": number_value,
    "regex-filter": text,
    "sample": text,
    "sum": number_value,
}


def batches(random: Random, values: Values) -> list[list[HostRecord]]:
    """Some batches of some records, a few of which may be out of order in time."""

    def key() -> bytes | None:
        shape = random.random()
        return (
            None if shape < 0.4 else values(random) if shape < 0.8 else random.choice((b"", b"Key"))
        )

    return [
        [
            HostRecord(
                values(random), key(), offset_delta=place, timestamp_delta=random.randrange(20)
            )
            for place in range(random.randrange(30))
        ]
        for _ in range(random.randrange(1, 4))
    ]
