package config

import (
	"reflect"
	"slices"
)

// Changed lists the dotted keys whose values differ, sorted.
func Changed(old, new Config) []string { return differing(old, new, false) }

// RestartRequired lists the dotted keys that differ and that a running daemon cannot take over, sorted. A reload is
// refused if there is one. A changed runDir changes api.socket too unless that is set.
func RestartRequired(old, new Config) []string { return differing(old, new, true) }

func differing(old, new Config, restart bool) []string {
	before := make(map[string]leaf)
	for _, l := range leaves(old) {
		before[l.key] = l
	}
	var list []string
	add := func(l leaf) {
		if l.restart || !restart {
			list = append(list, l.key)
		}
	}
	for _, l := range leaves(new) {
		was, ok := before[l.key]
		delete(before, l.key)
		if !ok || !reflect.DeepEqual(was.value.Interface(), l.value.Interface()) {
			add(l)
		}
	}
	for _, l := range before { // what is set no longer: tuning of conditions
		add(l)
	}
	slices.Sort(list)
	return list
}
