"""An SPU fetches a SmartModule from the controller when something asks for it.

    SPU                                controller
     | FetchSmartModuleRequest ----------> |
     | <---------- FetchSmartModuleResponse |

Modules are not sent to all SPUs. One that has the module already names its hash, and is spared the
code. The hash is that of the code as it is stored: it tells whether the store holds something else,
and costs the controller no unpacking, so the same module in gzip and plain has two. The engine of
SPUs unpacks, and knows what it has compiled by the hash of that: it compiles such a pair once.

The correlation id of the request has `FETCH_CORRELATION_BIT` set, and so does the answer's:
with its first two bytes no answer looks like one of the requests that the controller sends.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import Message, field, message

FETCH_CORRELATION_BIT = 1 << 30

SMART_MODULE_SIZE_BYTES_MAX = 16 << 20
"""Of the code as it is stored."""


@message()
class FetchSmartModuleResponse(Message):
    """The module, or why not."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or 6001 with the name")
    hash: bytes = field(default=b"", about="SHA-256 of the code as it is stored")
    code: bytes = field(default=b"", about="wasm, perhaps in gzip; empty when the hash is known")


@message(api_key=2006, versions=(0, 0), response=FetchSmartModuleResponse)
class FetchSmartModuleRequest(Message):
    """Which module. Only after registration."""

    name: str = field(about="name, or group/name@version")
    known_hash: bytes = field(default=b"", about="of the module that the SPU has; empty: none")
