package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	cniFile       = "/etc/cni/net.d/10-podnetwork.conflist"
	routeProtocol = 98 // marks the routes that are ours, so that those of a node that left can be found
	lookAgain     = time.Minute
	retryAfter    = time.Second
)

// podNetwork is the network between the pods of a kind cluster, in the place of kind's own kindnetd.
// On each node it writes the CNI configuration (the first moment the node can be Ready), keeps a route
// to the pod range of every other node, and masquerades what pods send out of the cluster.
// IPv4 only; NetworkPolicy is not enforced. It reads the API and changes nothing there.
func podNetwork() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	// kube-proxy makes the Service address of the API work, and may come later than this.
	// kind adds the control plane's own address to the environment.
	if endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT"); endpoint != "" {
		config.Host = "https://" + endpoint
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ownAddress, podSubnet := os.Getenv("HOST_IP"), os.Getenv("POD_SUBNET")
	if ownAddress == "" || podSubnet == "" {
		return errors.New("HOST_IP and POD_SUBNET are not both set")
	}
	if err := masquerade(podSubnet); err != nil {
		return err
	}

	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default: // somebody has said so already
		}
	}
	factory := informers.NewSharedInformerFactory(client, lookAgain)
	nodes := factory.Core().V1().Nodes()
	if _, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		list, err := nodes.Lister().List(labels.Everything())
		if err == nil {
			err = applyNodes(list, ownAddress)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "podnetwork:", err)
			time.AfterFunc(retryAfter, wake)
		}
	}
}

// applyNodes makes this node's CNI configuration and routes what the list of nodes asks for.
func applyNodes(nodes []*core.Node, ownAddress string) error {
	wanted := map[string]net.IP{} // the pod range of another node, and that node's address
	for _, node := range nodes {
		address, podRange := internalAddress(node), node.Spec.PodCIDR
		switch {
		case address == "" || podRange == "": // not known yet; an update will follow
		case address == ownAddress:
			if err := writeCNI(podRange); err != nil {
				return err
			}
		default:
			wanted[podRange] = net.ParseIP(address)
		}
	}
	return applyRoutes(wanted)
}

func internalAddress(node *core.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == core.NodeInternalIP && net.ParseIP(address.Address).To4() != nil {
			return address.Address
		}
	}
	return ""
}

func applyRoutes(wanted map[string]net.IP) error {
	for podRange, gateway := range wanted {
		_, destination, err := net.ParseCIDR(podRange)
		if err != nil {
			return err
		}
		route := netlink.Route{Dst: destination, Gw: gateway, Protocol: routeProtocol}
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("route to %s by %s: %w", podRange, gateway, err)
		}
	}
	ours := netlink.Route{Protocol: routeProtocol}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &ours, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list of routes: %w", err)
	}
	for _, route := range routes {
		if _, keep := wanted[route.Dst.String()]; keep {
			continue
		}
		if err := netlink.RouteDel(&route); err != nil {
			return fmt.Errorf("route to %s away: %w", route.Dst, err)
		}
	}
	return nil
}

// writeCNI writes what the container runtime needs to give a pod its address. The file appears
// whole: the runtime reads the folder at every change.
func writeCNI(podRange string) error {
	text := fmt.Appendf(nil, `{
  "cniVersion": "0.3.1",
  "name": "podnetwork",
  "plugins": [
    {
      "type": "ptp", "ipMasq": false, "mtu": 1500,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni-ipam-state",
        "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, podRange)
	if old, err := os.ReadFile(cniFile); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.WriteFile(cniFile+".part", text, 0o644); err != nil {
		return err
	}
	return os.Rename(cniFile+".part", cniFile)
}

// masquerade gives packets from pods to anywhere but pods the address of the node. The table is
// replaced whole, so that a restart leaves one.
func masquerade(podSubnet string) error {
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(fmt.Sprintf(`
add table ip podnetwork
delete table ip podnetwork
table ip podnetwork {
  chain postrouting {
    type nat hook postrouting priority srcnat - 10; policy accept;
    ip saddr %[1]s ip daddr %[1]s return
    ip saddr %[1]s fib daddr type local return
    ip saddr %[1]s masquerade
  }
}
`, podSubnet))
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, output)
	}
	return nil
}
