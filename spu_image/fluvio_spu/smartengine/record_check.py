"""Whether what a module gave is a list of records, found out where it lies: by WebAssembly of ours.

Decoding a batch of records in Python takes several times as long as most modules need to make it.
This one reads the memory of the module that is checked, and believes nothing: every step stays
within the output, whose bounds the host has checked. `fluvio_protocol.record.record.decode_records`
is the same in Python, and a test holds the two together.
"""

import wasmtime

from fluvio_spu.smartengine.engine import SmartEngine
from fluvio_spu.smartengine.host_calls import HostCalls

NO_RECORDS = -1

RECORD_CHECK_WAT = """
(module
  (import "checked" "memory" (memory 0))
  ;; Behind the number that was read last; 0 when it was none.
  (global $after (mut i32) (i32.const 0))

  (func $number (param $at i32) (param $end i32) (result i64)
    (local $byte i64) (local $shift i64) (local $value i64)
    (global.set $after (i32.const 0))
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i64.const 0))))
      (local.set $byte (i64.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      ;; The tenth byte has room for one bit.
      (if (i32.and
            (i64.eq (local.get $shift) (i64.const 63))
            (i64.gt_u (local.get $byte) (i64.const 1)))
        (then (return (i64.const 0))))
      (local.set $value
        (i64.or
          (local.get $value)
          (i64.shl (i64.and (local.get $byte) (i64.const 127)) (local.get $shift))))
      (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
      (br_if $next (i64.ge_u (local.get $byte) (i64.const 128))))
    (global.set $after (local.get $at))
    (i64.xor
      (i64.shr_u (local.get $value) (i64.const 1))
      (i64.sub (i64.const 0) (i64.and (local.get $value) (i64.const 1)))))

  ;; Behind so many bytes that a number announces; 0 when they do not end before `end`.
  (func $bytes (param $at i32) (param $end i32) (result i32)
    (local $size i64)
    (local.set $size (call $number (local.get $at) (local.get $end)))
    (if (i32.eqz (global.get $after)) (then (return (i32.const 0))))
    ;; Without a sign a negative size is larger than all.
    (if (i64.gt_u
          (local.get $size)
          (i64.extend_i32_u (i32.sub (local.get $end) (global.get $after))))
      (then (return (i32.const 0))))
    (i32.add (global.get $after) (i32.wrap_i64 (local.get $size))))

  ;; Bytes of the record count and so many records at the beginning of an output; -1: there are
  ;; none such.
  (func (export "records_size") (param $at i32) (param $size i32) (result i32)
    (local $position i32) (local $end i32) (local $count i32) (local $record_end i32)
    (if (i32.lt_u (local.get $size) (i32.const 4)) (then (return (i32.const -1))))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (local.set $count
      (i32.or
        (i32.or
          (i32.shl (i32.load8_u (local.get $at)) (i32.const 24))
          (i32.shl (i32.load8_u offset=1 (local.get $at)) (i32.const 16)))
        (i32.or
          (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 8))
          (i32.load8_u offset=3 (local.get $at)))))
    (if (i32.lt_s (local.get $count) (i32.const 0)) (then (return (i32.const -1))))
    (local.set $position (i32.add (local.get $at) (i32.const 4)))
    (block $bad
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $count)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (local.set $record_end (call $bytes (local.get $position) (local.get $end)))
          (br_if $bad (i32.eqz (local.get $record_end)))
          ;; attributes, of which there are none
          (local.set $position (i32.add (global.get $after) (i32.const 1)))
          (drop (call $number (local.get $position) (local.get $record_end)))
          (br_if $bad (i32.eqz (global.get $after)))
          (drop (call $number (global.get $after) (local.get $record_end)))
          (br_if $bad (i32.eqz (global.get $after)))
          (local.set $position (global.get $after))
          (br_if $bad (i32.ge_u (local.get $position) (local.get $record_end)))
          (br_if $bad (i32.gt_u (i32.load8_u (local.get $position)) (i32.const 1)))
          (if (i32.load8_u (local.get $position))
            (then
              (local.set $position
                (call $bytes
                  (i32.add (local.get $position) (i32.const 1))
                  (local.get $record_end)))
              (br_if $bad (i32.eqz (local.get $position))))
            (else
              (local.set $position (i32.add (local.get $position) (i32.const 1)))))
          (local.set $position (call $bytes (local.get $position) (local.get $record_end)))
          (br_if $bad (i32.eqz (local.get $position)))
          ;; headers, of which there are none
          (br_if $bad
            (i32.ne
              (i32.add (local.get $position) (i32.const 1))
              (local.get $record_end)))
          (br_if $bad (i32.load8_u (local.get $position)))
          (local.set $position (local.get $record_end))
          (br $next)))
      (return (i32.sub (local.get $position) (local.get $at))))
    (i32.const -1)))
"""


class RecordCheck:
    """For the outputs in one memory."""

    def __init__(
        self,
        engine: SmartEngine,
        store: wasmtime.Store,
        calls: HostCalls,
        memory: wasmtime.Memory,
    ) -> None:
        own = wasmtime.Instance(store, engine.load_own(RECORD_CHECK_WAT), [memory])
        check = own.exports(store)["records_size"]
        assert isinstance(check, wasmtime.Func)
        self._check = check
        self._calls = calls

    def records_size(self, position: int, size: int) -> int:
        """Bytes of the record count and the records in an output, NO_RECORDS when it has none.

        The output has to be within the memory.
        """
        return self._calls.call(self._check, (position, size))
