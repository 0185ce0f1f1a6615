// Package demo holds the tests of `nodeagent demo`, which is a newcomer's first sight of the agent and a proof in itself.
package demo
