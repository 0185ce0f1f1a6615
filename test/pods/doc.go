// Package pods proves what run mode makes of a manifest: for each field that it supports a real pod runs under the real agent over a real
// runtime, and the effect is read from inside the container, from /proc or from cgroupfs. The suite fails for each supported row of
// manifest.Fields() that no test proved, and for each proof of no such row. Beside it stand the tests of a pod's life that a fake runtime
// can't show: rotation of logs, kills by the kernel, and what is left after a kill of the agent.
//
// It runs over the machine's containerd, over each one whose path is in NODEAGENT_TEST_CONTAINERDS, and over each CRI socket in
// NODEAGENT_TEST_CRI_SOCKETS, both lists separated by colons. With NODEAGENT_TEST_INSTALLED=1 it runs over the agent that is installed as a
// unit and its runtime instead, which is what package box's test does; see node_integration_test.go for what it expects there.
//
// Order: node starts everything of one runtime; TestEffects plays the effects over it in parallel and compares the rows last; the tests of
// life follow one by one. Everything that a test made is gone when it ends, and what is not is an error.
package pods
