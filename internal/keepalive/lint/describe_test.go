package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"k.conf": `global_defs { vrrp_version 3 }
track_file v { file /run/nodeagent/verdict/api }
track_file other { file /run/other }
vrrp_script ask { script "/usr/libexec/nodeagent-check /run/nodeagent/verdict/vip" }
vrrp_script ask2 { script "/usr/bin/nodeagent check api" }
vrrp_track_process p { process nodeagentd }
vrrp_sync_group G { group { A }
  track_process { p } }
vrrp_instance A {
  interface eth0
  virtual_router_id 7
  advert_int 0.2
  unicast_src_ip 10.0.0.1
  unicast_peer { 10.0.0.2 }
  virtual_ipaddress { 10.0.0.100/24 dev eth0 }
  virtual_ipaddress_excluded { fd00::1 }
  track_file {
    v
    other
  }
  track_script {
    ask
    ask2
    nosuch
  }
}
vrrp_instance B { virtual_router_id $X }
`})
	got, err := Describe("/k.conf", "nodeagentd", Options{Root: root})
	want := []Described{
		{Name: "A", Interface: "eth0", VRID: 7, Priority: 100, Version: 3, Advert: 200 * time.Millisecond, VIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.100/24")},
			Excluded: []netip.Prefix{netip.MustParsePrefix("fd00::1/128")}, Source: netip.MustParseAddr("10.0.0.1"), Peers: []netip.Addr{netip.MustParseAddr("10.0.0.2")},
			Verdicts: []string{"api", "vip"}, Process: true, Script: true},
		{Name: "B", Priority: 100, Version: 3, Advert: time.Second},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	if _, err := Describe("/none", "", Options{Root: root}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestReadHost reads a small node below a folder.
func TestReadHost(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\nmonitor:x:900:900::/:/bin/false\n", "opt/real": "#!/bin/sh\n"})
	if err := os.Symlink("real", filepath.Join(root, "opt/link")); err != nil {
		t.Fatal(err)
	}
	h := ReadHost(root)
	for name, want := range map[string]bool{"root": true, "monitor": true, "nobody": false, "mon": false} {
		if got, err := h.HasUser(name); err != nil || got != want {
			t.Errorf("user %s: %v, %v", name, got, err)
		}
	}
	if real, err := h.Resolve("/opt/link"); err != nil || real != "/opt/real" {
		t.Errorf("resolve: %s, %v", real, err)
	}
	if f, err := h.Stat("/opt/link"); err != nil || !f.Mode.IsRegular() || fmt.Sprint(f.UID) != fmt.Sprint(os.Getuid()) {
		t.Errorf("stat: %+v, %v", f, err)
	}
	if _, err := h.Stat("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if text, err := h.Read("/opt/link"); err != nil || text != "#!/bin/sh\n" {
		t.Errorf("read: %q, %v", text, err)
	}
	if _, err := h.Read("/opt"); err == nil {
		t.Error("a folder was read")
	}
	if h.Addresses != nil {
		t.Error("another root has this machine's addresses")
	}
}
