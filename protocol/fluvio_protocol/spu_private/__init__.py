"""Door 9006: SPU to SPU. Our own messages on Fluvio's framing, version 0 only.

| key | direction     | message                                                  |
| 1   | any -> leader | `consumer_offset.PeerFetchConsumerOffset`, answered       |
| 2   | any -> leader | `consumer_offset.PeerUpdateConsumerOffset`, answered      |
| 10-13 | follower -> leader | `replication`: hello, joins, positions, leaves |
| 20-22 | leader -> follower | `replication`: answers, records, high watermarks |
"""
