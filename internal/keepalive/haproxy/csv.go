package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/view"
)

// The bounds of what is believed of an answer.
const (
	maxAnswer = 4 << 20 // bytes; a server's line is some 600
	maxRows   = 10_000  // proxies and servers
	maxText   = 200     // bytes of one text
)

// info is what is used of `show info`.
type info struct {
	name, version string
	pid           int
	uptime        time.Duration
	conns, max    int64
	stopping      bool
}

// parseInfo reads the lines of `show info`. Unknown ones are passed over.
func parseInfo(text string) (info, error) {
	var out info
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		if !ok {
			continue
		}
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "Name":
			out.name = short(value)
		case "Version":
			out.version = short(value)
		case "Pid":
			out.pid = int(n)
		case "Uptime_sec":
			out.uptime = seconds(n)
		case "CurrConns":
			out.conns = n
		case "Maxconn":
			out.max = n
		case "Stopping":
			out.stopping = n != 0
		}
	}
	if out.name == "" && out.version == "" {
		return info{}, fmt.Errorf("read show info: no Name or Version in %q", short(text))
	}
	return out, nil
}

// seconds never overflows.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 100*365*24*3600)) * time.Second
}

// proxies is what `show stat` tells.
type proxies struct {
	frontends []Frontend
	backends  []Backend
}

// parseStat reads the CSV of `show stat`: columns are found by their names, which every version adds to. It refuses an answer without the
// columns that are needed, and one above the bounds.
func parseStat(text string) (proxies, error) {
	var out proxies
	if len(text) > maxAnswer {
		return out, fmt.Errorf("read show stat: more than %d bytes", maxAnswer)
	}
	body, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return out, fmt.Errorf("read show stat: want a header that begins with #, got %q", short(text))
	}
	r := csv.NewReader(strings.NewReader(body))
	r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
	head, err := r.Read()
	if err != nil {
		return out, fmt.Errorf("read show stat: %w", err)
	}
	at := columns{}
	for i, name := range head {
		if _, twice := at[name]; !twice {
			at[strings.Clone(name)] = i
		}
	}
	for _, need := range []string{"pxname", "svname", "status", "type"} {
		if _, ok := at[need]; !ok {
			return out, fmt.Errorf("read show stat: no column %s", need)
		}
	}
	index := map[string]int{}
	for rows := 0; ; rows++ {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return proxies{}, fmt.Errorf("read show stat: %w", err)
		}
		if rows == maxRows {
			return proxies{}, fmt.Errorf("read show stat: more than %d lines", maxRows)
		}
		out.add(row{at, fields}, index)
	}
}

type columns map[string]int

type row struct {
	at     columns
	fields []string
}

func (r row) text(name string) string {
	i, ok := r.at[name]
	if !ok || i >= len(r.fields) {
		return ""
	}
	return short(r.fields[i])
}

func (r row) number(name string) int64 {
	n, err := strconv.ParseInt(r.text(name), 10, 64)
	if err != nil {
		return 0 // empty where it does not apply
	}
	return n
}

// add puts one line where it belongs. Servers come before their backend's own line.
func (p *proxies) add(r row, index map[string]int) {
	name := r.text("pxname")
	backend := func() *Backend {
		i, ok := index[name]
		if !ok {
			i = len(p.backends)
			index[name] = i
			p.backends = append(p.backends, Backend{Name: name})
		}
		return &p.backends[i]
	}
	switch r.text("type") {
	case "0":
		p.frontends = append(p.frontends, Frontend{
			Name: name, Status: r.text("status"), Sessions: r.number("scur"), MaxSessions: r.number("slim"), Total: r.number("stot"),
		})
	case "1":
		b := backend()
		b.Status, b.Sessions, b.Queue, b.Total = r.text("status"), r.number("scur"), r.number("qcur"), r.number("stot")
	case "2":
		s := Server{
			Name: r.text("svname"), Address: r.text("addr"), Status: r.text("status"), Backup: r.number("bck") > 0, Weight: r.number("weight"),
			Sessions: r.number("scur"), Queue: r.number("qcur"), Total: r.number("stot"),
			Check:     strings.TrimPrefix(r.text("check_status"), "* "), // the star: another check is on its way
			CheckCode: r.number("check_code"), CheckTook: min(seconds(r.number("check_duration"))/1000, time.Hour),
			CheckText: checkText(r), Changed: seconds(r.number("lastchg")),
		}
		b := backend()
		b.Servers = append(b.Servers, s)
		if s.checked() {
			b.Checked++
			if s.live() {
				b.Live++
			}
		}
	}
}

func checkText(r row) string {
	parts := slices.DeleteFunc([]string{r.text("check_desc"), r.text("last_chk")}, func(s string) bool { return s == "" })
	return strings.Join(slices.Compact(parts), ": ")
}

// live reports whether it takes connections as far as its check can tell: UP and UP 1/3 (going down) do, and so does one that drains or that
// is up with no weight.
func (s Server) live() bool {
	word, _, _ := strings.Cut(s.Status, " ")
	return word == "UP" || word == "NOLB" || word == "DRAIN"
}

// checked reports whether HAProxy checks it: not without `check`, and not in maintenance.
func (s Server) checked() bool {
	word, _, _ := strings.Cut(s.Status, " ")
	return word == "UP" || word == "DOWN" || word == "NOLB" || word == "DRAIN"
}

func short(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(view.OneLine(s), "")
}
