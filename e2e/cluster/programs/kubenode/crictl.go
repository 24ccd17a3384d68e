package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

const (
	containerdSocket  = "unix:///run/containerd/containerd.sock"
	containerdTimeout = 20 * time.Second
)

// crictl answers what `kind load` asks of the real crictl (which image is this, by which names), and
// lists images, pods and containers for a person who looks into a node. It never changes anything.
func crictl(arguments []string) error {
	command := ""
	if len(arguments) > 0 {
		command = arguments[0]
	}
	ctx := context.Background()
	switch command {
	case "inspecti":
		return inspectImage(ctx, arguments[len(arguments)-1])
	case "images":
		return listImages(ctx)
	case "pods":
		return listPods(ctx)
	case "ps":
		return listContainers(ctx)
	}
	return errors.New("usage: crictl images | inspecti IMAGE | pods | ps (a small crictl of this project's own)")
}

func inspectImage(ctx context.Context, name string) error {
	images, err := remote.NewRemoteImageService(containerdSocket, containerdTimeout, nil, nil)
	if err != nil {
		return err
	}
	found, err := images.ImageStatus(ctx, &runtime.ImageSpec{Image: name}, false)
	if err != nil {
		return err
	}
	if found.GetImage() == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	output := json.NewEncoder(os.Stdout)
	output.SetIndent("", "  ")
	return output.Encode(map[string]any{"status": map[string]any{ // the fields kind reads, as crictl names them
		"id":          found.Image.Id,
		"repoTags":    found.Image.RepoTags,
		"repoDigests": found.Image.RepoDigests,
	}})
}

func listImages(ctx context.Context) error {
	images, err := remote.NewRemoteImageService(containerdSocket, containerdTimeout, nil, nil)
	if err != nil {
		return err
	}
	found, err := images.ListImages(ctx, nil)
	if err != nil {
		return err
	}
	return table("IMAGE\tID\tMB", func(row func(...any)) {
		for _, image := range found {
			row(strings.Join(image.RepoTags, ","), short(strings.TrimPrefix(image.Id, "sha256:")), image.Size/1_000_000)
		}
	})
}

func listPods(ctx context.Context) error {
	pods, err := remote.NewRemoteRuntimeService(containerdSocket, containerdTimeout, nil, nil)
	if err != nil {
		return err
	}
	found, err := pods.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	return table("POD\tSTATE\tNAMESPACE\tNAME", func(row func(...any)) {
		for _, pod := range found {
			row(short(pod.Id), pod.State, pod.Metadata.Namespace, pod.Metadata.Name)
		}
	})
}

func listContainers(ctx context.Context) error {
	containers, err := remote.NewRemoteRuntimeService(containerdSocket, containerdTimeout, nil, nil)
	if err != nil {
		return err
	}
	found, err := containers.ListContainers(ctx, nil)
	if err != nil {
		return err
	}
	return table("CONTAINER\tSTATE\tNAME\tATTEMPT\tPOD", func(row func(...any)) {
		for _, container := range found {
			pod := container.Labels["io.kubernetes.pod.namespace"] + "/" + container.Labels["io.kubernetes.pod.name"]
			row(short(container.Id), container.State, container.Metadata.Name, container.Metadata.Attempt, pod)
		}
	})
}

// table prints a head line and the rows that fill hands to it, in columns.
func table(head string, fill func(row func(...any))) error {
	lines := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(lines, head)
	fill(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, cell := range cells {
			texts[i] = fmt.Sprint(cell)
		}
		fmt.Fprintln(lines, strings.Join(texts, "\t"))
	})
	return lines.Flush()
}

func short(id string) string { return id[:min(len(id), 13)] }
