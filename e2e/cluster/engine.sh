# shellcheck shell=bash disable=SC2034
# The Docker engine, on a machine that may have none: its packages, starting it, stopping it.
# An engine that somebody else started is used as it is and never stopped.

BUILD_PACKAGES=(mmdebstrap iproute2)
ENGINE_PACKAGES=(docker.io iptables)      # only where there is no engine yet
ENGINE_PID_FILE=$CACHE/dockerd.pid
ENGINE_WAIT_S=60

# What the cluster calls its own. Until kube-proxy and podnetwork have taken hold in a node, a packet
# for these addresses follows the default route, and whatever answers out there looks like a broken
# Service. Unreachable on this machine, it fails at once.
CLUSTER_RANGES="10.96.0.0/16 10.244.0.0/16"

require_debian() {
  local codename
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
  if [ "$codename" != "$SUITE" ] || [ "$(id -u)" != 0 ]; then
    fail "building a cluster needs root on Debian $SUITE (this is $codename, user $(id -un))." \
      "With a registry in reach, set FLUVIO_E2E_NODE_IMAGE and use a released kind: see README.md."
  fi
  command -v go >/dev/null || fail "building a cluster needs Go on PATH"
}

install_packages() {
  local package missing=() wanted=("${BUILD_PACKAGES[@]}")
  if ! engine_answers && ! command -v dockerd >/dev/null; then wanted+=("${ENGINE_PACKAGES[@]}"); fi
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
      missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  LOG=$CACHE/log/packages.log
  say "packages: ${missing[*]}"
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "${missing[@]}"
  } >"$LOG" 2>&1 9>&-
}

engine_answers() { docker version -f '{{.Server.Version}}' >/dev/null 2>&1; }

# engine_pid: the process of the engine that a run of `cluster` started with this cache, if it lives.
# A number alone could be anybody's; the command line names the file.
engine_pid() {
  local pid
  pid=$(cat "$ENGINE_PID_FILE" 2>/dev/null) || return 0
  if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--pidfile=$ENGINE_PID_FILE "; then
    echo "$pid"
  fi
}

# Whether this machine withholds CAP_SYS_RESOURCE (bit 24) from everything on it.
lacks_sys_resource() {
  local bounding
  bounding=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
  (( (0x$bounding >> 24 & 1) == 0 ))
}

start_engine() {
  if engine_answers; then return; fi
  if [ -n "$(engine_pid)" ]; then
    wait_for_engine      # it is on its way
    return
  fi
  local options=(--pidfile="$ENGINE_PID_FILE" --log-level=warn
    --exec-opt native.cgroupdriver=cgroupfs --default-cgroupns-mode=private)
  if lacks_sys_resource; then
    install -m 755 "$HERE/runc-bounded" "$CACHE/runc-bounded"
    options+=(--add-runtime bounded="$CACHE/runc-bounded" --default-runtime=bounded)
  fi
  # Several nodes in one kernel use up the usual limits on file watches and keys.
  sysctl -qw net.ipv4.ip_forward=1 \
    fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=1048576 \
    kernel.keys.maxkeys=100000 kernel.keys.maxbytes=2500000 ||
    say "some kernel limits stay as they are"
  say "engine: starting"
  LOG=$CACHE/log/dockerd.log
  rm -f "$ENGINE_PID_FILE"
  setsid nohup dockerd "${options[@]}" >"$LOG" 2>&1 </dev/null 9>&- &
  ENGINE_STARTED_NOW=yes      # bring_up asks
  wait_for_engine
}

wait_for_engine() {
  local end=$((SECONDS + ENGINE_WAIT_S))
  until engine_answers; do
    if [ $SECONDS -ge $end ]; then fail "the Docker engine does not answer"; fi
    sleep 0.2
  done
}

stop_engine() {
  local pid
  pid=$(engine_pid)
  if [ -z "$pid" ]; then
    say "engine: not started by us; left alone"
    return
  fi
  kill -TERM "$pid"
  timeout 60 tail --pid="$pid" -f /dev/null || fail "the Docker engine does not stop"
  say "engine: stopped"
}

close_cluster_ranges() {
  local range
  for range in $CLUSTER_RANGES; do
    ip route show "$range" | grep -q . || ip route add unreachable "$range"
  done
}

open_cluster_ranges() {
  local range
  for range in $CLUSTER_RANGES; do
    ip route del unreachable "$range" 2>/dev/null || true      # not there: nothing to do
  done
}
