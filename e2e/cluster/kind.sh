# shellcheck shell=bash
# The cluster itself, by kind: made, found again, waited for, deleted. The file $CACHE/kind.yaml is
# what the living cluster was made from; it appears when all of it was Ready for the first time.

CLUSTER_CONFIG=$CACHE/kind.yaml
READY_TIMEOUT=180s

# cluster_config IMAGE WORKERS: the description that kind reads.
cluster_config() {
  local image=$1 workers=$2 port i
  cat <<-HEAD
	kind: Cluster
	apiVersion: kind.x-k8s.io/v1alpha4
	nodes:
	- role: control-plane
	  image: $image
	  extraPortMappings:
	HEAD
  for port in $NODE_PORTS; do
    echo "  - {listenAddress: 127.0.0.1, hostPort: $port, containerPort: $port}"
  done
  for ((i = 0; i < workers; i++)); do
    printf -- '- role: worker\n  image: %s\n' "$image"
  done
}

# cluster_nodes [STATE]: the containers that are nodes, one a line.
cluster_nodes() {
  docker ps -aq --filter "label=io.x-k8s.kind.cluster=$NAME" ${1:+--filter "status=$1"}
}

# bring_up IMAGE [WORKERS]: without a number, whatever number is there will do.
bring_up() {
  local image=$1 workers=${2:-} begin=$SECONDS
  if [ -z "$workers" ]; then
    workers=$WORKERS_DEFAULT
    if [ -e "$CLUSTER_CONFIG" ]; then
      workers=$(awk '/role: worker/ { n++ } END { print n + 0 }' "$CLUSTER_CONFIG")
    fi
  fi
  cluster_config "$image" "$workers" >"$CACHE/kind.yaml.wanted"
  # After a stop of the engine addresses may have moved; half a minute buys a fresh cluster.
  if [ -n "$(cluster_nodes)" ] && [ -z "${ENGINE_STARTED_NOW:-}" ] &&
    cmp -s "$CACHE/kind.yaml.wanted" "$CLUSTER_CONFIG" && revive; then
    say "cluster: there, with $workers workers"
    return
  fi
  if [ -n "$(cluster_nodes)" ]; then
    say "cluster: not what is wanted, or not well; making it anew"
  fi
  delete_cluster
  LOG=$CACHE/log/kind.log
  say "cluster: creating, with $workers workers"
  if ! kind create cluster --retain -v 1 --name "$NAME" --config "$CACHE/kind.yaml.wanted" >"$LOG" 2>&1 9>&-; then
    kind export logs --name "$NAME" "$CACHE/log/failed-cluster" >/dev/null 2>&1 || true
    say "logs of the nodes: $CACHE/log/failed-cluster"
    delete_cluster
    exit 1
  fi
  # kind keeps pods off the control plane as soon as there is a worker. Here every node takes pods.
  kubectl taint node "$NAME-control-plane" node-role.kubernetes.io/control-plane:NoSchedule- >/dev/null 2>&1 || true
  wait_until_ready >>"$LOG" 2>&1
  mv "$CACHE/kind.yaml.wanted" "$CLUSTER_CONFIG"
  say "cluster: all Ready after $((SECONDS - begin)) s"
}

# revive: a test may have stopped or paused nodes and never come back to them. May fail; says so.
revive() {
  local node
  for node in $(cluster_nodes paused); do docker unpause "$node" >/dev/null || return 1; done
  for node in $(cluster_nodes exited); do docker start "$node" >/dev/null || return 1; done
  kind export kubeconfig --name "$NAME" >/dev/null 2>&1 || return 1
  wait_until_ready >/dev/null 2>&1
}

# Every node, and every pod of the system. Each line ends the function when it fails, wherever the
# function is called from.
wait_until_ready() {
  local namespace object
  kubectl wait --for=condition=Ready nodes --all --timeout=$READY_TIMEOUT || return 1
  for namespace in kube-system local-path-storage; do
    for object in $(kubectl -n $namespace get daemonset,deployment -o name); do
      kubectl -n $namespace rollout status "$object" --timeout=$READY_TIMEOUT || return 1
    done
  done
}

delete_cluster() {
  rm -f "$CLUSTER_CONFIG"
  kind delete cluster -q --name "$NAME"
}
