// Package box installs the packages of this tree in Debian roots with the real systemd (internal/lab/box) and plays what a node sees of them:
// the service (TestService), the .deb's life from install to purge with pods and a VIP (TestFirst, TestUpgrade, TestEnd), the .rpm's (TestRPM), what
// the linters say (TestLint), and restarts of a runtime and of a kubelet (TestRepair...). Each check has a broken package that it must refuse.
//
// Each test has boxes of its own, and most of its time is waiting: they run side by side. What the suites of other packages promise is played within
// the installed unit by package profiles.
package box
