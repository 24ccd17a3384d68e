"""The streaming processing unit: keeps partitions on disk and serves producers and consumers.

One process, one event loop. `app` composes it; `public_api` and `private_api` are the two doors
it opens, `links` the connections it makes, `replica` drives partitions over `storage`.
Floors and what may import what: the import walls of the repository.
"""
