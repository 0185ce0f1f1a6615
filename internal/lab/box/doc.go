// Package box boots a throw-away Debian with the real systemd as its process 1, on machines whose own process 1 may be something else, so that
// tests can install the agent's unit and see what systemd makes of it. Tests use it; nothing else does.
//
// The root is made once from the machine's own apt sources by mmdebstrap and kept in a cache folder; every box is an overlay over it on a tmpfs
// and leaves nothing behind. It has the machine's cgroups below one of its own: v2 where that is all there is, else v1, since the controllers
// of a hybrid host are bound to v1. It has no network but loopback, and containerd's root is a tmpfs of its own, since an overlay can't lie on an
// overlay.
//
// Order: Root makes or finds the root; Start boots a box and returns when systemd has started everything; Run runs a command in it; Reboot
// boots it anew; Close powers it off and removes its mounts and cgroups. Cleanup does the last for a box whose process was killed.
//
// Every method ends with its context, or within half a minute. The methods may be called from several goroutines, Close once.
package box
