//go:build !nodeagent_norestart

package staticpod

// restarts is false only in a build that a test makes to show that the demo notices.
const restarts = true
