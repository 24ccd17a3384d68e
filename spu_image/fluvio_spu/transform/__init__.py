"""SmartModules at work: chains of them over the batches that consumers read and producers send.

The door (`public_api`) opens streams and takes requests; this package finds the modules, runs the
chains in threads of their own, and hands back batches. `smartengine` knows WebAssembly and no
batches; here it is the other way round. The engine is loaded when a first module is asked for, so
an SPU that runs none pays nothing, and one without wasmtime starts all the same.

Nothing here blocks the event loop: reading, decompressing, running and compressing are jobs of
`chain_workers`. A chain belongs to one stream, request or partition, and runs in one thread at a
time.
"""
