#!/bin/sh
# Prints the version of this tree, in a form that dpkg and rpm order as it grew:
#
#   1.2.3            the commit has the tag v1.2.3
#   1.2.3+4.gabc     four commits after it
#   0.1.0~4.gabc     the fourth commit, before any tag
#   ....dirty        with changes that are not committed
#   0.0.0~dev        no git
set -eu
cd "$(dirname "$0")/.."

if ! hash=$(git rev-parse --short=9 HEAD 2>/dev/null); then
	echo 0.0.0~dev
	exit
fi
if tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null); then
	version=${tag#v}
	after=$(git rev-list --count "$tag..HEAD")
	if [ "$after" != 0 ]; then
		version=$version+$after.g$hash
	fi
else
	version=0.1.0~$(git rev-list --count HEAD).g$hash
fi
if [ -n "$(git status --porcelain --untracked-files=no 2>/dev/null)" ]; then
	version=$version.dirty
fi
echo "$version"
