#!/bin/sh
# Configuration, manifests and state stay: pods that ran go on running, and the state says whose they are.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
