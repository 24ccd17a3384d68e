"""How people name SmartModules."""

import pytest

from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleWasm,
)
from fluvio_sc.core.smart_module_key import SmartModuleKey

PLAIN = SmartModuleSpec(wasm=SmartModuleWasm(payload=b""))
PACKAGED = SmartModuleSpec(
    meta=SmartModuleMetadata(
        package=SmartModulePackage(name="odd", group="mine", version="1.2.0", api_version="0.1.0")
    ),
    wasm=SmartModuleWasm(payload=b""),
)


@pytest.mark.parametrize("text", ["", "@1", "/x", "a/", "a/b/c", "a@", "a/b@", "/"])
def test_what_is_no_name(text: str) -> None:
    assert SmartModuleKey.parse(text) is None


@pytest.mark.parametrize(
    ("text", "plain", "packaged"),
    [
        ("stored", True, True),
        ("odd", False, True),
        ("od", False, False),
        ("mine/odd", False, True),
        ("yours/odd", False, False),
        ("odd@1.2", False, True),
        ("odd@1.2.0", False, True),
        ("odd@1", False, False),
        ("mine/odd@1.2.0", False, True),
        ("mine/odd@1.2.0-beta", False, False),
        ("stored@1.2.0", False, False),
        ("mine/stored", False, False),
    ],
)
def test_matching(text: str, plain: bool, packaged: bool) -> None:
    key = SmartModuleKey.parse(text)
    assert key is not None
    assert key.matches("stored", PLAIN) is plain
    assert key.matches("stored", PACKAGED) is packaged
