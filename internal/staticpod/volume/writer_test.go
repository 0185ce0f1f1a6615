package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriteLayout(t *testing.T) {
	dir := t.TempDir()
	changed, err := write(dir, payload{"a": {[]byte("1"), 0o400}, "sub/x/b": {[]byte("2"), 0o644}, "sub/c": {[]byte("3"), 0o755}}, nil)
	check(t, err)
	if !changed {
		t.Error("the first write changed nothing")
	}
	want := strings.TrimSpace(`
-r-------- ..STAMP/a = 1
-rw-r--r-- ..STAMP/sub/x/b = 2
-rwxr-xr-x ..STAMP/sub/c = 3
drwxr-xr-x .
drwxr-xr-x ..STAMP
drwxr-xr-x ..STAMP/sub
drwxr-xr-x ..STAMP/sub/x
link ..data -> ..STAMP
link a -> ..data/a
link sub -> ..data/sub`)
	if got := listing(t, dir); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWriteOnlyWhatDiffers(t *testing.T) {
	first := payload{"a": {[]byte("1"), 0o644}, "sub/b": {[]byte("2"), 0o644}}
	tests := map[string]struct {
		next    payload
		meddle  func(t *testing.T, dir string)
		changed bool
	}{
		"equal":          {next: first},
		"content":        {next: payload{"a": {[]byte("9"), 0o644}, "sub/b": {[]byte("2"), 0o644}}, changed: true},
		"mode":           {next: payload{"a": {[]byte("1"), 0o600}, "sub/b": {[]byte("2"), 0o644}}, changed: true},
		"one more":       {next: payload{"a": {[]byte("1"), 0o644}, "sub/b": {[]byte("2"), 0o644}, "sub/c": {nil, 0o644}}, changed: true},
		"one less":       {next: payload{"a": {[]byte("1"), 0o644}}, changed: true},
		"none":           {next: payload{}, changed: true},
		"file to folder": {next: payload{"a/b": {[]byte("1"), 0o644}}, changed: true},
		"a lost link":    {next: first, changed: true, meddle: func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "a"))) }},
		"a wrong link": {next: first, changed: true, meddle: func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, "a")))
			check(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a")))
		}},
		"a folder in place of a link": {next: first, changed: true, meddle: func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, "a")))
			put(t, filepath.Join(dir, "a", "x"), "")
		}},
		"..data is a folder": {next: first, changed: true, meddle: func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, dataLink)))
			put(t, filepath.Join(dir, dataLink, "a"), "1")
		}},
		"..data leads out": {next: first, changed: true, meddle: func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, dataLink)))
			check(t, os.Symlink("../../etc", filepath.Join(dir, dataLink)))
		}},
		"a swap cut short before the rename": {next: first, meddle: func(t *testing.T, dir string) {
			check(t, os.Symlink("..2020_01_01_00_00_00.1", filepath.Join(dir, dataNext)))
			put(t, filepath.Join(dir, "..2020_01_01_00_00_00.1", "a"), "half")
		}},
		"the same, with other content to come": {next: payload{"z": {[]byte("9"), 0o644}}, changed: true, meddle: func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, dataNext, "a"), "half")
			put(t, filepath.Join(dir, "..2020_01_01_00_00_00.1", "a"), "half")
		}},
		"files lost with the power": {next: first, changed: true, meddle: func(t *testing.T, dir string) {
			check(t, os.Truncate(filepath.Join(dir, "a"), 0))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, fresh := t.TempDir(), t.TempDir()
			_, err := write(dir, first, nil)
			check(t, err)
			if tt.meddle != nil {
				tt.meddle(t, dir)
			}
			changed, err := write(dir, tt.next, nil)
			check(t, err)
			if changed != tt.changed {
				t.Errorf("changed is %t", changed)
			}
			_, err = write(fresh, tt.next, nil)
			check(t, err)
			if got, want := listing(t, dir), listing(t, fresh); got != want {
				t.Errorf("got\n%s\nwant what a fresh folder gets\n%s", got, want)
			}
			before, err := os.Readlink(filepath.Join(dir, dataLink))
			check(t, err)
			var st, now unix.Stat_t
			check(t, unix.Lstat(dir, &st))
			again, err := write(dir, tt.next, nil)
			check(t, err)
			if after, _ := os.Readlink(filepath.Join(dir, dataLink)); again || after != before {
				t.Errorf("equal content is written again: %s, then %s", before, after)
			}
			if check(t, unix.Lstat(dir, &now)); now.Ctim != st.Ctim {
				t.Error("the folder is touched with nothing to do")
			}
		})
	}
}

func TestWriteLeavesOthersFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "notes"), "mine")
	check(t, os.Symlink("elsewhere", filepath.Join(dir, "link")))
	_, err := write(dir, payload{"a": {}}, nil)
	check(t, err)
	if read(t, filepath.Join(dir, "notes")) != "mine" {
		t.Error("a file that is not the writer's is changed")
	}
	if to, _ := os.Readlink(filepath.Join(dir, "link")); to != "elsewhere" {
		t.Error("a link that is not the writer's is gone")
	}
}

func TestWriteForAGroup(t *testing.T) {
	dir, gid := t.TempDir(), int64(os.Getgid())
	_, err := write(dir, payload{"a": {[]byte("1"), 0o400}, "s/b": {nil, 0o600}}, &gid)
	check(t, err)
	for _, line := range []string{"-r--r----- ..STAMP/a = 1", "-rw-r----- ..STAMP/s/b = ", "dgrwxr-xr-x ..STAMP/s", "dgrwxr-xr-x ."} {
		if got := listing(t, dir); !strings.Contains(got+"\n", line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	if again, err := write(dir, payload{"a": {[]byte("1"), 0o400}, "s/b": {nil, 0o600}}, &gid); again || err != nil {
		t.Errorf("equal content is written again, %v", err)
	}
}

func TestPaths(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, name := range []string{"", ".", "/", "/a", "..", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "..data", "..x/y", "a\x00b", "\xff", long, "a/" + long,
		strings.Repeat("a/", 1100) + "a"} {
		if err := (payload{name: {}}).check(); err == nil {
			t.Errorf("%.40q is taken", name)
		}
	}
	for _, name := range []string{"a", "a/b", ".hidden", "a/..b", long[:255], "é"} {
		if err := (payload{name: {}}).check(); err != nil {
			t.Error(err)
		}
	}
	wrong(t, payload{"a": {}, "a/b/c": {}}.check(), `"a" is a file and, for "a/b/c", a folder`)
}

// FuzzWrite writes two payloads after each other, over whatever the first left, and holds that nothing outside the volume changes, that
// the volume then shows the second and nothing else, and that a third look finds nothing to do.
func FuzzWrite(f *testing.F) {
	f.Add("a\n1\nb/c\n2", "a\n2", uint16(0o644))
	f.Add("../x\n1", "a\n1", uint16(0))
	f.Add("a\n1", "a/b\n1\n..data\n2", uint16(0o777))
	f.Add("a/../../x\n1", "/etc/x\n1\n.\n", uint16(0o400))
	f.Fuzz(func(t *testing.T, one, two string, mode uint16) {
		top := t.TempDir()
		dir := filepath.Join(top, "pod", "volume")
		check(t, os.MkdirAll(dir, 0o755))
		put(t, filepath.Join(top, "precious"), "stays")
		put(t, filepath.Join(top, "pod", "precious"), "stays")
		for _, text := range []string{one, two} {
			files := payload{}
			parts := strings.Split(text, "\n")
			for i := 0; i+1 < len(parts); i += 2 {
				files[parts[i]] = file{[]byte(parts[i+1]), uint32(mode) & 0o777}
			}
			_, err := write(dir, files, nil)
			if (err == nil) != (files.check() == nil) {
				t.Fatalf("the check says %v and the write %v", files.check(), err)
			}
			for _, at := range []string{top, filepath.Join(top, "pod")} {
				if entries, err := os.ReadDir(at); err != nil || len(entries) != 2 || read(t, filepath.Join(at, "precious")) != "stays" {
					t.Fatalf("%s holds %v, %v", at, entries, err)
				}
			}
			if err != nil {
				continue
			}
			for name, want := range files {
				st, err := os.Stat(filepath.Join(dir, name))
				check(t, err)
				if os.Getuid() == 0 && read(t, filepath.Join(dir, name)) != string(want.data) || uint32(st.Mode().Perm()) != want.mode {
					t.Fatalf("%q is not what it should be: %v", name, st.Mode())
				}
			}
			if again, err := write(dir, files, nil); os.Getuid() == 0 && (again || err != nil) {
				t.Fatalf("a second write finds something to do: %t, %v", again, err)
			}
		}
	})
}
