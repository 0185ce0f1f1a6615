package view

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Map holds one view a key. Writing one costs that one.
type Map[K cmp.Ordered, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

// NewMap makes an empty map.
func NewMap[K cmp.Ordered, V any]() *Map[K, V] { return &Map[K, V]{m: map[K]V{}} }

// Set replaces the view of a key. The caller gives it away and changes it no more.
func (v *Map[K, V]) Set(k K, x V) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.m[k] = x
}

// Delete removes the view of a key.
func (v *Map[K, V]) Delete(k K) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.m, k)
}

// Get is the view of a key.
func (v *Map[K, V]) Get(k K) (V, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	x, ok := v.m[k]
	return x, ok
}

// All lists the views in the order of their keys.
func (v *Map[K, V]) All() []V {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := make([]V, 0, len(v.m))
	for _, k := range slices.Sorted(maps.Keys(v.m)) {
		out = append(out, v.m[k])
	}
	return out
}
