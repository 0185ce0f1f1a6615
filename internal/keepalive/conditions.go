package keepalive

import "nodeagent/internal/health"

// Reasons of the conditions of this package.
var (
	reasonNotWritten = &health.Reason{Name: "NotWritten", Fix: "keepalived goes by the old verdict, and by its check once the beat is 5 s old: make room (`df -h /run`, `df -i /run`) " +
		"or put the rights of the verdict folder back (root, 0755)."}

	reasonDown = &health.Reason{Name: "Down", Fix: "`systemctl status keepalived` and `journalctl -u keepalived -n 100` tell why it ended; `keepalived -t` checks its configuration; " +
		"`systemctl start keepalived` starts it."}
	reasonStopped = &health.Reason{Name: "Stopped", Fix: "The process is stopped (SIGSTOP, or a debugger): it sends no adverts and keeps the VIP, which another node takes too. " +
		"`kill -CONT PID`, or `systemctl restart keepalived`."}
	reasonUnreadable = &health.Reason{Name: "Unreadable", Fix: "The agent may not read what it needs; the message says what. Run it as root."}

	reasonVIPAlone = &health.Reason{Name: "VIPWithoutKeepalived", Fix: "Nobody will give this address up: another node may have it too. Start keepalived (`systemctl start keepalived`), " +
		"which takes it over, or remove it: `ip address del ADDRESS dev INTERFACE`."}
	reasonNoVIP = &health.Reason{Name: "MasterWithoutVIP", Fix: "keepalived says MASTER and the address is not there: NetworkManager, systemd-networkd or a person removed it. " +
		"`journalctl -u keepalived -n 50`, then `systemctl restart keepalived`; tell the network manager to leave the address alone."}
	reasonVIPKept = &health.Reason{Name: "VIPNotReleased", Fix: "keepalived says that it gave the address up, and it is there: it is configured elsewhere too, or was added by hand. " +
		"Remove it: `ip address del ADDRESS dev INTERFACE`."}
	reasonFault = &health.Reason{Name: "Fault", Fix: "keepalived is in FAULT and does not ask for the VIP: `nodeagent vip` tells whether by our verdict; " +
		"else an interface is down, or a script or a process that it tracks fails: `journalctl -u keepalived -n 50`."}
	reasonNotTold = &health.Reason{Name: "NotTold", Fix: "BACKUP can't be told from FAULT: put `vrrp_notify_fifo /run/nodeagent/vrrp.fifo` into global_defs of keepalived.conf and " +
		"restart keepalived (a reload prints no state)."}
)

// VIPVerdict says whether keepalived can read what the agent decided.
var VIPVerdict = &health.Condition{
	Name:    "VIPVerdict",
	Help:    "The verdicts for keepalived reach their files.",
	Impact:  health.Critical,
	Reasons: []*health.Reason{reasonNotWritten},
}

// Keepalived is about the process.
var Keepalived = &health.Condition{
	Name:    "Keepalived",
	Help:    "keepalived runs where it is configured.",
	Impact:  health.Critical,
	Reasons: []*health.Reason{reasonDown, reasonStopped, reasonUnreadable},
}

// VRRP has one subject an instance of keepalived.conf.
var VRRP = &health.Condition{
	Name:    "VRRP",
	Help:    "The instance's state and the VIP on this node agree, and it is not in FAULT.",
	Impact:  health.Critical,
	Max:     32,
	Reasons: []*health.Reason{reasonVIPAlone, reasonNoVIP, reasonVIPKept, reasonFault, reasonNotTold, reasonUnreadable},
}

// Conditions are what this package itself publishes.
func Conditions() []*health.Condition { return []*health.Condition{VIPVerdict, Keepalived, VRRP} }
