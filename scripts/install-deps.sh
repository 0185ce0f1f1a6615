#!/bin/sh
# Installs the Debian packages that the demo or the tests need and that are not
# on PATH yet. Starts no service, removes no package, and leaves a machine alone
# that runs Kubernetes or Docker's containerd.
#
#   scripts/install-deps.sh demo|test
set -eu

# sudo and plain users may lack these.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

die() {
	echo "install-deps: $*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A kubelet kills every pod on its runtime that it does not know, and a new
# containerd package could take its runtime's place.
refuse_foreign_hosts() {
	if have kubelet; then
		die "this machine has a kubelet ($(command -v kubelet)): its containers are not to be touched. Use a machine without Kubernetes."
	fi
	for unit in kubelet k3s k3s-agent rke2-server rke2-agent k0scontroller k0sworker; do
		for dir in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
			if [ -e "$dir/$unit.service" ]; then
				die "this machine has a kubelet ($dir/$unit.service): its containers are not to be touched. Use a machine without Kubernetes."
			fi
		done
	done
	if have dpkg-query && installed containerd.io; then
		die "Docker's package containerd.io is installed, and Debian's containerd would replace it. Use a machine without it, or remove it yourself: apt-get remove containerd.io"
	fi
}

# missing PACKAGE TEST...: adds the package where the test fails.
missing=""
want() {
	package=$1
	shift
	if ! "$@"; then
		missing="$missing $package"
	fi
}

cni_plugins() {
	for dir in /usr/lib/cni /opt/cni/bin; do
		if [ -x "$dir/bridge" ] && [ -x "$dir/host-local" ] && [ -x "$dir/loopback" ]; then
			return 0
		fi
	done
	return 1
}

c_compiler() {
	have gcc || have cc
}

c_headers() {
	[ -e /usr/include/stdlib.h ]
}

# Debian's maintainer scripts ask policy-rc.d before they start a service; 101
# means no. One that is there already is the owner's, and stays.
policy=/usr/sbin/policy-rc.d
made_policy=""
forbid_services() {
	if [ ! -e "$policy" ]; then
		trap restore_services EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		made_policy=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	elif [ -d /run/systemd/system ]; then
		echo "install-deps: $policy is there already and decides whether services start" >&2
	fi
}

restore_services() {
	if [ -n "$made_policy" ]; then
		rm -f "$policy"
	fi
}

case ${1-} in
demo | test) ;;
*) die "usage: $0 demo|test" ;;
esac

refuse_foreign_hosts

want containerd have containerd
want runc have runc
want crun have crun
want containernetworking-plugins cni_plugins
if [ "$1" = test ]; then
	want prometheus have promtool
	want prometheus-node-exporter have prometheus-node-exporter
	want chromium have chromium
	want docker-registry have docker-registry
	want keepalived have keepalived
	want haproxy have haproxy
	want etcd-server have etcd
	want strace have strace # an etcd whose disk is slow
	want iproute2 have ip
	want iptables have iptables
	want nftables have nft
	want curl have curl
	# The box of test/box and test/profiles: a root from the machine's own sources, booted with systemd.
	want mmdebstrap have mmdebstrap
	want systemd-container have systemd-nspawn
	# The packages, and what their distributions say of them.
	want lintian have lintian
	want rpmlint have rpmlint
	want rpm have rpm
	# The race detector links with the C compiler.
	want gcc c_compiler
	want libc6-dev c_headers
fi

if [ -z "$missing" ]; then
	exit 0
fi
if ! have apt-get; then
	die "not a Debian-like system: install these yourself, then try again:$missing"
fi
if [ "$(id -u)" != 0 ]; then
	die "needs root to install$missing. Run: sudo $0 $1"
fi

DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
install() {
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -q --no-install-recommends --no-remove "$@" $missing
}

echo "install-deps: installing$missing"
forbid_services
# Package lists that are missing or old show up as a failed simulation or as a
# failed download.
if ! install --simulate >/dev/null 2>&1 || ! install; then
	apt-get update -q || die "apt-get update failed: check the network and /etc/apt/sources.list"
	install || die "apt-get could not install$missing without removing other packages: see above"
fi

# Say it here rather than in the middle of a test.
have containerd && have runc && cni_plugins ||
	die "the packages are installed, but containerd, runc or the CNI plugins are still not found in $PATH, /usr/lib/cni or /opt/cni/bin"
