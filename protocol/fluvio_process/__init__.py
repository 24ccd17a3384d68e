"""What every server process has beside its doors: a log, metrics as text, and health over HTTP.

Used by the SPU and by the operator; knows nothing of either.

    event_loop       uvloop where it is installed
    log              where the log goes, how a line of it looks, how much is said
    exposition       samples as Prometheus wants them written
    process_samples  memory, time and files of the process
    memory_limit     what the process may have
    health           the HTTP server (aiohttp, which is imported with it)
"""
