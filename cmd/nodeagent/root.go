package main

import (
	"fmt"
	"os"

	"nodeagent/internal/view"
)

// forRoot refuses to anybody else what is root's to see. what is said of it is a whole sentence.
func forRoot(what string) error { return refuseUnless(os.Geteuid(), what) }

func refuseUnless(uid int, what string) error {
	if uid == 0 {
		return nil
	}
	return &view.Error{Problem: fmt.Sprintf("%s: this needs root; you are uid %d", what, uid), Fix: "run it with sudo"}
}
