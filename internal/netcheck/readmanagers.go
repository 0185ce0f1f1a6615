package netcheck

// NetManager is a program that manages network devices and is known to break Flannel unless it is told to leave it alone.
type NetManager struct {
	Name    string `json:"name"` // NetworkManager, systemd-networkd, firewalld
	Problem string `json:"problem"`
	File    string `json:"file,omitempty"`
}

func readManagers(Config) []NetManager { return nil }
