;; A filter that keeps odd numbers, and fails at what does not end in a digit with "no number".
;;
;; Input:  base offset i64, payload i32 length + (count i32 + records), base timestamp i64.
;; Record: length, attributes, timestamp delta, offset delta, key, value, headers.
;; Output: count i32, kept records, 0; or 1 and hint, offset i64, kind u8, key, value of the bad one.
(module
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\09no number")
  (global $after (mut i32) (i32.const 0))

  ;; Room for the input and as much output.
  (func (export "alloc") (param $length i32) (result i32)
    (local $missing i32)
    (local.set $missing
      (i32.sub
        (i32.add (i32.mul (local.get $length) (i32.const 3)) (i32.const 4096))
        (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (drop (memory.grow
        (i32.add (i32.div_u (local.get $missing) (i32.const 65536)) (i32.const 1))))))
    (i32.const 1024))
  (func (export "dealloc") (param i32 i32))

  ;; A zig-zag number; $after is behind it.
  (func $varint (param $at i32) (result i32)
    (local $value i32) (local $shift i32) (local $byte i32)
    (loop $next
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $value
        (i32.or (local.get $value)
          (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $next (i32.ge_u (local.get $byte) (i32.const 128))))
    (global.set $after (local.get $at))
    (i32.xor
      (i32.shr_u (local.get $value) (i32.const 1))
      (i32.sub (i32.const 0) (i32.and (local.get $value) (i32.const 1)))))

  (func $get (param $at i32) (param $bytes i32) (result i64)
    (local $value i64)
    (loop $next
      (local.set $value
        (i64.or (i64.shl (local.get $value) (i64.const 8)) (i64.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (local.tee $bytes (i32.sub (local.get $bytes) (i32.const 1)))))
    (local.get $value))

  (func $put (param $at i32) (param $bytes i32) (param $value i64)
    (loop $next
      (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
      (i64.store8 (i32.add (local.get $at) (local.get $bytes)) (local.get $value))
      (local.set $value (i64.shr_u (local.get $value) (i64.const 8)))
      (br_if $next (local.get $bytes))))

  (func (export "filter") (param $at i32) (param $length i32) (param $version i32) (result i32)
    (local $out i32) (local $write i32) (local $count i32) (local $end i32) (local $record i32)
    (local $record_end i32) (local $delta i32) (local $key i32) (local $value_end i32)
    (local $last i32) (local $size i32)
    (local.set $out (i32.add (local.get $at) (i32.add (local.get $length) (i32.const 16))))
    (local.set $write (i32.add (local.get $out) (i32.const 4)))
    (local.set $end
      (i32.add (i32.add (local.get $at) (i32.const 12))
        (i32.wrap_i64 (call $get (i32.add (local.get $at) (i32.const 8)) (i32.const 4)))))
    (local.set $record (i32.add (local.get $at) (i32.const 16)))
    (block $failed
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $record) (local.get $end)))
          (local.set $size (call $varint (local.get $record)))
          (local.set $record_end (i32.add (global.get $after) (local.get $size)))
          (drop (call $varint (i32.add (global.get $after) (i32.const 1))))
          (local.set $delta (call $varint (global.get $after)))
          (local.set $key (global.get $after))
          (if (i32.load8_u (local.get $key))
            (then
              (local.set $size (call $varint (i32.add (local.get $key) (i32.const 1))))
              (local.set $size (call $varint (i32.add (global.get $after) (local.get $size)))))
            (else
              (local.set $size (call $varint (i32.add (local.get $key) (i32.const 1))))))
          (local.set $value_end (i32.add (global.get $after) (local.get $size)))
          (br_if $failed (i32.eqz (local.get $size)))
          (local.set $last (i32.load8_u (i32.sub (local.get $value_end) (i32.const 1))))
          (br_if $failed (i32.lt_u (local.get $last) (i32.const 48)))
          (br_if $failed (i32.gt_u (local.get $last) (i32.const 57)))
          (if (i32.and (local.get $last) (i32.const 1))
            (then
              (local.set $size (i32.sub (local.get $record_end) (local.get $record)))
              (memory.copy (local.get $write) (local.get $record) (local.get $size))
              (local.set $write (i32.add (local.get $write) (local.get $size)))
              (local.set $count (i32.add (local.get $count) (i32.const 1)))))
          (local.set $record (local.get $record_end))
          (br $next)))
      (call $put (local.get $out) (i32.const 4) (i64.extend_i32_u (local.get $count)))
      (i32.store8 (local.get $write) (i32.const 0))
      (call $copy_records (local.get $out)
        (i32.add (i32.sub (local.get $write) (local.get $out)) (i32.const 1)))
      (return (local.get $count)))
    (call $put (local.get $out) (i32.const 4) (i64.extend_i32_u (local.get $count)))
    (i32.store8 (local.get $write) (i32.const 1))
    (memory.copy (i32.add (local.get $write) (i32.const 1)) (i32.const 0) (i32.const 11))
    (call $put (i32.add (local.get $write) (i32.const 12)) (i32.const 8)
      (i64.add (call $get (local.get $at) (i32.const 8)) (i64.extend_i32_s (local.get $delta))))
    (i32.store8 (i32.add (local.get $write) (i32.const 20)) (i32.const 0))
    (local.set $size (i32.sub (local.get $value_end) (local.get $key)))
    (memory.copy (i32.add (local.get $write) (i32.const 21)) (local.get $key) (local.get $size))
    (call $copy_records (local.get $out)
      (i32.add (i32.sub (local.get $write) (local.get $out))
        (i32.add (local.get $size) (i32.const 21))))
    (local.get $count)))
