# shellcheck shell=bash
# Root file systems from Debian's packages, each one archive in $CACHE/roots, and the two images that
# Dockerfiles start from. mmdebstrap takes its mirror from this machine's own list of sources.

SUITE=bookworm
SOURCES=/etc/apt/sources.list.d/debian.sources
[ -f "$SOURCES" ] || SOURCES=/etc/apt/sources.list

# What a slim image does without.
SLIM=(
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*'
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*'
  --dpkgopt='path-include=/usr/share/doc/*/copyright' --aptopt='Acquire::Languages "none"'
)

# bootstrap TARGET OPTION...: a root file system as an archive.
bootstrap() {
  local target=$1
  shift
  # shellcheck disable=SC2016  # "$1" is for the hook: the folder of the new root
  mmdebstrap --mode=root --format=tar --dpkgopt=force-unsafe-io "${SLIM[@]}" "$@" \
    --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' "$SUITE" "$target" "$SOURCES"
}

# The same packages as in the published slim image.
debian_root() { bootstrap "$1" --variant=minbase; }

# Debian's Python, set up as the published image's: `python` and `pip` install into the image itself.
# With this machine's certificates, so that pip in a Dockerfile reaches what pip reaches here.
# shellcheck disable=SC2016
python_root() {
  bootstrap "$1" --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
    --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python"' \
    --customize-hook='ln -s /usr/bin/python3 "$1/usr/local/bin/python3"' \
    --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"'
}

# What kind's own Dockerfile installs, less what serves rootless and network storage only.
# shellcheck disable=SC2016
node_root() {
  bootstrap "$1" --variant=minbase --include=systemd,conntrack,iptables,nftables,iproute2,ethtool \
    --include=util-linux,mount,kmod,libseccomp2,pigz,jq,procps \
    --include=containerd,runc,containernetworking-plugins \
    --customize-hook='rm -f "$1"/usr/bin/containerd-shim "$1"/usr/bin/containerd-shim-runc-v1'
}

# For the pods of the system: iptables, nft and conntrack with every library and extension they load
# while they run, and a shell. Unpacked only; no package manager inside.
pods_root() {
  bootstrap "$1" --variant=extract --include=iptables,nftables,conntrack,busybox-static \
    --dpkgopt='path-exclude=/usr/lib/*/gconv/*'
}

# root_file NAME: the archive of that root, whose name has the key of all that goes into it.
root_file() {
  printf '%s/roots/%s-%s.tar' "$CACHE" "$1" \
    "$({ declare -f bootstrap "$1_root"; printf '%s\n' "$SUITE" "${SLIM[@]}"; } | key -)"
}

make_root() { once "$(root_file "$1")" "$1_root"; }

# base_image NAME ROOT CONFIG: the image, unless Docker has it from a registry or from the same root.
base_image() {
  local name=$1 root=$2 config=$3 file label
  file=$(root_file "$root")
  label=$(key - <<<"$(basename "$file") $config")
  if docker image inspect "$name" >/dev/null 2>&1; then
    case $(docker image inspect -f '{{index .Config.Labels "fluvio-e2e.key"}}' "$name") in
      "" | "<no value>" | "$label") return ;;
    esac
  fi
  make_root "$root"
  load_archive "$label" --image "$file" "$config" "$name"
  say "image: $name"
}

base_images() {
  local path=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
  base_image debian:$SUITE-slim debian '{"Cmd": ["bash"], "Env": ["PATH='$path'"]}'
  base_image python:3.11-slim-$SUITE python '{"Cmd": ["python3"], "Env": ["PATH='$path'",
    "LANG=C.UTF-8", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"]}'
}

# load_archive LABEL ARGUMENT...: into Docker what images/archive.py makes of the arguments.
load_archive() {
  local label=$1 archive=$CACHE/load.tar
  shift
  LOG=$CACHE/log/load.log
  python3 "$HERE/images/archive.py" "$archive" --label "fluvio-e2e.key=$label" "$@" >"$LOG" 2>&1
  docker load -q -i "$archive" >"$LOG" 2>&1
  rm -f "$archive"
}
