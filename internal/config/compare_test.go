package config

import (
	"reflect"
	"slices"
	"testing"
)

func TestRestartRequired(t *testing.T) {
	// Every key that builds something at the start; the rest is read anew in each pass.
	want := []string{
		"api.group", "api.socket", "cgroupRoot", "events.maxSize", "keepalive.notifyFifo", "log.format", "metrics.listen", "metrics.webConfigFile",
		"nodeName", "podLogLinksDir", "podLogsDir", "runDir", "stateDir", "staticPods.evenWithKubeletInstalled", "staticPods.mode",
	}
	other, err := parseOne(everyKey)
	if err != nil {
		t.Fatal(err)
	}
	if got := RestartRequired(Default(), other.Config); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := RestartRequired(other.Config, Default()); !reflect.DeepEqual(got, want) {
		t.Errorf("the other way: got %v, want %v", got, want)
	}
	again, _ := parseOne(everyKey) // other pointers, same values
	if got := Changed(other.Config, again.Config); got != nil {
		t.Errorf("same file: got %v, want none", got)
	}
}

func TestChanged(t *testing.T) {
	other, err := parseOne(everyKey)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, l := range leaves(other.Config) {
		want = append(want, l.key)
	}
	slices.Sort(want)
	for _, got := range [][]string{Changed(Default(), other.Config), Changed(other.Config, Default())} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want every key: %v", got, want)
		}
	}
}
