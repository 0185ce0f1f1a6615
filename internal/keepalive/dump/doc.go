// Package dump asks keepalived itself what it tracks: by the JSON dump, which it writes for a signal, where it was built with it.
//
// It is off by default. The file has a fixed name in /tmp, which two that ask would share, and a keepalived without JSON dies of the signal: so it
// is sent only to a process that handles it, and at most once a minute.
package dump
