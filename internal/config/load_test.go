package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{{}, {File: filepath.Join(dir, "config.yaml"), Dir: filepath.Join(dir, "config.d")}} {
		l, err := Load(o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(l.Config, Default()) || len(l.Raw) != 0 {
			t.Errorf("got %+v from %v", l.Config, l.Raw)
		}
	}
}

func TestLoadOrder(t *testing.T) {
	dir := t.TempDir()
	main, d := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "config.d")
	write(t, main, "syncFrequency: 1s\nlog: {level: debug}\n")
	write(t, d+"/20-b.yaml", "syncFrequency: 4s\n")
	write(t, d+"/10-a.yaml", "syncFrequency: 3s\nlog: {format: json}\n")
	for _, name := range []string{"30.yaml~", "#30.yaml#", ".30.yaml", ".#20-b.yaml", "30.yml", "30.yaml.rpmsave", "README"} {
		write(t, d+"/"+name, "this is: not: read\n")
	}
	if err := os.Mkdir(d+"/40.yaml", 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Options{File: main, Dir: d})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Config.SyncFrequency.String(); got != "4s" || l.Config.Log != (Log{"debug", "json"}) {
		t.Errorf("got syncFrequency %s and log %+v, want 4s of the last file, debug of the first, json of the second", got, l.Config.Log)
	}
	var read []string
	for _, f := range l.Raw {
		read = append(read, f.Path)
	}
	if want := []string{main, d + "/10-a.yaml", d + "/20-b.yaml"}; !reflect.DeepEqual(read, want) {
		t.Errorf("read %v, want %v", read, want)
	}
	if want := []string{d + "/#30.yaml#", d + "/30.yaml.rpmsave", d + "/30.yaml~", d + "/30.yml", d + "/40.yaml", d + "/README"}; !reflect.DeepEqual(l.Ignored, want) {
		t.Errorf("ignored %v, want %v", l.Ignored, want)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	main, d := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "config.d")
	write(t, d+"/50.yaml", "nodeName: A\n")
	if err := os.Symlink("gone", d+"/10.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(d+"/20.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Options{File: main, Explicit: true, Dir: d})
	if err == nil {
		t.Fatal("accepted")
	}
	want := strings.ReplaceAll(`DIR/config.yaml: there is no such file; look at the path
DIR/config.d/10.yaml: is a link to a file that is not there; mend the link or remove it
DIR/config.d/20.yaml: is not a regular file; give a file
DIR/config.d/50.yaml:1:11: nodeName: "A" has capital letters; give a`, "DIR", dir)
	if got := err.Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}

	_, err = Load(Options{File: main, Dir: d + "/50.yaml"})
	if want := d + "/50.yaml: is not a folder; give a folder of *.yaml files"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Load(Options{File: d})
	if want := d + ": is not a regular file; give a file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
