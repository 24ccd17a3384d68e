"""Door 9003: what clients ask of the controller. Served by `fluvio_sc.public_api`.

| key  | request                      | answer                |
| 18   | `api.versions`               | ApiVersionsResponse   |
| 1001 | `create.CreateRequest`       | `status.Status`       |
| 1002 | `delete.DeleteRequest`       | `status.Status`       |
| 1003 | `list.ListRequest`           | `list.ListResponse`   |
| 1004 | `watch.WatchRequest`         | stream of `watch.WatchResponse` |
| 1006 | `update.UpdateRequest`       | `status.Status`       |
"""
