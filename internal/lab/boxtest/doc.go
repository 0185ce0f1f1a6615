// Package boxtest is what tests need that install the packages of this tree on a booted Debian (internal/lab/box): nodes with a runtime, Flannel's
// devices and a neighbour that wants the VIP, the packages of this tree and of an older one, good and broken, and an image to run.
package boxtest
