// Package box installs the agent's unit of the run profile in a Debian with the real systemd and plays the suite of package pods there: what a
// unit's sandbox takes from the agent is seen by what becomes of its pods.
package box
