"""Door 9005: what producers and consumers ask of an SPU. Served by `fluvio_spu.public_api`.

| key  | request                                        | answer                            |
| 18   | `api.versions`                                 | ApiVersionsResponse               |
| 0    | `produce.ProduceRequest`                       | ProduceResponse                   |
| 1    | `fetch.FetchRequest`                           | FetchResponse                     |
| 1002 | `fetch_offsets.FetchOffsetsRequest`            | FetchOffsetsResponse              |
| 1003 | `stream_fetch.StreamFetchRequest`              | stream of StreamFetchResponse     |
| 1005 | `stream_fetch.UpdateOffsetsRequest`            | UpdateOffsetsResponse             |
| 1006 | `consumer_offsets.UpdateConsumerOffsetRequest` | UpdateConsumerOffsetResponse      |
| 1007 | `consumer_offsets.DeleteConsumerOffsetRequest` | DeleteConsumerOffsetResponse      |
| 1008 | `consumer_offsets.FetchConsumerOffsetsRequest` | FetchConsumerOffsetsResponse      |

A record set is opaque bytes here: batches as `fluvio_protocol.record` lays them out.
"""
