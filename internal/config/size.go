package config

import (
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written plain or with a suffix as Kubernetes quantities are: k, M, G, T (powers of 1000)
// and Ki, Mi, Gi, Ti (powers of 1024).
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3},
}

// String is the shortest exact form, such as 8Mi.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// parseSize reads a whole number with an optional suffix.
func parseSize(text string) (Size, bool) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, false
	}
	return Size(n * unit), true
}
