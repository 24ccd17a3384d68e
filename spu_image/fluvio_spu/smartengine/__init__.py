"""Runs SmartModules: WebAssembly that filters and changes records. Source: protocol reference 8.

    SmartEngine -- load --> SmartModule -- ChainStep --> Chain -- process --> ChainOutput

No sockets and no event loop: everything here blocks, and belongs in a worker thread. Whatever a
module does, the process lives on: what it may use is bounded, and what it gives is checked.
Importing this package imports wasmtime.
"""

from fluvio_spu.smartengine.chain import Chain, ChainOutput, ChainStep, StepResult, TransformError
from fluvio_spu.smartengine.engine import SmartEngine
from fluvio_spu.smartengine.errors import SmartModuleRefused
from fluvio_spu.smartengine.module import SmartModule

__all__ = [
    "Chain",
    "ChainOutput",
    "ChainStep",
    "SmartEngine",
    "SmartModule",
    "SmartModuleRefused",
    "StepResult",
    "TransformError",
]
