package manifest

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// SecretFile holds a file's mode and owner against what its Secrets need: the file is root's, and nobody else may read, write or
// run it. ok is true if that is so, or if r has no Secret; otherwise p says what to do, and run mode does not take the file.
func SecretFile(file string, r Result, mode fs.FileMode, uid uint32) (p Problem, ok bool) {
	i := slices.IndexFunc(r.Objects, func(o Object) bool { return o.Kind == kindSecret })
	if i < 0 || mode.Perm()&0o077 == 0 && uid == 0 {
		return Problem{}, true
	}
	p = Problem{File: file, Document: r.Objects[i].Document, Key: "kind"}
	name := filepath.Base(file)
	switch {
	case uid != 0:
		p.Message = fmt.Sprintf("the file holds a Secret and belongs to the user %d", uid)
		p.Fix = "chown root:root " + name + " && chmod 600 " + name
	default:
		p.Message = fmt.Sprintf("the file holds a Secret and has mode %04o: others can read it", mode.Perm())
		if mode.Perm()&0o044 == 0 {
			p.Message = fmt.Sprintf("the file holds a Secret and has mode %04o: others may change or run it", mode.Perm())
		}
		p.Fix = "chmod 600 " + name
	}
	return p, false
}
