// Package arch holds the shape of the repository by tests: who may import whom and why, the reason of every dependency, and that what
// is packaged is what the code says. It has no code of its own and nothing imports it.
package arch
