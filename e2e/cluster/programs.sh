# shellcheck shell=bash
# The programs of the cluster, compiled from the Go modules that programs/go.mod pins: a folder with
# kubenode (and kubectl, a link to it), coredns, pause, local-path-provisioner, kind, helm, and
# kind-files/, the static files of kind's own node image.

SOURCE=$HERE/programs

# The sources, what compiles them and for what, and how.
programs_key() {
  declare -f compile_programs link_flags |
    key "$SOURCE"/go.mod "$SOURCE"/go.sum "$SOURCE"/*/*.go <(go env GOVERSION GOARCH) -
}

# module_version MODULE: the version in go.mod, such as v1.34.2.
module_version() { awk -v module="$1" '$1 == module { print $2; exit }' "$SOURCE/go.mod"; }

# The programs tell their versions, as the released ones do. kubeadm acts on its own.
link_flags() {
  local kubernetes package
  kubernetes=$(module_version k8s.io/kubernetes)
  printf '%s' "-s -w -X helm.sh/helm/v3/internal/version.version=$(module_version helm.sh/helm/v3)"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s' "$package.gitVersion=$kubernetes" "$package.gitTreeState=clean" \
      "$package.gitMajor=1" "$package.gitMinor=$(cut -d. -f2 <<<"$kubernetes")" \
      "$package.gitCommit=0000000" "$package.buildDate=1970-01-01T00:00:00Z"
  done
}

compile_programs() {
  local target=$1 flags build kind_source
  mkdir -p "$target"
  flags=$(link_flags)
  # No garbage collection below 3 GiB saves a seventh of the compiler's work; debugging data would be
  # thrown away by the linker. The toolchain is the one on PATH: none is fetched.
  build=(env CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false"
    GOGC=off GOMEMLIMIT=3GiB nice -n 10
    go build -C "$SOURCE" -trimpath -tags grpcnotrace -gcflags=all=-dwarf=false -ldflags "$flags" -o "$target/")
  "${build[@]}" ./kubenode ./coredns ./pause helm.sh/helm/v3/cmd/helm sigs.k8s.io/kind
  # Alone: it names a module by a capital letter that the others write small, and one build refuses both.
  "${build[@]}" github.com/rancher/local-path-provisioner
  ln -s kubenode "$target/kubectl"
  kind_source=$(GOFLAGS=-mod=readonly go list -C "$SOURCE" -m -f '{{.Dir}}' sigs.k8s.io/kind)
  cp -r --no-preserve=mode,ownership "$kind_source/images/base/files" "$target/kind-files"
}

link_programs() {
  local program
  for program in kubectl kind helm; do
    ln -sfn "$PROGRAMS/$program" "$BIN/$program"
  done
}
