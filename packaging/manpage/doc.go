// Package manpage writes manual pages in roff: of a cobra command with all that is below it, and of the configuration's reference. `make package`
// uses it; nothing of the daemon does.
package manpage
