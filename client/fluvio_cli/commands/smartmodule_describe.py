"""`fluvio smartmodule describe`: all that is known of a stored module but its code.

`smartmodule.py` puts it into its group.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    OutputType,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import SmartModule


@click.command("describe")
@click.argument("name")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show a stored module: its size and hash, its kind, and the topics that use it.

    What it is, is seen in its code, which is not shown; `object get smartmodule` does.
    """

    async def work(client: "Fluvio") -> "tuple[SmartModule, list[str]]":
        found = await client.admin.smart_modules.get_with_code(name)
        topics = [
            one.name
            for system in (False, True)
            for one in await client.admin.topics.list(system=system)
            if one.spec.deduplication is not None and one.spec.deduplication.filter.uses == name
        ]
        return found, sorted(topics)

    found, topics = run_client(context, work)
    code = code_shape(found.spec.wasm.payload)
    owner = found.owner
    if output is not OutputType.TABLE:
        shape = {
            **found.shape(),
            "owner": None if owner is None else {"kind": owner.kind.value, "name": owner.name},
            "code": code,
            "deduplicates": topics,
        }
        sys.stdout.write(format_data(output, [shape], kind="smartmodules"))
        return
    rows = _rows(found, code, topics, "-" if owner is None else f"{owner.kind.value} {owner.name}")
    sys.stdout.write(
        format_columns(
            [*([f"{key}:{value}"] for key, value in rows), ["-" * 17]], margin=DESCRIBE_MARGIN
        )
    )


def code_shape(payload: bytes) -> dict[str, Any]:
    """What the code of a module says of it, as plain data.

    problem is why no SPU could run it, else null; then what was not found out is null.
    """
    from hashlib import sha256

    from fluvio_protocol.wasm import UnfitCode, examined, unpacked

    shape: dict[str, Any] = {
        "size": len(payload),
        "unpackedSize": None,
        "sha256": sha256(payload).hexdigest(),
        "kind": None,
        "otherKinds": [],
        "init": None,
        "lookBack": None,
        "problem": None,
    }
    try:
        code = unpacked(payload)
        shape |= {"unpackedSize": len(code), "sha256": sha256(code).hexdigest()}
        nature = examined(code)
    except UnfitCode as unfit:
        return shape | {"problem": unfit.reason}
    return shape | {
        "kind": nature.kind,
        "otherKinds": list(nature.unused_kinds),
        "init": nature.has_init,
        "lookBack": nature.has_look_back,
    }


def _rows(
    found: "SmartModule", code: dict[str, Any], topics: Sequence[str], owner: str
) -> list[tuple[str, str]]:
    size = format_size_bytes(code["size"])
    if code["unpackedSize"] not in (None, code["size"]):
        size += f" ({format_size_bytes(code['unpackedSize'])} unpacked)"
    others = code["otherKinds"]
    kind = code["kind"] or "-"
    if others:
        kind += f" (exports {', '.join(others)} too, which never run)"
    rows = [
        ("Name", found.name),
        ("Size", size),
        ("SHA-256", code["sha256"]),
        ("Kind", kind),
        ("Init", _word(code["init"])),
        ("Look back", _word(code["lookBack"])),
        ("Owner", owner),
        ("Deduplicates", ", ".join(topics) or "-"),
        (
            "Status",
            "can be run" if code["problem"] is None else f"cannot be run: {code['problem']}",
        ),
    ]
    meta = found.spec.meta
    if meta is not None:
        package = meta.package
        rows += [
            ("Package", f"{package.group}/{package.name}@{package.version}"),
            ("Description", package.description or "-"),
            ("Parameters", ", ".join(meta.params) or "-"),
        ]
    return rows


def _word(known: bool | None) -> str:
    return "-" if known is None else "yes" if known else "no"
