package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestForms(t *testing.T) {
	long := "/" + strings.Repeat("a", 107)
	for _, c := range []struct{ form, in, out, message, fix string }{
		{"nodeName", "node-1.example.org", "node-1.example.org", "", ""},
		{"nodeName", "Node-1", "", `"Node-1" has capital letters`, "give node-1"},
		{"nodeName", "node_1", "", `"node_1" is not a node name`, "give small letters, digits, '-' and '.', such as node-1"},
		{"nodeName", strings.Repeat("a", 254), "", "is 254 characters long", "give at most 253"},
		{"endpoint", "unix:///run/containerd/containerd.sock", "unix:///run/containerd/containerd.sock", "", ""},
		{"endpoint", "unix:///run//x/../y.sock", "unix:///run/y.sock", "", ""},
		{"endpoint", "/run/crio/crio.sock", "", `"/run/crio/crio.sock" has no scheme`, "give unix:///run/crio/crio.sock"},
		{"endpoint", "unix://run/crio.sock", "", `"unix://run/crio.sock" lacks a slash`, "give unix:///run/crio.sock"},
		{"endpoint", "tcp://127.0.0.1:1", "", `"tcp://127.0.0.1:1" is not a unix socket`, "give " + wantEndpoint},
		{"endpoint", "unix://", "", `"unix://" is not a unix socket`, "give " + wantEndpoint},
		{"endpoint", "unix://" + long, "unix://", "is 108 bytes long", "give at most 107, the kernel's limit for a socket"},
		{"path", "/a//b/", "/a/b", "", ""},
		{"path", "/", "/", "", ""},
		{"path", "~/x", "", `"~/x" is a relative path`, "give the whole path, starting with /"},
		{"path", "/a\x00", "", `"/a\x00" has characters that can't be printed`, "give a plain path"},
		{"path", "/" + strings.Repeat("a", 4095), "", "is 4096 bytes long", "give at most 4095"},
		{"dir", "/..", "", "is the root folder", "give a folder of its own, such as /var/lib/nodeagent"},
		{"socket", long[:107], long[:107], "", ""},
		{"listen", ":10071", ":10071", "", ""},
		{"listen", "127.0.0.1:0", "127.0.0.1:0", "", ""},
		{"listen", "[fe80::1%eth0]:10071", "[fe80::1%eth0]:10071", "", ""},
		{"listen", "10071", "", "10071 is a port alone", `give ":10071"`},
		{"listen", "::1", "", `"::1" is not an address and port`, "give " + wantListen},
		{"listen", ":http", "", `port "http" is not a number from 0 to 65535`, `give a port, such as ":10071"`},
		{"listen", ":70000", "", `port "70000" is not a number from 0 to 65535`, `give a port, such as ":10071"`},
		{"listen", "localhost:10071", "", `"localhost" is not an IP address`, `give one, or none for all: ":10071"`},
		{"group", "nodeagent", "nodeagent", "", ""},
		{"group", "a b", "", `"a b" is not the name of a group`, "give a name, such as nodeagent"},
	} {
		got, bad := forms[c.form].check(c.in)
		var want *fault
		if c.message != "" {
			want = &fault{c.message, c.fix}
		}
		if !reflect.DeepEqual(bad, want) || (bad == nil && got != c.out) {
			t.Errorf("%s %q: got %q, %v, want %q, %v", c.form, c.in, got, bad, c.out, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"8Mi": 8 << 20, "0": 0, "1500": 1500, "2k": 2000, "3Ti": 3 << 40, "-1Ki": -1024} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, ok, want)
		}
		if got, ok := parseSize(want.String()); !ok || got != want {
			t.Errorf("%s: reads back as %d, %v", want, got, ok)
		}
	}
	for _, text := range []string{"", "Mi", "1.5Mi", "8MB", "8 Mi", "8mi", "9999999Ti", "99999999999999999999"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q: read as %d, want refused", text, got)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s",
		10 * time.Second: "10s", 20 * time.Minute: "20m", 1500 * time.Millisecond: "1.5s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
		if back, err := time.ParseDuration(want); err != nil || back != d {
			t.Errorf("%s: reads back as %v, %v", want, back, err)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := names(reflect.TypeFor[Config]())
	for name, want := range map[string]string{
		"nodename": "nodeName", "sttaicPods": "staticPods", "staticPodsPath": "staticPodPath", "lg": "log", "ap": "api",
		"runtimeTimeout": "", "x": "", "": "", "condition": "conditions", strings.Repeat("log", 40): "",
	} {
		if got := nearest(name, keys); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestTags catches a tag that the reading code would not understand.
func TestTags(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			switch f.typ.Kind() {
			case reflect.Struct, reflect.Map:
				if f.typ.Kind() == reflect.Map {
					walk(f.typ.Elem())
				} else {
					walk(f.typ)
				}
				continue
			case reflect.String, reflect.Slice:
				if _, ok := forms[f.form]; ok == (f.oneof != nil) {
					t.Errorf("%s: needs a known form or oneof", f.name)
				}
				continue
			case reflect.Bool, reflect.Pointer:
				continue
			}
			low, ok1 := parseText(f.typ, f.span[0])
			high, ok2 := parseText(f.typ, f.span[1])
			if !ok1 || !ok2 || compare(low, high) >= 0 {
				t.Errorf("%s: range %q", f.name, f.span)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}
