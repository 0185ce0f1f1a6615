package vrrplab

import (
	"fmt"
	"strings"
)

// Conf is a keepalived.conf of one instance VI_1 with VRID 77 and the lab's VIP.
type Conf struct {
	Version   int     // 2 or 3
	Advert    float64 // seconds between adverts
	Priority  int
	Namespace string // net_namespace; empty: it is started in its namespace
	FIFO      string // vrrp_notify_fifo
	Global    string // more lines of global_defs
	Blocks    string // more blocks
	Instance  string // more lines of the instance
}

// String is the text of the file.
func (c Conf) String() string {
	var b strings.Builder
	if c.Namespace != "" {
		fmt.Fprintf(&b, "net_namespace %s\n", c.Namespace)
	}
	fmt.Fprintf(&b, "global_defs {\n    vrrp_version %d\n    vrrp_garp_master_delay 1\n", c.Version)
	if c.FIFO != "" {
		fmt.Fprintf(&b, "    vrrp_notify_fifo %s\n", c.FIFO)
	}
	fmt.Fprintf(&b, "%s}\n%s\nvrrp_instance VI_1 {\n    state BACKUP\n    interface %s\n    virtual_router_id 77\n    priority %d\n    advert_int %v\n"+
		"    virtual_ipaddress {\n        %s\n    }\n%s}\n", c.Global, c.Blocks, Interface, c.Priority, c.Advert, VIP, c.Instance)
	return b.String()
}
