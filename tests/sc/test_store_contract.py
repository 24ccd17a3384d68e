"""The store that these tests use keeps the same contract as the real ones."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location(
    "store_contract", Path(__file__).with_name("store_contract.py")
)
assert _spec is not None
assert _spec.loader is not None
store_contract: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(store_contract)


class TestDictStore(store_contract.StoreContract):  # type: ignore[misc]
    @pytest.fixture
    def open_store(self, open_dict_store: Any) -> Any:
        return open_dict_store
