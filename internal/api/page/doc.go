// Package page renders the node for a browser: one document, with its style inside it and no script, that loads itself again.
//
// It shows what `nodeagent status` shows, and the timeline. A browser on the node itself, or one that has named itself to the listener as the
// web configuration demands, gets it; nobody else does. What a container wrote is not on it.
package page
