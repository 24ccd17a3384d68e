;; A filter that never ends.
(module
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32)
    (block $fits
      (br_if $fits (i32.le_u (i32.add (local.get 0) (i32.const 1024)) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 0) (i32.const 65536))))))
    (i32.const 1024))
  (func (export "dealloc") (param i32 i32))
  (func (export "filter") (param $at i32) (param $length i32) (param $version i32) (result i32)
    (loop $again (br $again))
    (i32.const 0)))
