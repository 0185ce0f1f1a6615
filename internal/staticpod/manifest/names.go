package manifest

import (
	"path"
	"strings"
)

// notManifests are names that editors, people and package managers leave beside a manifest. A kubelet runs such a
// file like any other, and of two files with one pod name the later one wins (kubernetes/kubernetes#136962).
var notManifests = []struct{ pattern, what string }{
	{"*.bak", "a backup copy"},
	{"*.bak[0-9]", "a backup copy"},
	{"*.bck", "a backup copy"},
	{"*.backup", "a backup copy"},
	{"*.old", "an old copy"},
	{"*.orig", "the original that patch or a merge keeps"},
	{"*.rej", "the rejects that patch leaves"},
	{"*.save", "a copy that nano saves"},
	{"*.save.[0-9]", "a copy that nano saves"},
	{"*~", "an editor's backup"},
	{"#*#", "an Emacs auto-save file"},
	{"*.swp", "a Vim swap file"},
	{"*.swo", "a Vim swap file"},
	{"*.swn", "a Vim swap file"},
	{"*.swx", "a Vim swap file"},
	{"*.kate-swp", "a Kate swap file"},
	{"*.tmp", "a temporary file"},
	{"*.temp", "a temporary file"},
	{"*.part", "a file still being copied"},
	{"*.filepart", "a file still being copied"},
	{"*.crdownload", "a file still being copied"},
	{"*.disabled", "a manifest switched off by its name"},
	{"*.disable", "a manifest switched off by its name"},
	{"*.off", "a manifest switched off by its name"},
	{"*.rpmsave", "a copy that rpm keeps"},
	{"*.rpmnew", "a new version that rpm puts beside yours"},
	{"*.rpmorig", "a copy that rpm keeps"},
	{"*.dpkg-old", "a copy that dpkg keeps"},
	{"*.dpkg-new", "a version that dpkg is unpacking"},
	{"*.dpkg-dist", "a new version that dpkg puts beside yours"},
	{"*.dpkg-bak", "a copy that dpkg keeps"},
	{"*.dpkg-tmp", "a temporary file of dpkg"},
	{"*.dpkg-inst", "a version that dpkg is unpacking"},
	{"*.dpkg-remove", "a file that dpkg is removing"},
	{"*.ucf-*", "a version that ucf puts beside yours"},
	{"*.pacnew", "a new version that pacman puts beside yours"},
	{"*.pacsave", "a copy that pacman keeps"},
	{"*.augnew", "a new version that Augeas puts beside yours"},
	{"*.augsave", "a copy that Augeas keeps"},
	{"*.cfsaved", "a copy that CFEngine keeps"},
}

// IgnoredName tells whether a file of the manifest folder is left out because of its base name. Names that begin with
// a dot are ignored in silence, as a kubelet does (its glob is [^.]*): reason is empty. Names of backup, editor and
// package-manager files are ignored with a reason to show, because a kubelet would run them. Every other name is a
// manifest, whatever its extension, also as a kubelet does.
func IgnoredName(base string) (reason string, ignored bool) {
	if base == "" || strings.HasPrefix(base, ".") {
		return "", true
	}
	lower := strings.ToLower(base)
	for _, n := range notManifests {
		if matches(n.pattern, lower) {
			return "its name matches " + n.pattern + " (" + n.what + "), which a kubelet would run; rename it, or move it out of the folder", true
		}
	}
	return "", false
}

// matches is path.Match for patterns that are constants and compiled by a test. Most are an ending, and each file of the folder is held against
// all of them at each listing.
func matches(pattern, name string) bool {
	if ending, ok := strings.CutPrefix(pattern, "*"); ok && !strings.ContainsAny(ending, `*?[\`) {
		return strings.HasSuffix(name, ending)
	}
	ok, _ := path.Match(pattern, name)
	return ok
}
