"""Where stored SmartModules come from: `links/controller_link`, when this is seen from below."""

from typing import Protocol

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.sc_private.smart_module import FetchSmartModuleResponse


class ControllerAway(FluvioError):
    """The controller could not be asked."""


class ModuleSource(Protocol):
    """Who has the stored modules."""

    async def fetch_smart_module(self, name: str, known_hash: bytes) -> FetchSmartModuleResponse:
        """The module, without its code when its hash is the known one. Raises ControllerAway."""
