package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The kinds of objects that a folder may hold beside pods.
const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
)

// ObjectKey names a ConfigMap or a Secret.
type ObjectKey struct {
	Kind, Namespace, Name string
}

// String is "ConfigMap default/web".
func (k ObjectKey) String() string { return k.Kind + " " + k.Namespace + "/" + k.Name }

// MarshalText and UnmarshalText make a key of a JSON mapping.
func (k ObjectKey) MarshalText() ([]byte, error) {
	return []byte(k.Kind + "/" + k.Namespace + "/" + k.Name), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *ObjectKey) UnmarshalText(b []byte) error {
	parts := strings.Split(string(b), "/")
	if len(parts) != 3 {
		return fmt.Errorf("%q is no kind/namespace/name", short(string(b)))
	}
	k.Kind, k.Namespace, k.Name = parts[0], parts[1], parts[2]
	return nil
}

// Object is one ConfigMap or Secret of a manifest.
type Object struct {
	File     string
	Document int // number of the document in the file, from 1
	// Kind is ConfigMap or Secret; Namespace has its default filled in.
	Kind, Namespace, Name string
	// Hash identifies Data: "v1:" and a sha256 in hex. It is no secret's guard: who sees it can try guesses.
	Hash string
	// Immutable is what the document says: its data must not change under this name.
	Immutable bool
	// Data is that of a ConfigMap (data and binaryData) or of a Secret (data, decoded, and stringData). It belongs to the caller.
	Data map[string][]byte
	// Binary are the keys that stand in a ConfigMap's binaryData: they are files of volumes, never environment.
	Binary []string
}

// Key names the object.
func (o Object) Key() ObjectKey { return ObjectKey{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name} }

// String keeps the data of an Object out of whatever prints it.
func (o Object) String() string { return o.Key().String() }

// GoString does the same for %#v.
func (o Object) GoString() string { return o.Key().String() }

// parseObject gives the object of one document, or adds to s why there is none.
func parseObject(s *sink, kind string, value any, raw []byte, at place, o Options) (Object, bool) {
	out := Object{File: s.file, Document: s.document, Kind: kind, Data: map[string][]byte{}}
	v := validator{sink: s, opts: o}
	if kind == kindConfigMap {
		var c corev1.ConfigMap
		if !decode(s, value, raw, at, o, &c) {
			return Object{}, false
		}
		v.configMap(&c, at)
		out.Namespace, out.Name, out.Immutable = c.Namespace, c.Name, c.Immutable != nil && *c.Immutable
		maps.Copy(out.Data, c.BinaryData)
		out.Binary = slices.Sorted(maps.Keys(c.BinaryData))
		for k, text := range c.Data {
			out.Data[k] = []byte(text)
		}
		if s.errors == 0 {
			warnOfSecrets(s, c.Data, at.field("data"))
		}
	} else {
		var c corev1.Secret
		if !decode(s, value, raw, at, o, &c) {
			return Object{}, false
		}
		v.secret(&c, at)
		out.Namespace, out.Name, out.Immutable = c.Namespace, c.Name, c.Immutable != nil && *c.Immutable
		maps.Copy(out.Data, c.Data)
		for k, text := range c.StringData { // the API lets it win over data
			out.Data[k] = []byte(text)
		}
	}
	if s.errors > 0 {
		return Object{}, false
	}
	for k, data := range out.Data {
		if data == nil {
			out.Data[k] = []byte{}
		}
	}
	out.Hash = hashOfData(out.Data)
	return out, true
}

// hashOfData identifies the keys and values of an object. Like a pod's, it must never change for the same data.
func hashOfData(data map[string][]byte) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(data)) {
		part(h, []byte(k))
		part(h, data[k])
	}
	return "v1:" + hex.EncodeToString(h.Sum(nil))
}

// part adds bytes with their length in front, so that neighbours cannot run into each other.
func part(h hash.Hash, b []byte) {
	fmt.Fprintf(h, "%d:", len(b))
	h.Write(b)
}
