package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// An entry of counts that sets nothing has its defaults: it is not the same as none.
func TestEmptyCountIsOne(t *testing.T) {
	l, err := parseOne("keepalive: {policies: {vip: {counts: {NetworkReady: {}, RuntimeReady: {weight: -7}}}}}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Policy{"vip": {Counts: map[string]Count{"NetworkReady": {}, "RuntimeReady": {Weight: -7}}}}
	if got := l.Config.Keepalive.Policies; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	var printed bytes.Buffer
	if err := Print(&printed, l); err != nil {
		t.Fatal(err)
	}
	again, err := parseOne(printed.String())
	if err != nil || !reflect.DeepEqual(again.Config, l.Config) {
		t.Errorf("printed it is another: %v\n%s", err, printed.String())
	}
	if got := Changed(Default(), l.Config); !reflect.DeepEqual(got, []string{"keepalive.policies.vip.counts.NetworkReady", "keepalive.policies.vip.counts.RuntimeReady.weight"}) {
		t.Errorf("changed %q", got)
	}
}

// A policy that counts nothing is refused, and not passed over.
func TestEmptyPolicy(t *testing.T) {
	if _, err := parseOne("keepalive: {policies: {vip: {}}}\n"); err == nil || !strings.Contains(err.Error(), "no condition counts") {
		t.Errorf("%v", err)
	}
}

// A reason that a condition never has would never be FAULT.
func TestFaultReason(t *testing.T) {
	text := "keepalive: {policies: {vip: {counts: {RuntimeReady: {fault: [Down, Dwn]}}}}}\n"
	o := Options{KnownConditions: []string{"RuntimeReady"}, KnownReasons: map[string][]string{"RuntimeReady": {"Down", "Hung"}}}
	_, err := Parse([]SourceFile{{testFile, []byte(text)}}, o)
	if err == nil || !strings.Contains(err.Error(), "keepalive.policies.vip.counts.RuntimeReady.fault") || !strings.Contains(err.Error(), "did you mean Down?") {
		t.Errorf("%v", err)
	}
}
