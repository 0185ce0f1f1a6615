//go:build nodeagent_norestart

package staticpod

const restarts = false
