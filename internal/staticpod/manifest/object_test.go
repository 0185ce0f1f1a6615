package manifest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func TestObjects(t *testing.T) {
	r := Parse("objects.yaml", read1(t, "objects.yaml"), Options{NodeName: "node1"})
	if len(r.Objects) != 3 || len(r.Pods) != 0 || len(r.Problems) != 0 {
		t.Fatalf("%s", report(r))
	}
	for i, want := range []Object{
		// The hashes were written down once: another one restarts pods on an upgrade.
		{File: "objects.yaml", Document: 1, Kind: "ConfigMap", Namespace: "monitoring", Name: "prometheus", Immutable: true, Hash: "v1:95f3a55aff04c322ce462e37cdfe9dd03b61df0c06ef95dfbf70e409d06b5888",
			Data: map[string][]byte{"prometheus.yml": nil, "empty": {}, "flag": []byte("true"), "logo.png": []byte("\x89PNG\r\n\x1a\n")}},
		{File: "objects.yaml", Document: 2, Kind: "Secret", Namespace: "monitoring", Name: "prometheus", Hash: "v1:44aa564ed6b06b78571566965aad385708f1e05a7c292b71ac3d365def8a5479",
			Data: map[string][]byte{"password": []byte("hunter2"), "token": []byte("abc")}},
		{File: "objects.yaml", Document: 3, Kind: "Secret", Namespace: "default", Name: "tls", Hash: "v1:ff45da5ff273a3334b2e715a33c7c88c281751788d4125f811c7e4df3e28fc38",
			Data: map[string][]byte{"tls.crt": []byte("a"), "tls.key": []byte("b")}},
	} {
		got := r.Objects[i]
		if got.Key() != want.Key() || got.Document != want.Document || got.File != want.File || got.Immutable != want.Immutable || got.Hash != want.Hash || len(got.Data) != len(want.Data) {
			t.Errorf("%d: %s, document %d, hash %s, %d keys", i, got, got.Document, got.Hash, len(got.Data))
		}
		for k, v := range want.Data {
			if b, ok := got.Data[k]; !ok || b == nil || v != nil && string(b) != string(v) {
				t.Errorf("%s: key %s is %q, want %q", got, k, b, v)
			}
		}
	}
	if text := string(r.Objects[0].Data["prometheus.yml"]); !strings.HasPrefix(text, "global:\n  scrape_interval: 15s\n") {
		t.Errorf("%q", text)
	}
}

func TestHashOfDataHasNoSeams(t *testing.T) {
	seen := map[string]string{}
	for _, data := range []map[string][]byte{
		{}, {"a": nil}, {"a": []byte("b")}, {"ab": nil}, {"a": []byte("b"), "c": []byte("d")}, {"a": []byte("b1:c1:d")}, {"a": []byte("bc"), "d": nil}, {"b": []byte("a")},
	} {
		h := hashOfData(data)
		if other, ok := seen[h]; ok {
			t.Errorf("%q and %s have one hash", data, other)
		}
		seen[h] = fmt.Sprintf("%q", data)
	}
}

func TestAnObjectIsPrintedWithoutItsData(t *testing.T) {
	o := Object{Kind: "Secret", Namespace: "a", Name: "b", Data: map[string][]byte{"k": []byte("hunter2")}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{o, []Object{o}, map[ObjectKey]Object{o.Key(): o}, Result{Objects: []Object{o}}} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, "hunter2") || strings.Contains(got, "0x68") || strings.Contains(got, "104 117") {
				t.Errorf("%s: %s", format, got)
			}
		}
	}
}

func TestObjectKeysAsJSON(t *testing.T) {
	m := map[ObjectKey]int{{"Secret", "a", "b.c"}: 1, {"ConfigMap", "a", "b"}: 2}
	b, err := json.Marshal(m)
	if err != nil || string(b) != `{"ConfigMap/a/b":2,"Secret/a/b.c":1}` {
		t.Fatalf("%s, %v", b, err)
	}
	var back map[ObjectKey]int
	if err := json.Unmarshal(b, &back); err != nil || len(back) != 2 || back[ObjectKey{"Secret", "a", "b.c"}] != 1 {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{"", "a/b", "a/b/c/d"} {
		if err := new(ObjectKey).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestObjectSize(t *testing.T) {
	for size, ok := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		for _, text := range []string{
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b, c: '%s'}\n",
			"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b, c: '%s'}\n",
		} {
			r := Parse("x", fmt.Appendf(nil, text, strings.Repeat("x", size-1)), Options{})
			if (len(r.Objects) == 1) != ok || r.Failed() == ok {
				t.Errorf("%d bytes: %s", size, report(r))
			}
		}
	}
}

func TestSecretFile(t *testing.T) {
	secret := Result{Objects: []Object{{Kind: "ConfigMap"}, {Kind: "Secret", Document: 2}}}
	for _, c := range []struct {
		r    Result
		mode fs.FileMode
		uid  uint32
		want string
	}{
		{secret, 0o600, 0, ""},
		{secret, 0o400, 0, ""},
		{secret, 0o700, 0, ""},
		{secret, 0o644, 0, "/m/a.yaml: kind: the file holds a Secret and has mode 0644: others can read it; chmod 600 a.yaml"},
		{secret, 0o640, 0, "/m/a.yaml: kind: the file holds a Secret and has mode 0640: others can read it; chmod 600 a.yaml"},
		{secret, 0o602, 0, "/m/a.yaml: kind: the file holds a Secret and has mode 0602: others may change or run it; chmod 600 a.yaml"},
		{secret, 0o600, 1000, "/m/a.yaml: kind: the file holds a Secret and belongs to the user 1000; chown root:root a.yaml && chmod 600 a.yaml"},
		{Result{Objects: secret.Objects[:1]}, 0o644, 1000, ""},
		{Result{}, 0o666, 1000, ""},
	} {
		p, ok := SecretFile("/m/a.yaml", c.r, c.mode, c.uid)
		if ok != (c.want == "") || !ok && p.String() != c.want {
			t.Errorf("%v %d: %t %s", c.mode, c.uid, ok, p)
		}
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "PASSWORD": true, "adminPassword": true, "GF_SECURITY_ADMIN_PASSWORD": true, "client_secret": true, "clientSecret": true, "client-secret": true,
		"token": true, "bearer_token": true, "api_key": true, "apiKey": true, "apikey": true, "aws_secret_access_key": true, "private_key": true, "secret_key": true, "auth_pass": true,
		"tls.key": false, "key": false, "access_key": false, "public_key": false, "token_url": false, "password_file": false, "secretName": false, "passwords": false, "proxy_pass": false,
		"tokens": false, "": false, "_": false, "secret_ttl": false, "disable_gravatar": false,
	} {
		if got := secretName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestHasValue(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, `""`: false, "''": false, "null": false, "~": false, "|": false, ">-": false, "{": false, "[]": false, "true": false, "12": false, "${A}": false, "$__file{/a}": false,
		"{{ .Values.a }}": false, "<secret>": false, "/run/secrets/a": false, "****": false, "%(A)s": false, "# a comment": false, "'' # empty": false,
		"hunter2": true, `"hunter2"`: true, `"hunter2",`: true, "1234": true, "/abc+def==": true, "x # y": true,
	} {
		if got := hasValue(value); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}
