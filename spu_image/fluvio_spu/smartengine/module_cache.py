"""Compiled modules, by the hash of their code: in memory, and in a folder that outlives processes.

Compiling takes 40 to 175 ms, reading what was compiled before less than one. What is read from the
folder is run as it is, so nobody else may write there: it is made for the owner alone, and one that
others may write to is not used. A file belongs to one version of wasmtime and one processor; any
other, and a broken one, is made anew.
"""

import logging
import os
import stat
import tempfile
from collections import OrderedDict
from importlib.metadata import version
from threading import Lock

import wasmtime

from fluvio_spu.smartengine.errors import invalid
from fluvio_spu.smartengine.module import (
    SmartModule,
    hash_of,
    nature_of,
    smart_module,
    unpacked,
)

_log = logging.getLogger(__name__)

MODULES_MAX = 64
"""In memory. What streams use stays as long as they do."""
FILES_MAX = 1024
_SUFFIX = f"-{version('wasmtime')}.cwasm"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ModuleCache:
    """May be asked from any thread. directory: None keeps modules in memory alone."""

    def __init__(self, engine: wasmtime.Engine, directory: str | None) -> None:
        self._engine = engine
        self._directory = _usable(directory) if directory else None
        self._modules: OrderedDict[bytes, SmartModule] = OrderedDict()
        self._lock = Lock()

    def get(self, code: bytes) -> SmartModule:
        """The module of some code, gzip or plain. Raises SmartModuleRefused."""
        code = unpacked(code)
        code_hash = hash_of(code)
        with self._lock:
            known = self._modules.get(code_hash)
            if known is not None:
                self._modules.move_to_end(code_hash)
                return known
        nature = nature_of(code)
        compiled = self._read(code_hash) or self._compile(code_hash, code)
        module = smart_module(code_hash, compiled, nature)
        with self._lock:
            self._modules[code_hash] = module
            while len(self._modules) > MODULES_MAX:
                self._modules.popitem(last=False)
        return module

    def _compile(self, code_hash: bytes, code: bytes) -> wasmtime.Module:
        try:
            compiled = wasmtime.Module(self._engine, code)
        except wasmtime.WasmtimeError as error:
            raise invalid(str(error)) from None
        self._write(code_hash, compiled)
        return compiled

    def _path(self, code_hash: bytes) -> str | None:
        return self._directory and f"{self._directory}/{code_hash.hex()}{_SUFFIX}"

    def _read(self, code_hash: bytes) -> wasmtime.Module | None:
        path = self._path(code_hash)
        if path is None:
            return None
        try:
            if os.stat(path).st_mode & _OTHERS_WRITE:
                return None
            with open(path, "rb") as file:
                return wasmtime.Module.deserialize(self._engine, file.read())
        except FileNotFoundError:
            return None
        except (OSError, wasmtime.WasmtimeError) as error:
            _log.warning("event=compiled_module_unreadable file=%s error=%s", path, error)
            return None

    def _write(self, code_hash: bytes, compiled: wasmtime.Module) -> None:
        """For next time; not being able to is no reason to fail."""
        path = self._path(code_hash)
        if path is None or self._directory is None:
            return
        try:
            _make_room(self._directory)
            with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
                try:
                    file.write(compiled.serialize())
                    os.replace(file.name, path)
                except BaseException:
                    os.unlink(file.name)
                    raise
        except OSError as error:
            _log.warning("event=compiled_module_not_kept file=%s error=%s", path, error)


def _usable(directory: str) -> str | None:
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        found = os.stat(directory)
    except OSError as error:
        _log.warning("event=module_cache_unusable directory=%s error=%s", directory, error)
        return None
    if found.st_mode & _OTHERS_WRITE or found.st_uid != os.getuid():
        _log.warning(
            "event=module_cache_unusable directory=%s reason=others may write to it", directory
        )
        return None
    return directory


def _make_room(directory: str) -> None:
    """Drop the files that were written longest ago."""
    names = os.listdir(directory)
    if len(names) < FILES_MAX:
        return
    paths = sorted((os.path.join(directory, name) for name in names), key=os.path.getmtime)
    for path in paths[: len(names) - FILES_MAX + 1]:
        os.unlink(path)
