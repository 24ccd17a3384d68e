"""The archive: files are added until it is big enough, and what is missing is named in it.

Called by the collectors. The one place that writes; everything passes redaction on its way in.
"""

import contextlib
import io
import os
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fluvio_cli.diagnostics.redaction import redact, redact_object, redact_text
from fluvio_cli.failure import Failure
from fluvio_cli.output import format_yaml

SIZE_BYTES_MAX = 64 << 20
FILE_BYTES_MAX = 4 << 20
_CUT = "... the beginning was left out ...\n"


class Archive:
    """A tar.gz being written. Use as a context manager, which raises Failure."""

    def __init__(self, path: Path, *, size_bytes_max: int = SIZE_BYTES_MAX) -> None:
        self.path = path
        self._left_bytes = size_bytes_max
        self._root = path.name.removesuffix(".tar.gz")
        self._missing: list[str] = []
        self._names: list[str] = []
        self._clock_s = int(time.time())
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Archive":
        try:
            # For its owner only: redaction may have missed something.
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            raw = self._stack.enter_context(os.fdopen(file, "wb"))
            self._tar = self._stack.enter_context(tarfile.open(fileobj=raw, mode="w:gz"))
        except OSError as error:
            raise Failure(f"{self.path} cannot be written: {error.strerror}") from error
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            missing = "\n".join(self._missing) or "nothing"
            self._write("missing.txt", f"{missing}\n")
            self._write("contents.txt", "\n".join(sorted(self._names)) + "\n")
        self._stack.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)

    def add_text(self, name: str, text: str) -> None:
        """A file of text; of a long one the end."""
        text = redact_text(text)
        if len(text) > FILE_BYTES_MAX:
            text = _CUT + text[-FILE_BYTES_MAX:]
        if len(text) > self._left_bytes:
            self.miss(name, "the archive is big enough")
            return
        self._write(name, text)

    def add_data(self, name: str, data: Any) -> None:
        """Plain data, as YAML."""
        self.add_text(name, format_yaml(redact(data)))

    def add_objects(self, name: str, objects: Sequence[Mapping[str, Any]]) -> None:
        """Objects of Kubernetes, as one YAML list."""
        self.add_text(name, format_yaml([redact_object(one) for one in objects]))

    def miss(self, name: str, reason: str) -> None:
        """Remember that something could not be had."""
        self._missing.append(f"{name}: {redact_text(reason)}")

    def collect(self, name: str, work: Callable[[], None]) -> None:
        """Do a part of the collection; when it fails, go on without it."""
        from fluvio_protocol.errors import FluvioError

        try:
            work()
        except Failure as error:
            self.miss(name, error.message)
        except (FluvioError, OSError, TimeoutError) as error:
            self.miss(name, str(error) or type(error).__name__)

    def _write(self, name: str, text: str) -> None:
        content = text.encode()
        entry = tarfile.TarInfo(f"{self._root}/{name}")
        entry.size = len(content)
        entry.mtime = self._clock_s
        entry.mode = 0o600
        try:
            self._tar.addfile(entry, io.BytesIO(content))
        except OSError as error:
            raise Failure(f"{self.path} cannot be written: {error.strerror}") from error
        self._left_bytes -= len(content)
        self._names.append(name)
