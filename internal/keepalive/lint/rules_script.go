package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// checkScripts holds the rules about vrrp_script.
func checkScripts(c Config, o Options, note noter) {
	scripts := c.sorted(kindScript)
	if len(scripts) == 0 {
		return
	}
	if c.global("enable_script_security") == nil {
		note(ruleScriptSecurity, scripts[0].Node.Pos, "scripts are run without enable_script_security")
	}
	for _, k := range scripts {
		checkTimes(k, o.Version, note)
		n := k.Node.Get("script")
		words := n.fields()
		if len(words) == 0 {
			note(ruleNoScript, k.Node.Pos, "vrrp_script %s has no script", k.Name)
			continue
		}
		checkUser(c, k, *o.Host, note)
		checkPath(n, words[0], *o.Host, note)
		checkBalancer(c, n, words, o, note)
	}
}

// fields are the words after the first, split at blanks whether they were quoted or not.
func (n *Node) fields() []string {
	if n == nil {
		return nil
	}
	return strings.Fields(strings.Join(n.Words[1:], " "))
}

// maxNotice is the longest that a failing check may take to be noticed: above it people are faster.
const maxNotice = 10.0

func checkTimes(k *Check, version string, note noter) {
	seconds := func(name string, otherwise float64) float64 {
		n := k.Node.Get(name)
		if n == nil {
			return otherwise
		}
		v, err := strconv.ParseFloat(n.Word(1), 64)
		if err != nil {
			note(ruleUnsure, n.Pos, "%s %q of %s is no number that is understood", name, n.Word(1), k.Name)
			return otherwise
		}
		if v != float64(int64(v)) && name != "fall" && oldVersion(version) {
			note(ruleFraction, n.Pos, "%s %s of %s: a keepalived of version %s takes whole seconds only", name, n.Word(1), k.Name, known(version))
		}
		return v
	}
	interval, fall := seconds("interval", 1), seconds("fall", 1)
	timeout := seconds("timeout", 0)
	if notice := interval * fall; notice > maxNotice {
		note(ruleSlowCheck, k.Node.Pos, "%s fails after %g x %g s = %g s", k.Name, fall, interval, notice)
	}
	if timeout == 0 {
		note(ruleTimeout, k.Node.Pos, "%s has no timeout", k.Name)
	}
}

func known(version string) string {
	if version == "" {
		return "2.2.7 or older"
	}
	return version
}

// oldVersion reports whether it takes whole seconds only: before 2.2.8, or not known.
func oldVersion(v string) bool {
	var a, b, c int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(v, "v"), "%d.%d.%d", &a, &b, &c); n < 2 {
		return true
	}
	return a < 2 || a == 2 && (b < 2 || b == 2 && c < 8)
}

func checkUser(c Config, k *Check, h Host, note noter) {
	user := k.Node.Get("user")
	if user == nil {
		user = c.global("script_user")
	}
	if user == nil {
		if h.HasUser != nil {
			if ok, err := h.HasUser("keepalived_script"); err == nil && ok {
				return // keepalived's own default
			}
		}
		note(ruleScriptUser, k.Node.Pos, "neither script_user nor user says whom %s runs as", k.Name)
		return
	}
	if h.HasUser == nil {
		note(ruleUnsure, user.Pos, "whether user %s exists can't be told from here", user.Word(1))
		return
	}
	switch ok, err := h.HasUser(user.Word(1)); {
	case err != nil:
		note(ruleUnsure, user.Pos, "whether user %s exists can't be told: %v", user.Word(1), err)
	case !ok:
		note(ruleScriptUser, user.Pos, "user %s, whom %s runs as, is not in /etc/passwd", user.Word(1), k.Name)
	}
}

// checkPath looks at the script and at every folder on the way to it, as keepalived does under enable_script_security.
func checkPath(n *Node, script string, h Host, note noter) {
	if !path.IsAbs(script) {
		note(ruleScriptMissing, n.Pos, "script %s has no absolute path", script)
		return
	}
	if h.Stat == nil || h.Resolve == nil {
		note(ruleUnsure, n.Pos, "script %s can't be looked at from here", script)
		return
	}
	st, err := h.Stat(script)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		note(ruleScriptMissing, n.Pos, "script %s is not there", script)
		return
	case err != nil:
		note(ruleUnsure, n.Pos, "script %s can't be looked at: %v", script, err)
		return
	case st.Mode.IsDir() || st.Mode&0o111 == 0:
		note(ruleScriptMode, n.Pos, "script %s can't be run", script)
		return
	}
	real, err := h.Resolve(script)
	if err != nil {
		note(ruleUnsure, n.Pos, "script %s can't be followed: %v", script, err)
		return
	}
	seen := map[string]bool{}
	for _, way := range []string{script, real} {
		for p := path.Clean(way); !seen[p]; p = path.Dir(p) {
			seen[p] = true
			st, err := h.Stat(p)
			switch why := writable(st); {
			case err != nil:
				note(ruleUnsure, n.Pos, "%s can't be looked at: %v", p, err)
			case why != "":
				note(ruleScriptWritable, n.Pos, "script %s: %s %s", script, p, why)
				return
			}
		}
	}
}

// writable says who other than root may change a file, or what lies in a folder; empty: nobody. In a folder with the sticky bit nobody
// else may replace a file of root's.
func writable(f FileFacts) string {
	switch {
	case f.UID != 0:
		return fmt.Sprintf("belongs to user %d", f.UID)
	case f.Mode.IsDir() && f.Mode&fs.ModeSticky != 0:
		return ""
	case f.Mode&0o002 != 0:
		return "is writable by everybody"
	case f.Mode&0o020 != 0 && f.GID != 0:
		return fmt.Sprintf("is writable by group %d", f.GID)
	}
	return ""
}

// asks finds what of a line is an address of a request: a URL, or a host and port.
var asks = regexp.MustCompile(`https?://[^\s"'|;)]+`)

// checkBalancer finds scripts that ask a VIP, or the balancer's port, as kubeadm's check_apiserver.sh does.
func checkBalancer(c Config, n *Node, words []string, o Options, note noter) {
	text := strings.Join(words, " ")
	if o.Host.Read != nil && path.IsAbs(words[0]) {
		if s, err := o.Host.Read(words[0]); err == nil && strings.HasPrefix(s, "#!") {
			text += "\n" + s
		}
	}
	vars := assignments(text)
	for _, url := range asks.FindAllString(text, -1) {
		url = substitute(url, vars)
		host, port := hostPort(url)
		for _, i := range c.Instances {
			for _, vip := range i.VIPs {
				if host == vip.String() {
					note(ruleScriptBalancer, n.Pos, "script %s asks %s, which is the VIP itself: the node that holds it answers", words[0], url)
					return
				}
			}
		}
		for _, b := range o.Balancer {
			if port == strconv.Itoa(int(b)) {
				note(ruleScriptBalancer, n.Pos, "script %s asks %s, and the balancer listens on port %d", words[0], url, b)
				return
			}
		}
	}
}

var assigns = regexp.MustCompile(`(?m)^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=["']?([^\s"'$]*)`)

func assignments(text string) map[string]string {
	out := map[string]string{}
	for _, m := range assigns.FindAllStringSubmatch(text, 100) {
		out[m[1]] = m[2]
	}
	return out
}

var shellVar = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)

func substitute(s string, vars map[string]string) string {
	return shellVar.ReplaceAllStringFunc(s, func(m string) string {
		if v, ok := vars[strings.Trim(m, "${}")]; ok {
			return v
		}
		return m
	})
}

func hostPort(url string) (host, port string) {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "/")
	if strings.HasPrefix(rest, "[") {
		host, rest, _ = strings.Cut(rest[1:], "]")
		return host, strings.TrimPrefix(rest, ":")
	}
	host, port, _ = strings.Cut(rest, ":")
	return host, port
}
