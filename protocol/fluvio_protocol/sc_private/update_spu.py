"""Who else is in the cluster: an SPU needs the private endpoints of the others."""

from fluvio_protocol.codec import I64, Message, field, message
from fluvio_protocol.metadata.spu import SpuSpec


@message(api_key=1001, versions=(0, 0))
class UpdateSpus(Message):
    """All SPUs of the cluster. One-way, sent after registration and at every change."""

    epoch: I64 = field(about="the controller's change counter")
    spus: tuple[SpuSpec, ...] = field(about="every SPU, with its addresses")
