package component

// Place is a port that a component of this node serves with a certificate from a file.
type Place struct {
	Component string
	Address   string // host:port
	File      string // of its certificate
}

// FindPlaces looks for them once.
func FindPlaces(cfg Config) []Place {
	cfg = cfg.filled()
	return newChecker(func() Config { return cfg }, Deps{}).Places()
}

// Places of the components that are here. It reads manifests and /proc, and asks nobody.
func (c *Checker) Places() []Place {
	cfg := c.cfg()
	f := c.finder.find(cfg, nameAPIServer)
	if !f.there() {
		return nil
	}
	local, _ := localAddresses() // without them it is asked over loopback
	return []Place{{nameAPIServer, apiserverPlace(f.flags(), local).address, f.flags().or("tls-cert-file", cfg.PKI+"/apiserver.crt")}}
}
