// Package box installs the packages of this tree in Debian roots with the real systemd (internal/lab/box) and plays what a node sees of them:
// the service (TestService), the .deb's life from install to purge with pods and a VIP (TestLife), the .rpm's (TestRPM), what the linters say
// (TestLint), a runtime's restart (TestRepair), that no secret leaves a node and what collect collects (TestSecretsStay), what Flannel's and keepalived's suites promise, from within the companion unit (TestNetwork), and
// the suite of package pods in the run profile (TestRunProfile). Each check has a broken package that it must refuse.
//
// Each test has boxes of its own, and most of its time is waiting: they run side by side (atOnce).
//
// The older package, from which is upgraded, is built from this repository's history once and kept in the cache of roots.
package box
