#!/bin/sh
# $1 is remove for dpkg and 0 for rpm when the package goes; anything else is an upgrade, which restarts the agent
# only once the new binary is there. Pods run on either way.
set -e

case ${1-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now nodeagent.service
	fi
	;;
esac
