package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestAcceptedReadsBack(t *testing.T) {
	for _, files := range [][]SourceFile{
		{},
		{{"a.yaml", []byte("# <&>\u2028\nnodeName: n1\r\n")}, {"b.yaml", nil}, {"c.yaml", []byte("conditions: {A: {valid: 5s}}")}},
	} {
		l, err := Parse(files, Options{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := FromAccepted(l.Accepted(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back.Config, l.Config) || !reflect.DeepEqual(back.Origins, l.Origins) {
			t.Errorf("got %+v, want %+v", back, l)
		}
		if a, b := string(l.Accepted()), string(back.Accepted()); a != b {
			t.Errorf("got %s, want %s", b, a)
		}
	}
}

// TestAcceptedFormat pins version 1: a file written by any release that has it is read by every later one.
func TestAcceptedFormat(t *testing.T) {
	const v1 = `{
  "version": 1,
  "files": [
    {
      "path": "/etc/nodeagent/config.yaml",
      "text": "nodeName: n1\n"
    }
  ]
}
`
	l, err := FromAccepted([]byte(v1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if l.Config.NodeName != "n1" || string(l.Accepted()) != v1 {
		t.Errorf("got %q, written again as %s", l.Config.NodeName, l.Accepted())
	}
}

func TestAcceptedRefused(t *testing.T) {
	for data, want := range map[string]string{
		``:              "read the last accepted config: unexpected end of JSON input",
		`{"version":2}`: "read the last accepted config: it has version 2 and this nodeagent reads 1; install the newer nodeagent, or remove it",
		`{}`:            "read the last accepted config: it has version 0",
		`{"version":1,"files":[{"path":"f","text":"x: 1"}]}`: "f:1:1: x: unknown key",
	} {
		if _, err := FromAccepted([]byte(data), Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
	}
}
