"""Modules with a heap as Rust's and C's get back what they gave, and only they do."""

import pytest
import wasmtime

from fluvio_protocol.record import BATCH_HEADER_SIZE, Record, encode_batch
from fluvio_protocol.record.record import decode_records
from fluvio_spu.smartengine import Chain, ChainStep, SmartEngine
from fluvio_spu.smartengine.heap import capacity_of, has_known_heap

STRICT_HEAP = """
(module
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1032))
  (global $live (mut i32) (i32.const 0))
  ;; Blocks stand one behind the other; when none is left, it begins anew.
  (func $alloc (export "alloc") (param $size i32) (result i32)
    (local $at i32) (local $block i32)
    (local.set $at (global.get $next))
    (local.set $block (i32.and (i32.add (local.get $size) (i32.const 11)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $block)))
    (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))))
    (i32.store (i32.sub (local.get $at) (i32.const 4))
      (i32.or (local.get $block) (i32.const 3)))
    (i32.store (i32.sub (global.get $next) (i32.const 4)) (i32.const 1))
    (global.set $live (i32.add (global.get $live) (i32.const 1)))
    (local.get $at))
  ;; As Rust's: the size must be that of the block.
  (func $dealloc (export "dealloc") (param $at i32) (param $size i32)
    (local $block i32)
    (local.set $block
      (i32.and (i32.load (i32.sub (local.get $at) (i32.const 4))) (i32.const -8)))
    (if (i32.lt_u (local.get $block) (i32.add (local.get $size) (i32.const 4)))
      (then unreachable))
    (if (i32.gt_u (local.get $block) (i32.add (local.get $size) (i32.const 24)))
      (then unreachable))
    (global.set $live (i32.sub (global.get $live) (i32.const 1)))
    (if (i32.eqz (global.get $live)) (then (global.set $next (i32.const 1032)))))
  (func (export "filter") (param $at i32) (param $length i32) (param $version i32) (result i32)
    (local $size i32) (local $out i32)
    (local.set $size (i32.sub (local.get $length) (i32.const 20)))
    (local.set $out (call $alloc (i32.div_u (i32.mul (local.get $size) (i32.const {tenths}))
      (i32.const 10))))
    (memory.copy (local.get $out) (i32.add (local.get $at) (i32.const 12)) (local.get $size))
    (i32.store8 (i32.add (local.get $out) (local.get $size)) (i32.const 0))
    (call $dealloc (local.get $at) (local.get $length))
    (call $copy_records (local.get $out) (i32.add (local.get $size) (i32.const 1)))
    (i32.const 0)))
"""
VALUE = b"x" * 1000
COUNT = 20


def begin(engine: SmartEngine, tenths: int) -> Chain:
    """tenths: of the output, as which its buffer is large."""
    code = bytes(wasmtime.wat2wasm(STRICT_HEAP.format(tenths=tenths)))
    return Chain.begin(engine, [ChainStep(engine.load(code), "strict")], version=25)


def run(chain: Chain) -> None:
    batch = bytes(encode_batch([Record(VALUE)] * COUNT, first_timestamp=0))
    output = chain.process(batch[BATCH_HEADER_SIZE:], base_offset=0, base_timestamp=0)
    assert output.error is None
    found = decode_records(output.payload, 4, output.record_count)
    assert [value for _, _, _, value in found] == [VALUE] * COUNT


@pytest.mark.parametrize("tenths", [11, 15, 19])
def test_a_module_that_leaves_its_outputs_behind_does_not_grow(
    engine: SmartEngine, tenths: int
) -> None:
    chain = begin(engine, tenths)
    run(chain)
    before = chain._store.used_bytes
    for _ in range(30):
        run(chain)
    assert chain._store.used_bytes == before


def test_a_buffer_that_is_too_large_to_be_one_is_left(engine: SmartEngine) -> None:
    chain = begin(engine, 30)
    run(chain)
    before = chain._store.used_bytes
    for _ in range(5):
        run(chain)
    assert chain._store.used_bytes > before


IN_USE, BEFORE_IN_USE, UNUSED_FLAG = 2, 1, 4


@pytest.mark.parametrize(
    ("position", "size", "words", "capacity"),
    [
        (1032, 100, {1028: 112 | 3, 1140: 1}, 108),
        (1032, 100, {1028: 112 | IN_USE, 1140: 0x51}, 108),
        (1032, 108, {1028: 112 | 3, 1140: 1}, 108),
        (1032, 109, {1028: 112 | 3, 1140: 1}, None),
        (1032, 0, {1028: 16 | 3, 1044: 1}, 12),
        (1032, 100, {1028: 240 | 3, 1268: 1}, 236),
        (1032, 100, {1028: 248 | 3, 1276: 1}, None),
        (1032, 100, {1028: 112 | BEFORE_IN_USE, 1140: 1}, None),
        (1032, 100, {1028: 112 | 3 | UNUSED_FLAG, 1140: 1}, None),
        (1032, 100, {1028: 112 | 3, 1140: IN_USE}, None),
        (1032, 100, {1028: 112 | 3}, None),
        (1032, 100, {}, None),
        (1036, 100, {1032: 112 | 3, 1144: 1}, None),
        (0, 100, {-4: 112 | 3, 108: 1}, None),
        (4, 100, {0: 112 | 3, 112: 1}, None),
    ],
)
def test_what_lies_before_and_behind_a_block(
    position: int, size: int, words: dict[int, int], capacity: int | None
) -> None:
    assert capacity_of(words.get, position, size) == capacity


def test_a_heap_is_known_by_every_block_that_is_tried() -> None:
    words: dict[int, int] = {}
    given_back: list[tuple[int, int]] = []

    def alloc(size: int, *, rounded: int = 8) -> int:
        block = -(-(size + 4) // rounded) * rounded
        words.update({1028: block | 3, 1028 + block: 1})
        return 1032

    def dealloc(position: int, capacity: int) -> None:
        given_back.append((position, capacity))

    assert has_known_heap(words.get, alloc, dealloc)
    assert given_back == [(1032, 28), (1032, 204), (1032, 3004)]
    given_back.clear()
    assert not has_known_heap(words.get, lambda size: alloc(size, rounded=256), dealloc)
    assert not has_known_heap(words.get, lambda size: 1024, dealloc)
    assert given_back == []
