package collect

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of the search for secrets that this node's files hold.
const (
	maxKnownFiles = 512
	maxKnownSize  = 1 << 20
	maxKnown      = 20000
	maxKnownValue = 4 << 10
)

// Known finds the secrets that stand in files: folders are read one level deep. What can't be read holds nothing that could be collected
// by the same hands.
func Known(paths ...string) []string {
	var k known
	files := 0
	for _, p := range paths {
		for _, f := range expand(p) {
			if files++; files > maxKnownFiles {
				break
			}
			if b, err := readEnd(f, maxKnownSize); err == nil {
				k.read(b)
			}
		}
	}
	return k.values[:min(len(k.values), maxKnown)]
}

func expand(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return []string{path}
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out
}

type known struct{ values []string }

// login takes a value, and what is behind a colon in it: user:password.
func (k *known) login(v string) {
	k.add(v)
	if _, password, ok := strings.Cut(v, ":"); ok {
		k.add(password)
	}
}

// add takes a value, its base64 form and what it is the base64 form of.
func (k *known) add(v string) {
	v = strings.TrimSpace(v)
	if len(v) < shortest {
		return
	}
	k.values = append(k.values, v, base64.StdEncoding.EncodeToString([]byte(v)))
	if b, err := base64.StdEncoding.DecodeString(v); err == nil && len(b) >= shortest {
		for line := range strings.Lines(string(b)) { // a key in a kubeconfig
			if line = strings.TrimSpace(line); len(line) >= shortest && !strings.HasPrefix(line, "-----") {
				k.values = append(k.values, line)
			}
		}
	}
}

var (
	pemKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END`)
	// what keepalived and HAProxy write behind a blank
	spaced   = regexp.MustCompile(`(?im)^\s*(?:user\s+\S+\s+)?(?:auth_pass|insecure-password|password|stats\s+auth)\s+(\S+)`)
	hashed   = regexp.MustCompile(`\$(?:2[abxy]?|[156y]|7)\$[^\s"':]{8,}`)
	likeKeys = regexp.MustCompile(`^[A-Za-z0-9+/=_\-]{16,}$`)
	aNumber  = regexp.MustCompile(`[0-9]`)
	aLetter  = regexp.MustCompile(`[A-Za-z]`)
)

func (k *known) read(text []byte) {
	s := string(text)
	for _, m := range pemKey.FindAllStringSubmatch(s, -1) {
		for line := range strings.Lines(m[1]) {
			k.add(line)
		}
	}
	for _, m := range spaced.FindAllStringSubmatch(s, -1) {
		k.login(strings.Trim(m[1], `"'`))
	}
	eachSecret(s, func(v span) {
		text := s[v.from:v.to]
		k.login(strings.Trim(text, `"'`))
		if first, _, more := strings.Cut(text, "\n"); more || len(text) > maxKnownValue {
			return // a block, which is read as YAML
		} else if word, _, more := strings.Cut(first, " "); more { // in an environment, what follows may be a remark
			k.add(strings.Trim(word, `"',;`))
		}
	})
	for _, m := range hashed.FindAllString(s, -1) {
		k.add(m)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc map[string]any
		var other *yaml.TypeError
		switch err := d.Decode(&doc); {
		case errors.As(err, &other): // a document that is no map; the next may be one
			continue
		case err != nil:
			return
		}
		if doc["kind"] == "Secret" {
			k.all(doc["data"])
			k.all(doc["stringData"])
			continue
		}
		if users, ok := doc["basic_auth_users"]; ok {
			k.all(users)
		}
		k.walk(doc, 0)
	}
}

// all takes every text of a value.
func (k *known) all(v any) {
	switch v := v.(type) {
	case string:
		k.add(v)
		for line := range strings.Lines(v) {
			k.add(line)
		}
	case map[string]any:
		for _, x := range v {
			k.all(x)
		}
	case []any:
		for _, x := range v {
			k.all(x)
		}
	}
}

// walk finds environments: a list of name and value. A value is taken for its name, or because it looks like a key itself.
func (k *known) walk(v any, depth int) {
	if depth > 64 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		value, ok := v["value"].(string)
		if ok && (isSecret(name) || likeKeys.MatchString(value) && aNumber.MatchString(value) && aLetter.MatchString(value)) {
			k.add(value)
		}
		for name, x := range v {
			if text, ok := x.(string); ok && isSecret(name) {
				k.add(text)
			}
			k.walk(x, depth+1)
		}
	case []any:
		for _, x := range v {
			k.walk(x, depth+1)
		}
	}
}
