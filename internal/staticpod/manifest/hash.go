package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// hashOf identifies what the user wrote: sha256 over the canonical JSON of the document, before any default, with the
// version of this rule in front. Comments, formatting, the order of keys, anchors and YAML against JSON make no
// difference. It must never change for one document: a change restarts every pod of every node.
func hashOf(v any) string {
	var b bytes.Buffer
	canonical(&b, v)
	sum := sha256.Sum256(b.Bytes())
	return "v1:" + hex.EncodeToString(sum[:])
}

func canonical(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			canonical(b, k)
			b.WriteByte(':')
			canonical(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			canonical(b, item)
		}
		b.WriteByte(']')
	case string:
		// A string always marshals.
		s, _ := json.Marshal(v)
		b.Write(s)
	case json.Number:
		b.WriteString(canonicalNumber(string(v)))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	default:
		b.WriteString("null")
	}
}

// canonicalNumber writes 1, 1.0 and 1e0 alike. Integers of any size keep their digits.
func canonicalNumber(s string) string {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// UID is the pod's identity on a node: a hash of namespace, name and node name in the form of a UUID (version 8, RFC
// 9562). The same three give the same UID for ever; a changed manifest keeps it.
func UID(namespace, name, nodeName string) string {
	h := sha256.New()
	for _, s := range []string{"nodeagent static pod v1", namespace, name, nodeName} {
		fmt.Fprintf(h, "%d:%s,", len(s), s)
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
