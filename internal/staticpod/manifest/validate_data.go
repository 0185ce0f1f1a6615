package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// dataVolume checks the volumes whose files are written from objects and from the pod's own facts.
func (v validator) dataVolume(vol *corev1.Volume, p place) {
	files := fileTree{v: v, files: map[string]bool{}, folders: map[string]bool{}, strict: v.opts.Mode == Run}
	if s := vol.ConfigMap; s != nil {
		at := p.field("configMap")
		v.objectName(s.Name, at.field("name"))
		v.mode(s.DefaultMode, at.field("defaultMode"))
		v.items(s.Items, &files, at.field("items"))
	}
	if s := vol.Secret; s != nil {
		at := p.field("secret")
		v.objectName(s.SecretName, at.field("secretName"))
		v.mode(s.DefaultMode, at.field("defaultMode"))
		v.items(s.Items, &files, at.field("items"))
	}
	if s := vol.DownwardAPI; s != nil {
		at := p.field("downwardAPI")
		v.mode(s.DefaultMode, at.field("defaultMode"))
		v.downward(s.Items, &files, at.field("items"))
	}
	if s := vol.Projected; s != nil {
		files.strict = true // the API looks for doubled paths in these alone
		v.projected(s, &files, p.field("projected"))
	}
}

func (v validator) projected(s *corev1.ProjectedVolumeSource, files *fileTree, p place) {
	v.mode(s.DefaultMode, p.field("defaultMode"))
	for i, source := range s.Sources {
		at := p.field("sources").index(i)
		n := 0
		for _, set := range []bool{source.ConfigMap != nil, source.Secret != nil, source.DownwardAPI != nil, source.ServiceAccountToken != nil,
			source.ClusterTrustBundle != nil, source.PodCertificate != nil} {
			if set {
				n++
			}
		}
		switch {
		case n > 1:
			v.at(at, "a source is exactly one of configMap, secret and downwardAPI, got more", "write each as an item of its own")
		case n == 0:
			v.at(at, "a source is one of configMap, secret and downwardAPI, got none", "")
		}
		if c := source.ConfigMap; c != nil {
			v.objectName(c.Name, at.field("configMap").field("name"))
			v.items(c.Items, files, at.field("configMap").field("items"))
		}
		if c := source.Secret; c != nil {
			v.objectName(c.Name, at.field("secret").field("name"))
			v.items(c.Items, files, at.field("secret").field("items"))
		}
		if c := source.DownwardAPI; c != nil {
			v.downward(c.Items, files, at.field("downwardAPI").field("items"))
		}
	}
}

// objectName checks the name of an object that a volume refers to. The API asks only that there is one.
func (v validator) objectName(name string, p place) {
	if name == "" || v.opts.Mode == Run {
		v.fail(p, dnsSubdomain(name))
	}
}

// mode checks the mode of a file. A decimal 644 is the usual mistake, in JSON above all.
func (v validator) mode(mode *int32, p place) {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		v.at(p, "must lie between 0 and 0777, in octal with a 0 in front, or between 0 and 511 in decimal", "in YAML write 0644, in JSON 420")
	}
}

func (v validator) items(items []corev1.KeyToPath, files *fileTree, p place) {
	for i, item := range items {
		at := p.index(i)
		switch {
		case item.Key == "":
			v.at(at.field("key"), "required", "")
		case v.opts.Mode == Run:
			v.fail(at.field("key"), dataKey(item.Key))
		}
		files.add(item.Path, at.field("path"))
		v.mode(item.Mode, at.field("mode"))
	}
}

func (v validator) downward(items []corev1.DownwardAPIVolumeFile, files *fileTree, p place) {
	for i, item := range items {
		at := p.index(i)
		files.add(item.Path, at.field("path"))
		v.mode(item.Mode, at.field("mode"))
		switch {
		case item.FieldRef != nil && item.ResourceFieldRef != nil:
			v.at(at, "fieldRef and resourceFieldRef exclude each other", "keep one")
		case item.FieldRef != nil:
			v.fieldRef(item.FieldRef, volumePaths, at.field("fieldRef"))
		case item.ResourceFieldRef != nil:
			v.resourceRef(item.ResourceFieldRef, true, at.field("resourceFieldRef"))
		default:
			v.at(at, "one of fieldRef and resourceFieldRef is required", "")
		}
	}
}

// maxPath is what Linux takes of a path below a volume (PATH_MAX).
const maxPath = 4095

// fileTree holds the paths that a volume's files take.
type fileTree struct {
	v              validator
	files, folders map[string]bool
	strict         bool // two files of one path are an error
}

func (t *fileTree) add(name string, p place) {
	v := t.v
	if name == "" {
		v.at(p, "required", "")
		return
	}
	if m := descending(name); m != "" {
		v.at(p, m, "")
		return
	}
	if strings.HasPrefix(name, "..") {
		v.at(p, quoted(name)+" may not begin with two dots", "")
		return
	}
	clean := path.Clean(name)
	if v.opts.Mode == Run && !t.fits(name, clean, p) {
		return
	}
	if t.strict && t.files[clean] {
		v.at(p, "another file of the volume has the path "+quoted(name), "")
	}
	t.files[clean] = true
}

// fits checks what the file system would refuse later, and notes the folders of a path.
func (t *fileTree) fits(name, clean string, p place) bool {
	switch {
	case len(name) > maxPath:
		t.v.at(p, fmt.Sprintf("at most %d characters are allowed, got %d", maxPath, len(name)), "")
		return false
	case clean == "." || strings.HasSuffix(name, "/"):
		t.v.at(p, quoted(name)+" names no file", "")
		return false
	}
	inTheWay := t.folders[clean]
	for dir := path.Dir(clean); dir != "."; dir = path.Dir(dir) {
		inTheWay = inTheWay || t.files[dir]
		t.folders[dir] = true
	}
	if inTheWay {
		t.v.at(p, quoted(name)+" and another path of the volume exclude each other: one is a folder of the other", "")
	}
	return !inTheWay
}

// descending checks a path that must lead downwards: relative, and with no element that is two dots.
func descending(p string) string {
	switch {
	case path.IsAbs(p):
		return quoted(p) + " must be a relative path"
	case slices.Contains(strings.Split(p, "/"), ".."):
		return quoted(p) + " may not hold .."
	}
	return ""
}
