#!/bin/sh
# Prints where the containerd of the tests lies that no Debian has yet, with its shim beside it. It is built by `go install` where it is not there:
# minutes, once.
#
#   scripts/containerd.sh
set -eu

version=v2.4.2
cache=${XDG_CACHE_HOME:-/var/cache}/nodeagent-test
dir=$cache/containerd-$version

if [ ! -x "$dir/containerd" ]; then
	echo "containerd.sh: building containerd $version into $dir" >&2
	mkdir -p "$cache"
	half=$(mktemp -d "$cache/containerd-half.XXXXXX")
	trap 'rm -rf "$half"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	for program in containerd containerd-shim-runc-v2; do
		CGO_ENABLED=0 GOFLAGS='' GOBIN=$half "${GO:-go}" install -trimpath -ldflags '-s -w' "github.com/containerd/containerd/v2/cmd/$program@$version"
	done
	chmod 755 "$half"
	mv -T "$half" "$dir"
fi
echo "$dir/containerd"
