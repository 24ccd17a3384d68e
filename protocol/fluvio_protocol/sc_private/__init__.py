"""Door 9004: controller and SPU. Our own messages on Fluvio's framing, version 0 only.

An SPU connects, registers, and from then on both sides send one-way requests on the same
connection. Every message that speaks of a partition carries its leader epoch; whoever knows a
newer epoch ignores the message.

| key  | direction  | message                                        |
| 2000 | SPU -> SC  | `register.RegisterSpuRequest`, answered        |
| 2001 | SPU -> SC  | `replica_status.ReplicaStatusReport`, the heartbeat |
| 2002 | SPU -> SC  | `replica_status.ReplicaRemoved`                |
| 2003 | SPU -> SC  | `in_sync.ProposeInSync`                        |
| 2004 | SPU -> SC  | `in_sync.ResignLeadership`                     |
| 2006 | SPU -> SC  | `smart_module.FetchSmartModuleRequest`, answered |
| 1001 | SC -> SPU  | `update_spu.UpdateSpus`                          |
| 1002 | SC -> SPU  | `update_replica.UpdateReplicas`                |
"""
