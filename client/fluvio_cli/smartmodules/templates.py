"""Sources to begin with: one per kind, or those of the modules that come ready-made."""

import re

from fluvio_cli.smartmodules import ready_made as ready_made_modules
from fluvio_cli.smartmodules.sources import source_directory

_OWN_HEADER = re.compile(r'^#include "(?!fluvio_smartmodule\.h)([a-z_]+\.h)"$', re.MULTILINE)


def template(name: str, *, kind: str, ready_made: str | None) -> dict[str, str]:
    """The files of a new module, by name: `NAME.c`, and headers that it includes.

    kind:       filter, map, filter_map, array_map or aggregate; unused with `ready_made`.
    ready_made: the name of a module that comes with fluvio.
    Raises:     Failure when there is no such module.
    """
    if ready_made is None:
        path = source_directory() / "templates" / f"{kind}.c"
        return {f"{name}.c": path.read_text("utf-8").replace("NAME", name)}
    found = ready_made_modules.module(ready_made).source
    files = {f"{name}.c": found.read_text("utf-8").replace(f"/* {ready_made}:", f"/* {name}:")}
    waiting = [*files.values()]
    while waiting:
        for header in _OWN_HEADER.findall(waiting.pop()):
            if header not in files:
                files[header] = (found.parent / header).read_text("utf-8")
                waiting.append(files[header])
    return files
