package component

import (
	"path"
	"strings"
)

// flags of a component by name, without dashes. The last of a name wins, as in pflag.
type flags map[string]string

// or is the flag's value, or what the component takes where it is not given.
func (f flags) or(name, otherwise string) string {
	if v, ok := f[name]; ok && v != "" {
		return v
	}
	return otherwise
}

// secretFlags may hold a secret itself, not the path of one: they are not kept.
var secretFlags = map[string]bool{"token": true, "password": true, "initial-cluster-token": true, "auth-token": true}

// parseFlags reads the words after a program's name.
func parseFlags(words []string) flags {
	f := flags{}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "--" {
			break
		}
		if !strings.HasPrefix(w, "-") {
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if !given {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
				i++
			}
		}
		if name != "" && !secretFlags[name] {
			f[name] = value
		}
	}
	return f
}

// after gives the words that follow the program of that name; false where no word is it. A word that is a line for a shell counts as its words.
func after(program string, words []string) ([]string, bool) {
	for i, w := range words {
		if path.Base(w) == program && !strings.HasPrefix(w, "-") {
			return words[i+1:], true
		}
		if strings.ContainsAny(w, " \t\n") && strings.Contains(w, program) && !strings.HasPrefix(w, "-") {
			if rest, ok := after(program, strings.Fields(w)); ok {
				return rest, true
			}
		}
	}
	return nil, false
}
