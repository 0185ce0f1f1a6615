package agent

import (
	"context"
	"os"

	"nodeagent/internal/component"
	"nodeagent/internal/component/certs"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

func certsConfig(c config.Config) certs.Config {
	x := c.Certificates
	return certs.Config{Timeout: c.Components.ProbeTimeout, Renew: x.RenewBefore, Alarm: x.AlarmBefore, RenewCA: x.RenewCABefore}
}

// wireCerts hands it the ports that the components serve.
func (a *agent) wireCerts(facts *facts) {
	a.certs = certs.New(func() certs.Config { return certsConfig(a.config()) }, certs.Deps{
		Ports: func() []certs.Port { return ports(a.components.Places(), facts.get()) },
		Users: func() []certs.User { return users(a.components.Readers()) },
	}, a.board, a.logOf(partCertificates))
	a.wakes = append(a.wakes, a.certs.Wake)
}

// certificates for the metrics.
func (a *agent) certificates() []view.Certificate {
	v, _ := a.certs.View.Get()
	return v
}

func lookCerts(ctx context.Context, c config.Config, facts *facts) []health.Look {
	places, readers, _ := component.FindPlaces(componentConfig(c, facts))
	return certs.Look(ctx, certsConfig(c), certs.Deps{
		Ports: func() []certs.Port { return ports(places, facts.get()) },
		Users: func() []certs.User { return users(readers) },
	})
}

func users(readers []component.Reader) []certs.User {
	var out []certs.User
	for _, r := range readers {
		out = append(out, certs.User{Component: r.Component, File: r.File, Started: r.Started})
	}
	return out
}

// ports that this node serves with certificates from files.
func ports(places []component.Place, f kubelet.Facts) []certs.Port {
	var out []certs.Port
	for _, p := range places {
		out = append(out, certs.Port{Component: p.Component, Address: p.Address, File: p.File, Client: p.Client, ClientKey: p.ClientKey, Path: p.Path})
	}
	if f.Running != nil {
		for _, file := range f.Config.ServerCertificates {
			if _, err := os.Stat(file); err == nil {
				return append(out, certs.Port{Component: "kubelet", Address: f.Config.ServerAddress, File: file})
			}
		}
	}
	return out
}
