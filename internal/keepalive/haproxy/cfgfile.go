package haproxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// File is what is used of an haproxy.cfg.
type File struct {
	Sockets []string // paths of unix runtime sockets, in order
	Binds   []Bind   // TCP addresses of frontends and listens
	Routes  []Route  // which backends a frontend may use
	Unsure  []string // lines that were not understood where they matter, with their number
}

// Bind is one TCP address that a proxy listens on.
type Bind struct {
	Proxy string
	Addr  netip.Addr // the zero Addr: every address
	Port  uint16
}

// Route says that a frontend may send to a backend.
type Route struct{ Frontend, Backend string }

// String is host:port, with * for every address.
func (b Bind) String() string {
	if !b.Addr.IsValid() {
		return "*:" + strconv.Itoa(int(b.Port))
	}
	return netip.AddrPortFrom(b.Addr, b.Port).String()
}

// The bounds of a configuration: a larger file is not a balancer of apiservers.
const (
	maxFile  = 1 << 20
	maxBinds = 1000
)

// ParseFile reads what is used of a configuration: stats sockets, binds, and which backend a frontend uses. It never fails: what it can't tell
// (an environment variable, a name instead of an address, a conditional block) is in Unsure.
func ParseFile(text string) File {
	var (
		out   File
		proxy string // of the section; empty: one without binds
		at    string // global, or another section's keyword
	)
	unsure := func(n int, why, what string) {
		if len(out.Unsure) < 20 {
			out.Unsure = append(out.Unsure, fmt.Sprintf("line %d: %s: %s", n, why, short(what)))
		}
	}
	if len(text) > maxFile {
		text = text[:maxFile]
		unsure(0, fmt.Sprintf("read no further than %d bytes", maxFile), "")
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		words := fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case ".if":
			unsure(n, "a conditional block is read as if it held", line)
		case "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "mailers", "cache", "program", "http-errors", "ring",
			"fcgi-app", "log-forward", "crt-store", "traces", "log-profile", "acme":
			at, proxy = words[0], ""
			if (at == "frontend" || at == "listen") && len(words) > 1 {
				proxy = words[1]
			}
			if at == "listen" && proxy != "" {
				out.Routes = append(out.Routes, Route{proxy, proxy})
			}
		case "stats":
			if at == "global" && len(words) > 2 && words[1] == "socket" {
				if path, ok := socketPath(words[2]); ok {
					out.Sockets = append(out.Sockets, path)
				} else {
					unsure(n, "not a unix socket's path", words[2])
				}
			}
		case "default_backend", "use_backend":
			if proxy != "" && len(words) > 1 && !strings.ContainsAny(words[1], "%$") {
				out.Routes = append(out.Routes, Route{proxy, words[1]})
			} else if proxy != "" {
				unsure(n, "the backend is decided at run time", line)
			}
		case "bind":
			if proxy == "" || len(words) < 2 {
				continue
			}
			binds, why := parseBinds(proxy, words[1])
			if why != "" {
				unsure(n, why, words[1])
			}
			if out.Binds = append(out.Binds, binds...); len(out.Binds) > maxBinds {
				out.Binds = out.Binds[:maxBinds]
				unsure(n, fmt.Sprintf("more than %d addresses", maxBinds), "")
				return out
			}
		}
	}
	return out
}

func socketPath(word string) (string, bool) {
	word = strings.TrimPrefix(word, "unix@")
	return word, strings.HasPrefix(word, "/") && !strings.Contains(word, "$")
}

// parseBinds reads the address word of a bind line: addresses with a port or a range, parted by commas. What is no TCP address
// (a unix socket, an inherited descriptor, QUIC) is passed over.
func parseBinds(proxy, word string) (out []Bind, unsure string) {
	for part := range strings.SplitSeq(word, ",") {
		switch {
		case part == "", strings.HasPrefix(part, "/"):
			continue
		case strings.Contains(part, "$"):
			return out, "an environment variable is not known here"
		}
		if kind, rest, ok := strings.Cut(part, "@"); ok {
			switch kind {
			case "ipv4", "ipv6", "tcp", "tcp4", "tcp6":
				part = rest
			default:
				continue
			}
		}
		host, ports, ok := cutLast(part, ":")
		if !ok {
			return out, "an address without a port"
		}
		var addr netip.Addr
		if host = strings.Trim(host, "[]"); host != "" && host != "*" {
			a, err := netip.ParseAddr(host)
			if err != nil {
				return out, "a name instead of an address"
			}
			if a = a.WithZone(""); !a.IsUnspecified() {
				addr = a
			}
		}
		first, last, ranged := strings.Cut(ports, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from == 0 || to < from {
			return out, "not a port"
		}
		for p := from; p <= to && len(out) <= maxBinds; p++ {
			out = append(out, Bind{proxy, addr, uint16(p)})
		}
	}
	return out, ""
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// fields splits a line as HAProxy does: blanks part words, # begins a comment, a backslash takes the next character, ” takes everything and
// "" everything but backslashes. Variables stay as they are written.
func fields(line string) []string {
	var (
		out   []string
		word  strings.Builder
		in    bool
		quote byte
	)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != '\'' && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == '#':
			i = len(line)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if in {
				out = append(out, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, word.String())
	}
	return out
}
