// Package behaviour holds one script of what run mode promises, played by the real daemon over the fake runtime's personalities and over
// real containerd and runc, so that the fake can't drift from the real thing.
package behaviour
