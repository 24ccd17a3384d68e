"""A produce request of any shape, parsed by hand: its record sets stay views of the frame.

Used by `produce` for whatever its quick way does not know. The message class of the protocol
package cannot be used here: it copies record sets, and base offsets are stamped in place.
"""

from dataclasses import dataclass
from struct import Struct

from fluvio_protocol.codec import STR, Reader, decode
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.spu_public.smart_module_invocation import SmartModuleInvocation

ENTRIES_MAX = 65_536
"""Record sets and topics of one request; the answer to more would be larger than the request."""

SMART_MODULES_SINCE = 8
SMART_MODULES_MAX = 1024

_U8 = Struct(">B")
_I16 = Struct(">h")
_I32 = Struct(">i")
_ISOLATION = Struct(">hii")
_PARTITION = Struct(">Ii")


@dataclass(frozen=True, slots=True)
class ParsedProduce:
    """What a request asks for.

    topics: names as on the wire (length and text), each with its partition numbers
    sets:   (name as on the wire, partition, record set) in order
    smart_modules: the chain that the records go through first
    begin:  from the client id to the partition number, when there is exactly one record set and
            nothing unusual: another request that begins so has the same shape and target
    """

    committed: bool
    timeout_ms: int
    topics: list[tuple[bytes, list[int]]]
    sets: list[tuple[bytes, int, memoryview]]
    smart_modules: tuple[SmartModuleInvocation, ...]
    begin: bytes | None


def parse_produce(frame: memoryview, version: int, body: int) -> ParsedProduce:
    """Read the request whose body begins at `body`. Raises RemoteProtocolError."""
    reader = Reader(frame, min(body, len(frame)))
    transactional = _read(reader, _U8)[0]
    if transactional > 1:
        raise RemoteProtocolError(f"{transactional} is no boolean")
    if transactional:
        STR.decode(reader, version)
    isolation, timeout_ms, topic_count = _read(reader, _ISOLATION)
    if timeout_ms < 0:
        raise RemoteProtocolError(f"produce with a time-out of {timeout_ms} ms")
    topics: list[tuple[bytes, list[int]]] = []
    sets: list[tuple[bytes, int, memoryview]] = []
    records_at = 0
    for _ in range(topic_count):
        name = _read_name(reader)
        partitions: list[int] = []
        topics.append((name, partitions))
        if len(topics) > ENTRIES_MAX:
            raise RemoteProtocolError(f"produce with more than {ENTRIES_MAX} topics")
        for _ in range(_read(reader, _I32)[0]):
            partition, length = _read(reader, _PARTITION)
            partitions.append(partition)
            records_at = reader.position
            sets.append((name, partition, reader.take(max(length, 0))))
            if len(sets) > ENTRIES_MAX:
                raise RemoteProtocolError(f"produce with more than {ENTRIES_MAX} record sets")
    smart_modules = _read_smart_modules(reader, version)
    usual = not (transactional or smart_modules) and len(sets) == 1 and len(topics) == 1
    return ParsedProduce(
        committed=isolation < 0,
        timeout_ms=timeout_ms,
        topics=topics,
        sets=sets,
        smart_modules=smart_modules,
        begin=bytes(frame[8 : records_at - 4]) if usual else None,
    )


def _read_smart_modules(reader: Reader, version: int) -> tuple[SmartModuleInvocation, ...]:
    """The chain. Newer clients write the list at any version."""
    if version < SMART_MODULES_SINCE and not reader.remaining:
        return ()
    (count,) = _read(reader, _I32)
    if count > SMART_MODULES_MAX:
        raise RemoteProtocolError(f"produce with {count} SmartModules")
    return tuple(decode(SmartModuleInvocation, reader, version) for _ in range(count))


def _read(reader: Reader, layout: Struct) -> tuple[int, ...]:
    return layout.unpack_from(reader.data, reader.advance(layout.size))


def _read_name(reader: Reader) -> bytes:
    """A string as it is on the wire, its length included; a negative length is empty."""
    (length,) = _read(reader, _I16)
    return _I16.pack(max(length, 0)) + bytes(reader.take(max(length, 0)))
