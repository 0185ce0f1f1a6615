package netcheck

import "nodeagent/internal/health"

const restartFlanneld = "restart flanneld (`kubectl -n kube-flannel delete pod` of this node's kube-flannel-ds pod, or `systemctl restart flanneld`)"

// Reasons that several conditions share.
var (
	unreadable = &health.Reason{Name: "Unread", Fix: "The message tells what could not be read and why; give the agent the capability it names, or look at the kernel's log."}
	notSure    = &health.Reason{Name: "BackendUnknown", Fix: "Neither a device nor the MTU tells Flannel's backend; see flanneld's log, or " + restartFlanneld + "."}
)

// Reasons of FlannelConfig.
var (
	envMissing  = &health.Reason{Name: "SubnetEnvMissing", Fix: "New pods can't start. See flanneld's log, then " + restartFlanneld + "; only its start writes the file. If its log says that podCIDR is not assigned: `kubectl get node -o jsonpath='{.items[*].spec.podCIDR}'` and --allocate-node-cidrs of the controller-manager."}
	envInvalid  = &health.Reason{Name: "SubnetEnvInvalid", Fix: "Remove the file and " + restartFlanneld + ": it writes it anew."}
	envStale    = &health.Reason{Name: "SubnetEnvStale", Fix: "The file is of another boot or another lease: see that flanneld runs, then " + restartFlanneld + "."}
	cniMissing  = &health.Reason{Name: "CNIConfigMissing", Fix: "Restart this node's kube-flannel pod: its init container install-cni writes 10-flannel.conflist; without Kubernetes put the file there by hand."}
	cniInvalid  = &health.Reason{Name: "CNIConfigInvalid", Fix: "Correct the file, or remove it and restart this node's kube-flannel pod, which writes it anew."}
	cniShadowed = &health.Reason{Name: "CNIConfigShadowed", Fix: "The runtime uses the first file by name: remove the other network's file if it is left over, and restart the pods that it gave addresses to."}
	subnetTwice = &health.Reason{Name: "SubnetTwice", Fix: "Two nodes have one subnet: `kubectl get nodes -o custom-columns=N:.metadata.name,C:.spec.podCIDR` shows which; drain the younger one, delete its Node object, and let it join again."}
)

// FlannelConfig is about what Flannel leaves on disk for the CNI plugins.
var FlannelConfig = &health.Condition{
	Name: "FlannelConfig", Help: "subnet.env and the CNI configuration are there and agree with each other.", Impact: health.Degraded, Max: 8,
	Reasons: []*health.Reason{envMissing, envInvalid, envStale, cniMissing, cniInvalid, cniShadowed, subnetTwice, unreadable},
}

// Reasons of FlannelDevice.
var (
	deviceMissing   = &health.Reason{Name: "Missing", Fix: "See that flanneld runs, then " + restartFlanneld + ": it makes the device and its entries."}
	deviceDown      = &health.Reason{Name: "Down", Fix: "The kernel dropped the peers' routes and neighbours with it, and setting it up brings none of them back: " + restartFlanneld + "."}
	deviceRecreated = &health.Reason{Name: "Recreated", Fix: "The device was made anew and is empty: " + restartFlanneld + "; find what deleted it (NetworkManager, systemd-networkd, a script)."}
	addressMissing  = &health.Reason{Name: "AddressMissing", Fix: "The routes went with the address: " + restartFlanneld + "; see what removed it (NetworkManager, systemd-networkd, a DHCP client)."}
	addressWrong    = &health.Reason{Name: "AddressWrong", Fix: "The device and subnet.env are of different leases: " + restartFlanneld + "."}
	addressExtra    = &health.Reason{Name: "AddressExtra", Fix: "Remove it (`ip address del ADDRESS dev DEVICE`), and tell what added it to leave the device alone: a DHCP client, NetworkManager or systemd-networkd."}
	deviceMTU       = &health.Reason{Name: "WrongMTU", Fix: "`ip link set dev DEVICE mtu FLANNEL_MTU` with the expected value, or " + restartFlanneld + "."}
	mtuTooLarge     = &health.Reason{Name: "MTUTooLarge", Fix: "Full-size packets do not fit through the uplink: restore the uplink's MTU, or " + restartFlanneld + " so that it takes the new one, and then restart the pods."}
	macChanged      = &health.Reason{Name: "MACChanged", Fix: "Peers send to the old MAC, and this node drops it: " + restartFlanneld + "; set MACAddressPolicy=none for flannel.* in a systemd.link file if udev did it."}
	vxlanWrong      = &health.Reason{Name: "WrongVXLAN", Fix: "The device is not as flanneld makes it: `ip link del DEVICE` and " + restartFlanneld + "."}
	localGone       = &health.Reason{Name: "LocalAddressGone", Fix: "The device sends from an address that this node no longer has: " + restartFlanneld + "; with several uplinks give it --iface or --public-ip."}
	networkRoute    = &health.Reason{Name: "NetworkRouteMissing", Fix: "Put it back: `ip route add NETWORK dev flannel0`, or " + restartFlanneld + "."}
	checksumErrors  = &health.Reason{Name: "ChecksumErrors", Fix: "Packets arrive with bad UDP checksums, an old kernel's or NIC's offload: try `ethtool -K flannel.1 tx-checksum-ip-generic off` on the sending nodes, and upgrade the kernel."}
)

// FlannelDevice is about Flannel's own network device.
var FlannelDevice = &health.Condition{
	Name: "FlannelDevice", Help: "Flannel's network device is there, up, and as flanneld makes it.", Impact: health.Critical, Max: 8,
	Reasons: []*health.Reason{deviceMissing, deviceDown, deviceRecreated, addressMissing, addressWrong, addressExtra, deviceMTU, mtuTooLarge, macChanged,
		vxlanWrong, localGone, networkRoute, checksumErrors, notSure, unreadable},
}

// Reasons of FlannelPeers.
var (
	routeMissing     = &health.Reason{Name: "RouteMissing", Fix: "Put it back (`ip route add SUBNET via PEER.0 dev flannel.1 onlink`), or " + restartFlanneld + "."}
	routeWrong       = &health.Reason{Name: "RouteWrong", Fix: "Remove the wrong route and put back the expected one, or " + restartFlanneld + "."}
	routeHidden      = &health.Reason{Name: "RouteHidden", Fix: "`ip rule` and `ip route show table all SUBNET` show the rule or route that comes first: remove it, or the program that made it."}
	neighbourMissing = &health.Reason{Name: "NeighbourMissing", Fix: "Put it back (`ip neigh add PEER.0 lladdr VTEPMAC dev flannel.1 nud permanent`; the peer's MAC is in its node annotation or in `bridge fdb show dev flannel.1`), or " + restartFlanneld + "."}
	neighbourWrong   = &health.Reason{Name: "NeighbourWrong", Fix: "Compare with the peer's annotation flannel.alpha.coreos.com/backend-data or its `ip link show flannel.1`, correct the entry, or " + restartFlanneld + "."}
	fdbMissing       = &health.Reason{Name: "FDBMissing", Fix: "Put it back (`bridge fdb add VTEPMAC dev flannel.1 dst PEER-IP self permanent`), or " + restartFlanneld + "."}
	fdbWrong         = &health.Reason{Name: "FDBWrong", Fix: "Compare with the peer's annotation flannel.alpha.coreos.com/public-ip, correct the entry (`bridge fdb replace`), or " + restartFlanneld + "."}
	peerMissing      = &health.Reason{Name: "EntriesMissing", Fix: "The cluster has this node and the kernel knows nothing of it: " + restartFlanneld + "."}
	routesLost       = &health.Reason{Name: "RoutesLost", Fix: "All peers' entries went at once, as after a flap of the uplink: " + restartFlanneld + "; if all those nodes left the cluster, it passes with the agent's restart."}
	leftOver         = &health.Reason{Name: "OnlyFDB", Fix: "Either the peer left and its entry stayed (`bridge fdb del MAC dev flannel.1 dst PEER-IP`), or its route and neighbour were lost: " + restartFlanneld + "."}
)

// FlannelPeers is about the kernel's entries that lead to each peer.
var FlannelPeers = &health.Condition{
	Name: "FlannelPeers", Help: "The route, neighbour and FDB entry of every peer are there and fit each other.", Impact: health.Critical, Max: 64,
	Reasons: []*health.Reason{routeMissing, routeWrong, routeHidden, neighbourMissing, neighbourWrong, fdbMissing, fdbWrong, peerMissing, routesLost, leftOver, notSure, unreadable},
}

// Reasons of FlannelReachable.
var (
	peerUnreachable = &health.Reason{Name: "Unreachable", Fix: "The peer's node answers and its overlay does not: `nodeagent net explain PEER` here, and `nodeagent status` on the peer; look for a firewall that drops udp/8472 between the two."}
	underlayDown    = &health.Reason{Name: "UnderlayDown", Fix: "The peer's node does not answer on its own address either: see whether it runs, and the network between the two."}
	allUnreachable  = &health.Reason{Name: "AllUnreachable", Fix: "No peer answers, so the fault is most likely here: see FlannelDevice, FlannelPeers and NetworkFilter, then the uplink and what filters udp/8472 (VMware NSX, a cloud's security group)."}
	peerLossy       = &health.Reason{Name: "Lossy", Fix: "Probes get lost: look at the errors of the uplink (`ip -s link`) and of the switch between the two nodes."}
	pathMTU         = &health.Reason{Name: "PathMTU", Fix: "Small packets pass and full-size ones do not: give the underlay FLANNEL_MTU + 50 bytes on the whole way, or lower the MTU in Flannel's configuration and restart flanneld and the pods."}
	notAllowed      = &health.Reason{Name: "NotAllowed", Fix: "Probing needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range: run the agent with its unit's capabilities."}
	notProbed       = &health.Reason{Name: "NotProbed", Fix: "Wait for the first probe."}
)

// FlannelReachable is about packets through the overlay.
var FlannelReachable = &health.Condition{
	Name: "FlannelReachable", Help: "Every peer answers through the overlay, with full-size packets too.", Impact: health.Critical, Max: 64,
	Reasons: []*health.Reason{peerUnreachable, underlayDown, allUnreachable, peerLossy, pathMTU, notAllowed, notProbed, unreadable},
}

// Reasons of PodBridge.
var (
	bridgeDown    = &health.Reason{Name: "Down", Fix: "`ip link set dev cni0 up` (with the bridge's name): the pods of this node have no network until then."}
	bridgeAddress = &health.Reason{Name: "AddressMissing", Fix: "`ip address add GATEWAY dev cni0` with the expected address: the pods' default route leads to it."}
	bridgeDiffers = &health.Reason{Name: "AddressDiffers", Fix: "New pods fail with \"cni0\" already has an IP address different from ...: drain the node, `ip link del cni0`, and let the pods start again; the next pod makes the bridge anew."}
	bridgeMTU     = &health.Reason{Name: "WrongMTU", Fix: "`ip link set dev cni0 mtu FLANNEL_MTU` with the expected value; pods keep a path MTU for up to 10 minutes."}
	portDetached  = &health.Reason{Name: "PortDetached", Fix: "A pod's cable hangs loose: `ip link set dev VETH master cni0`, or delete the pod."}
	noAddresses   = &health.Reason{Name: "AddressesExhausted", Fix: "No pod can start: compare `ls /var/lib/cni/networks/NETWORK` with `crictl pods`; files of pods that are gone are left over from a crash and may be removed."}
)

// PodBridge is about the bridge that the pods hang on.
var PodBridge = &health.Condition{
	Name: "PodBridge", Help: "The pods' bridge is up, has its address and MTU, and holds every pod's port.", Impact: health.Degraded, Max: 16,
	Reasons: []*health.Reason{bridgeDown, bridgeAddress, bridgeDiffers, bridgeMTU, portDetached, noAddresses, unreadable},
}

// Reasons of NetworkSysctls.
var (
	forwardingOff = &health.Reason{Name: "ForwardingOff", Fix: "`sysctl -w NAME=1`, and look for what sets it to 0 in /etc/sysctl.d, /etc/sysctl.conf and the network manager's configuration."}
	bridgeNFOff   = &health.Reason{Name: "BridgeNetfilterOff", Fix: "`sysctl -w net.bridge.bridge-nf-call-iptables=1` and a file in /etc/sysctl.d: services fail between pods of one node without it."}
	bridgeNFGone  = &health.Reason{Name: "BridgeNetfilterMissing", Fix: "`modprobe br_netfilter` and a file in /etc/modules-load.d: services fail between pods of one node without it."}
)

// NetworkSysctls is about the kernel's settings.
var NetworkSysctls = &health.Condition{
	Name: "NetworkSysctls", Help: "The kernel forwards packets, and shows bridged ones to kube-proxy's rules.", Impact: health.Critical, Max: 16,
	Reasons: []*health.Reason{forwardingOff, bridgeNFOff, bridgeNFGone, unreadable},
}

// Reasons of NetworkFilter.
var (
	overlayDropped = &health.Reason{Name: "OverlayDropped", Fix: "Let the overlay's packets in and out (udp/8472 for vxlan, 8285 for udp) before the rule in the message, in the firewall that made it."}
	podsDropped    = &health.Reason{Name: "PodTrafficDropped", Fix: "Remove the rule in the message, or accept the pods' network before it; the evidence names the program that changed the ruleset last. " +
		"For a policy drop with no rule of Flannel: " + restartFlanneld + "."}
	masqMissing  = &health.Reason{Name: "MasqueradeMissing", Fix: "Pods reach nothing outside of the cluster. In iptables mode flanneld puts the rules back within 10 s; if it does not, or in nft mode, " + restartFlanneld + "."}
	chainEmpty   = &health.Reason{Name: "RulesMissing", Fix: "In iptables mode flanneld puts its rules back within 10 s; if it does not, or in nft mode, " + restartFlanneld + ". The evidence names the program that changed the ruleset last."}
	filterUnsure = &health.Reason{Name: "Undecided", Fix: "A rule with a match that the agent can't decide comes before a drop: look at it with `nft list ruleset`."}
	legacyTables = &health.Reason{Name: "LegacyTables", Fix: "iptables-legacy is in use and its rules are not read; `iptables-legacy-save` shows them. Use iptables-nft for everything on the node."}
)

// NetworkFilter is about packet filters.
var NetworkFilter = &health.Condition{
	Name: "NetworkFilter", Help: "No local rule drops the overlay's or the pods' packets, and Flannel's own rules are in force.", Impact: health.Critical, Max: 16,
	Reasons: []*health.Reason{overlayDropped, podsDropped, masqMissing, chainEmpty, filterUnsure, legacyTables, unreadable},
}

// Reasons of FlannelConflicts.
var (
	managed       = &health.Reason{Name: "Managed", Fix: "Tell the program to leave flannel*, cni0 and veth* alone: for NetworkManager unmanaged-devices in /etc/NetworkManager/conf.d, for systemd-networkd a .network file that comes first, with Unmanaged=yes. docs/flannel.md has the lines."}
	foreignRoutes = &health.Reason{Name: "ForeignRoutes", Fix: "ManageForeignRoutes=no in [Network] of /etc/systemd/networkd.conf.d/flannel.conf, then `systemctl restart systemd-networkd` while nothing else is wrong."}
	zoneDrops     = &health.Reason{Name: "ZoneDrops", Fix: "`firewall-cmd --permanent --zone=trusted --add-source=NETWORK` with Flannel's network, and `firewall-cmd --reload`; docs/flannel.md says more."}
	flushes       = &health.Reason{Name: "FlushesRules", Fix: "FlushAllOnReload=no in /etc/firewalld/firewalld.conf, or FirewallBackend=nftables, then `systemctl restart firewalld`."}
)

// FlannelConflicts warns of programs that are known to break Flannel.
var FlannelConflicts = &health.Condition{
	Name: "FlannelConflicts", Help: "No network manager or firewall on this node is set up to take Flannel's devices or rules away.", Impact: health.Notice, Max: 8,
	Reasons: []*health.Reason{managed, foreignRoutes, zoneDrops, flushes, unreadable},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition {
	return []*health.Condition{FlannelConfig, FlannelDevice, FlannelPeers, FlannelReachable, PodBridge, NetworkSysctls, NetworkFilter, FlannelConflicts}
}
