# shellcheck shell=bash
# The node image: what kind's own build makes of released files, made of ours. A Debian with systemd
# and containerd, kind's static files, kubenode under its names, and all images of the system already
# in containerd's store, since no node can pull any.

SYSTEM_IMAGE=fluvio-e2e/system:1      # named in images/podnetwork.yaml and images/storage.yaml

# node_image_name: with the key of all that goes into it.
node_image_name() {
  printf 'fluvio-e2e/node:%s' "$({
    declare -f make_node_image fill_node_tree make_pod_archive kubeadm_images
    basename -a "$PROGRAMS" "$(root_file node)" "$(root_file pods)"
  } | key "$HERE"/images/* -)"
}

# The names and tags that kubeadm will ask for, one a line.
kubeadm_images() {
  (exec -a kubeadm "$PROGRAMS/kubenode" config images list \
    --kubernetes-version "$(module_version k8s.io/kubernetes)")
}

make_node_image() {
  local image=$1 work=$CACHE/work begin=$SECONDS old
  if docker image inspect "$image" >/dev/null 2>&1; then return; fi
  make_root node
  make_root pods
  say "node image: making"
  LOG=$CACHE/log/node-image.log
  rm -rf "$work"
  mkdir -p "$work"
  {
    make_pod_archive "$work/images.tar" "$work"
    fill_node_tree "$work/node" "$work/images.tar"
    tar -C "$work/node" --numeric-owner -cf "$work/node.tar" .
  } >"$LOG" 2>&1
  load_archive node --image "$work/node.tar" '{
      "Env": ["container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"], "StopSignal": "SIGRTMIN+3"
    }' "$image"
  rm -rf "$work"
  docker image ls -q --filter reference=fluvio-e2e/node | sort -u | while read -r old; do
    # One that a cluster still runs on stays for now: Docker refuses.
    [ "$(docker image inspect -f '{{index .RepoTags 0}}' "$old")" = "$image" ] ||
      docker image rm "$old" >/dev/null 2>&1 || true
  done
  say "node image: $((SECONDS - begin)) s"
}

# make_pod_archive TARGET WORK: the images of the system's pods. All but pause are one root file
# system, under the names that kubeadm and our manifests use.
make_pod_archive() {
  local target=$1 system=$2/system pause=$2/pause program names
  local pack=(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner)
  mkdir -p "$system" "$pause"
  tar -xf "$(root_file pods)" -C "$system" --exclude='./dev/*'
  mkdir -p "$system"/{proc,sys,root,run,var,usr/local/bin}
  chmod 1777 "$system/tmp"
  cp "$PROGRAMS"/{kubenode,coredns,local-path-provisioner} "$system/usr/local/bin/"
  for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl etcd podnetwork; do
    ln -s kubenode "$system/usr/local/bin/$program"
  done
  for program in {iptables,ip6tables}{,-save,-restore}; do
    ln -s xtables-nft-multi "$system/usr/sbin/$program"
  done
  chroot "$system" /bin/busybox --install -s /bin
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$system/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$system/etc/group"
  cp "$PROGRAMS/pause" "$pause/pause"
  "${pack[@]}" -C "$system" -cf "$system.tar" .
  "${pack[@]}" -C "$pause" -cf "$pause.tar" .
  names=$(kubeadm_images)
  # shellcheck disable=SC2046  # every line is an argument
  python3 "$HERE/images/archive.py" "$target" --gzip \
    --image "$system.tar" '{}' "$SYSTEM_IMAGE" $(grep -vE '/(coredns|pause):' <<<"$names") \
    --image "$system.tar" '{"Entrypoint": ["/usr/local/bin/coredns"]}' $(grep /coredns: <<<"$names") \
    --image "$pause.tar" '{"Entrypoint": ["/pause"], "User": "65535:65535"}' $(grep /pause: <<<"$names")
  rm -rf "$system" "$pause" "$system.tar" "$pause.tar"
}

# fill_node_tree TREE ARCHIVE: the node's root file system.
fill_node_tree() {
  local tree=$1 archive=$2 program pause
  mkdir -p "$tree"
  tar -xf "$(root_file node)" -C "$tree"
  cp -r "$PROGRAMS"/kind-files/{etc,kind,usr} "$tree/"
  cp "$PROGRAMS/kubenode" "$tree/usr/bin/"
  for program in kubelet kubeadm kubectl crictl; do
    ln -s kubenode "$tree/usr/bin/$program"
  done
  mkdir -p "$tree/kind/manifests"
  cp "$HERE/images/podnetwork.yaml" "$tree/kind/manifests/default-cni.yaml"
  cp "$HERE/images/storage.yaml" "$tree/kind/manifests/default-storage.yaml"
  module_version k8s.io/kubernetes | tr -d '\n' >"$tree/kind/version"
  pause=$(kubeadm_images | sed -n 's/.*pause://p')
  sed -i -E "s#(sandbox_image = \".*/pause:)[^\"]*#\1$pause#" "$tree/etc/containerd/config.toml"
  mv "$archive" "$tree/images.tar"
  # Mounts and processes of the setup end with it: both are in namespaces of its own.
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child sh -c '
    set -e
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --bind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/run"
    exec chroot "$1" /bin/bash -s <"$2"' - "$tree" "$HERE/images/node-setup"
  rm "$tree/images.tar"
}
