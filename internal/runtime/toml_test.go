package runtime

import (
	"slices"
	"testing"
)

func TestTomlStrings(t *testing.T) {
	for _, c := range []struct {
		name, doc, key string
		want           []string
		fails          bool
	}{
		{name: "empty", key: "a"},
		{name: "top", doc: "a = 'x'", key: "a", want: []string{"x"}},
		{name: "table", doc: "[grpc] # c\n\taddress = \"/run/c.sock\" # c\n", key: "grpc.address", want: []string{"/run/c.sock"}},
		{name: "indented table", doc: "  [ grpc ]\r\n  address=\"/c\"\r\n", key: "grpc.address", want: []string{"/c"}},
		{name: "dotted key", doc: "grpc.address = '/c'", key: "grpc.address", want: []string{"/c"}},
		{name: "quoted table", doc: "[plugins.\"io.x\".y]\nk = 'v'", key: "plugins.io.x.y.k", want: []string{"v"}},
		{name: "another table", doc: "[debug]\naddress = '/d'\n[metrics]\naddress = '/m'", key: "grpc.address"},
		{name: "commented out", doc: "[grpc]\n# address = '/d'\n", key: "grpc.address"},
		{name: "array", doc: "p = [ 'a', # first\n \"b\",\n]\n", key: "p", want: []string{"a", "b"}},
		{name: "empty array", doc: "p = []\nq = 'x'", key: "p"},
		{name: "after others", doc: "n = 1\nf = 1.5\nb = true\nd = 1979-05-27T07:32:00Z\ni = { x = 'y', z = [ 1 ] }\na = 'x'", key: "a", want: []string{"x"}},
		{name: "array of tables", doc: "[[t]]\na = 'x'\n[u]\nb = 'y'", key: "u.b", want: []string{"y"}},
		{name: "hash and brackets in strings", doc: "x = \"[#\"\na = ']#'", key: "a", want: []string{"]#"}},
		{name: "escapes", doc: `a = "\"\u00e4\\"`, key: "a", want: []string{`"ä\`}},
		{name: "long string", doc: "l = \"\"\"\na = 'no'\n\"\"\"\na = '''\nyes'''", key: "a", want: []string{"yes"}},
		{name: "byte order mark", doc: "\ufeffa = 'x'", key: "a", want: []string{"x"}},
		{name: "number is no string", doc: "a = 1", key: "a"},
		{name: "table does not end", doc: "[grpc\naddress = 'x'", key: "grpc.address", fails: true},
		{name: "string does not end", doc: "a = 'x\nb = 'y'", key: "b", fails: true},
		{name: "array does not end", doc: "a = ['x'", key: "a", fails: true},
		{name: "no value", doc: "a\nb = 'y'", key: "b", fails: true},
		{name: "bracket too many", doc: "a = ]", key: "a", fails: true},
		{name: "broken after the key", doc: "a = 'x'\n[[[", key: "a", want: []string{"x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tomlStrings([]byte(c.doc), c.key)
			if (err != nil) != c.fails || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func FuzzTomlStrings(f *testing.F) {
	f.Add([]byte("[grpc]\naddress = \"/run/c.sock\"\n"), "grpc.address")
	f.Add([]byte("a = [[1, 'x'], {b = \"\"\"y\"\"\"}] # c"), "a")
	f.Add([]byte("[[t]]\n\"q\".'r' = 1"), "t.q.r")
	f.Add([]byte("a = \"\\"), "a")
	f.Fuzz(func(t *testing.T, doc []byte, key string) {
		got, err := tomlStrings(doc, key)
		if err != nil && got != nil {
			t.Errorf("both %q and %v", got, err)
		}
	})
}
