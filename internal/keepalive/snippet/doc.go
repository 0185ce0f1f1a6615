// Package snippet writes configurations to start from: a keepalived.conf whose VIP follows nodeagent's verdict, and an haproxy.cfg that
// checks the apiservers behind it. Input is checked first; each problem names the field and what to do. Nothing is read from the node and
// nothing is written to it.
//
// What is written passes `keepalived -t`, `haproxy -c` and this repository's own lint; tests hold it to that.
package snippet
