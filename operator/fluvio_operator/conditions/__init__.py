"""Pure functions from the controller's objects to what their status says beside Fluvio's words.

One file per kind for conditions, one for the other fields. Called by the store whenever it writes
a status. No client, no clock, no cluster: the same objects give the same status, so that a status
is written only when something changed.

Conditions follow kstatus, by which `kubectl wait`, Flux and Argo CD judge: `Ready` is always
there, `Reconciling` and `Stalled` are there only while true, `Stalled` only for what no retry
mends. Further conditions of trouble are there only while true as well, unless a reader would take
their absence for "not known".
"""
