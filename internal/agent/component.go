package agent

import (
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/config"
)

// kubeletEvery is how often a kubelet is looked for where only its manifest folder is wanted, which changes with its configuration.
const kubeletEvery = 30 * time.Second

func componentConfig(c config.Config, facts *facts) component.Config {
	k := c.Components
	manifests := c.StaticPodPath
	if manifests == "" {
		manifests = facts.within(kubeletEvery).Config.StaticPodPath
	}
	out := component.Config{Every: k.CheckFrequency, Timeout: k.ProbeTimeout, Slow: k.SlowAfter, Kubeconfig: k.Kubeconfig}
	if manifests != "" {
		out.Manifests = []string{manifests}
	}
	return out
}
