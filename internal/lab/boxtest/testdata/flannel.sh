# Makes what flanneld (backend vxlan) makes on this node and on the other one, the network namespace "peer" at the end of its wire. A process of
# flanneld's name runs, which does nothing.
overlay() { # NODE DEVICE OTHER IP...
	n=$1 uplink=$2 other=$3
	shift 3
	"$@" link add flannel.1 address 0a:00:00:00:02:0$n mtu 1450 type vxlan id 1 local 192.0.2.1$((n - 1)) dev "$uplink" dstport 8472 nolearning
	"$@" address add 10.244.$n.0/32 dev flannel.1
	"$@" link set flannel.1 up
	"$@" neighbour replace 10.244.$other.0 lladdr 0a:00:00:00:02:0$other dev flannel.1 nud permanent
	"$@" route replace 10.244.$other.0/24 via 10.244.$other.0 dev flannel.1 onlink
}
overlay 1 node0 2 ip
overlay 2 wire 1 ip -n peer
bridge fdb replace 0a:00:00:00:02:02 dev flannel.1 dst 192.0.2.11 self permanent
bridge -n peer fdb replace 0a:00:00:00:02:01 dev flannel.1 dst 192.0.2.10 self permanent

for setting in ipv4.ip_forward ipv6.conf.all.forwarding bridge.bridge-nf-call-iptables bridge.bridge-nf-call-ip6tables; do
	if [ -e "/proc/sys/net/$(echo $setting | tr . /)" ]; then
		echo 1 >"/proc/sys/net/$(echo $setting | tr . /)"
	fi
done
mkdir -p /run/flannel
printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n' >/run/flannel/subnet.env
cat >/etc/cni/net.d/10-flannel.conflist <<END
{"name":"cbr0","cniVersion":"0.3.1","plugins":[{"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},{"type":"portmap","capabilities":{"portMappings":true}}]}
END
iptables-nft-restore <<END
*nat
:POSTROUTING ACCEPT
:FLANNEL-POSTRTG -
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.1.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
COMMIT
*filter
:FORWARD ACCEPT
:FLANNEL-FWD -
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
COMMIT
END
cp /bin/sleep /usr/local/bin/flanneld
systemd-run --quiet --unit=flanneld /usr/local/bin/flanneld 100000
