// Package demo shows the agent at work on a machine that has nothing of a cluster: a private containerd with private folders, two static
// pods from images made of the agent's own binary, and the daemon in run mode.
//
// Everything of it is removed when it ends; what a kill -9 left is removed by the next start.
package demo
