# shellcheck shell=bash disable=SC2034  # the names are for the files that read this one
# Names, versions and places of the end-to-end cluster, and the few words that every stage uses.
# Read by `cluster` and `prove`; does nothing by itself but make the cache folder.

NAME=fluvio-e2e
CONTEXT=kind-$NAME
# Published on 127.0.0.1: the controller on 30003, SPUs from 30004 on, four for whoever wants one.
NODE_PORTS="30003 30004 30005 30006 30007 30008 30009 30010 30011 30012 30080 30081 30082 30083"
WORKERS_DEFAULT=1

CACHE=${FLUVIO_E2E_CACHE:-$HOME/.cache/fluvio-e2e}
BIN=$CACHE/bin                       # links to kubectl, kind and helm of the newest build
export KUBECONFIG=$CACHE/kubeconfig
RELEASED_NODE_IMAGE=${FLUVIO_E2E_NODE_IMAGE:-}      # set: a released kind and this image; nothing is built

LOG=                                 # the log of the stage at work, shown when the stage fails
LOCK_TIMEOUT_S=1800                  # a cold run of somebody else takes less

mkdir -p "$CACHE/log" "$CACHE/roots" "$BIN"
[ -n "$RELEASED_NODE_IMAGE" ] || PATH=$BIN:$PATH

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
fail() { say "$*"; exit 1; }

# key FILE...: a short name for what the files hold, and for what comes on standard input.
key() { cat -- "$@" | sha256sum | cut -c1-12; }

# once RESULT COMMAND...: unless RESULT is there, COMMAND makes it, at the path it gets as its last
# argument. The result appears whole or not at all. Older results (all but the key at the end of the
# name is the same) go. Never call it where the shell ignores errors (if, ||, &&).
once() {
  local result=$1 begin=$SECONDS stage old
  shift
  if [ -e "$result" ]; then return; fi
  stage=$(basename "${result%-*}")
  LOG=$CACHE/log/$stage.log
  say "$stage: making"
  rm -rf "$result.part"
  "$@" "$result.part" >"$LOG" 2>&1
  mv "$result.part" "$result"
  for old in "${result%-*}"-*; do
    [ "$old" = "$result" ] || rm -rf "$old"
  done
  say "$stage: $((SECONDS - begin)) s"
}

# The reason of a failure is in the log of the stage; its end goes to the screen.
show_failure() {
  local status=$?
  if [ $status != 0 ] && [ -s "$LOG" ]; then
    tail -n 20 "$LOG" >&2
    say "failed; the whole log: $LOG"
  fi
}

# One run at a time works on the cache and the cluster. Whoever comes second waits, and then finds
# everything done. Processes that stay (the engine) must not inherit descriptor 9.
take_lock() {
  if ! command -v flock >/dev/null; then return; fi      # a released kind on a machine without it
  exec 9>"$CACHE/lock"
  if ! flock -n 9; then
    say "another run is at work on $CACHE; waiting for it"
    flock -w "$LOCK_TIMEOUT_S" 9 || fail "still at work after $LOCK_TIMEOUT_S s; giving up"
  fi
}
