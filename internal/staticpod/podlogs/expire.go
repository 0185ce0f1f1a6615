package podlogs

import (
	"cmp"
	"slices"
	"time"
)

// Removed is the record of a pod that was removed while its logs stay for a person to read. It is written to the state as it is:
// a new field must be optional.
type Removed struct {
	UID string    `json:"uid"`
	Dir string    `json:"dir"` // the pod's log folder
	At  time.Time `json:"at"`  // when it was removed
}

// recordsVersion is the version of []Removed in the state. With records of another version nothing is removed.
const recordsVersion = 1

// sized is a record with what its folder takes on disk.
type sized struct {
	Removed
	bytes int64
}

// expired is which records' folders go: those older than keep, then the oldest until the rest takes no more than maxBytes. next is when the
// first of the rest gets too old; zero for never. keep or maxBytes below 0 is no bound. A record of the future, which a clock that was
// wrong has left, does not age until the clock is there.
func expired(records []sized, now time.Time, keep time.Duration, maxBytes int64) (gone []Removed, next time.Time) {
	order := slices.SortedStableFunc(slices.Values(records), func(a, b sized) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.UID, b.UID))
	})
	var total int64
	for _, r := range order {
		total += r.bytes
	}
	for _, r := range order {
		old := keep >= 0 && now.Sub(r.At) >= keep
		if old || maxBytes >= 0 && total > maxBytes {
			gone = append(gone, r.Removed)
			total -= r.bytes
			continue
		}
		if keep >= 0 && next.IsZero() {
			next = r.At.Add(keep)
		}
	}
	return gone, next
}
