// Package lint reads keepalived's configuration as keepalived does and finds the mistakes that make a VIP not follow health.
//
// Reading goes in steps, each bounded: files with their includes become lines (source.go); lines lose comments and conditions and get
// their parameters (expand.go); words and braces become a tree with positions (parse.go); the tree becomes instances and checks (model.go).
// The rules are pure functions over that and a few facts about the host, which Host carries. What can't be judged is said as a problem of
// severity Unsure and never passed over.
//
// Syntax follows keepalived.conf(5) of 2.2 and what `keepalived -t` of 2.2.7 was seen to accept.
//
// Ownership: nothing is written, no script is run, no name is resolved.
package lint
