//go:build pinned

// Package pinned is never built. It keeps in go.mod the modules whose own commands are built as they are.
package pinned

import (
	_ "github.com/rancher/local-path-provisioner"
	_ "helm.sh/helm/v3/cmd/helm"
	_ "sigs.k8s.io/kind"
)
