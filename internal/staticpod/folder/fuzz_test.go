package folder

import (
	"slices"
	"testing"
	"time"
)

// FuzzNext reads folders in any order and holds the promise of the package: no pod and no object of an accepted manifest goes unless its file was
// absent from a good reading of the folder it was read from, or other content of it was accepted.
func FuzzNext(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 0, 0, 0, 1, 2})
	f.Add([]byte{0, 1, 1, 16, 0, 0, 32, 1, 0, 0, 1, 1})
	f.Add([]byte{0, 1, 2, 0, 2, 1, 64, 3, 4, 16, 9, 9, 1, 5, 1, 2, 1, 1})
	f.Add([]byte{0, 0x91, 0xa0, 0, 0x61, 0xa0, 0, 0x61, 0x60, 16, 0, 0xb0, 0, 0x0b, 0})
	f.Add([]byte{0, 9, 9, 128, 1, 10, 0, 0, 0, 16, 1, 0, 16, 0, 0, 0, 17, 17})
	names := []string{"a.yaml", "b.yaml", "c.yaml", "d.yaml"}
	contents := []string{"", "x:1", "x:2", "y:1", "x:1 y:1", "bad", "?busy", "?err", "@o:1", "@o:2 y:1", "x:1 @o:1"}
	f.Fuzz(func(t *testing.T, data []byte) {
		var kept Kept
		var had Desired
		now := noon
		for len(data) >= 3 {
			flags, low, high := data[0], data[1], data[2]
			data = data[3:]
			s := step{inode: 1 + uint64(flags&16>>4), missing: flags&32 != 0 && flags&64 != 0}
			picks := []byte{low & 15, low >> 4, high & 15, high >> 4} // 0: absent
			for i, p := range picks {
				if p > 0 && int(p) <= len(contents) {
					s.files += names[i] + "=" + contents[p-1] + ","
				}
			}
			if flags&128 != 0 {
				kept = restarted(kept)
			}
			now = now.Add(time.Duration(flags&15) * time.Second)
			l := listing(s)
			next, d := Next(kept, l, Options{Boot: "1", Parse: parse, Now: now})
			gone := func(key, from string) {
				file, there := l.Files[from]
				better := parse(from, file.Bytes)
				switch {
				case l.Err != nil:
					t.Fatalf("%s is gone with a folder that can't be read", key)
				case !there && l.Identity != kept.Identity:
					t.Fatalf("%s is gone with a file of another folder: %+v", key, s)
				case there && (file.Bytes == nil || len(better.Pods)+len(better.Objects) == 0):
					t.Fatalf("%s is gone and its file %q holds nothing better", key, file.Bytes)
				}
			}
			for key, w := range had.Pods {
				if _, still := d.Pods[key]; !still {
					gone(key, w.File)
				}
			}
			for key, o := range had.Objects {
				if _, still := d.Objects[key]; !still {
					gone(key.String(), o.File)
				}
			}
			for key, o := range d.Objects {
				if o.Key() != key || next.Holders[key] != o.File {
					t.Fatalf("%s is %+v, holder %q", key, o, next.Holders[key])
				}
			}
			for key, w := range d.Pods {
				if w.Pod.Key() != key || w.File != w.Pod.File || next.Owners[key] != w.File {
					t.Fatalf("%s is wanted as %+v, owner %q", key, w, next.Owners[key])
				}
				if w.Stance == Freeze {
					t.Fatalf("%s is frozen without a boot", key)
				}
			}
			for file, last := range next.Files {
				for _, key := range last.Keys {
					if owner := next.Owners[key]; owner != file && !slices.Contains(next.Files[owner].Keys, key) {
						t.Fatalf("%s belongs to %s, which does not have it", key, owner)
					}
				}
			}
			kept, had = next, d
		}
	})
}
