package kubelet

import (
	"strconv"
	"strings"
)

// values are settings as text, by kubelet's key.
type values map[string]string

func (v values) file(fc fileConfig, path string, sources map[string]string) {
	set := func(key string, p *string) {
		if p != nil {
			v[key] = *p
			sources[key] = path
		}
	}
	set("staticPodPath", fc.StaticPodPath)
	set("containerRuntimeEndpoint", fc.ContainerRuntimeEndpoint)
	set("fileCheckFrequency", fc.FileCheckFrequency)
	set("syncFrequency", fc.SyncFrequency)
	set("cgroupDriver", fc.CgroupDriver)
	set("podLogsDir", fc.PodLogsDir)
	set("healthzBindAddress", fc.HealthzBindAddress)
	set("address", fc.Address)
	set("tlsCertFile", fc.TLSCertFile)
	set("crashLoopBackOff.maxContainerRestartPeriod", fc.CrashLoopBackOff.MaxContainerRestartPeriod)
	for key, p := range map[string]*bool{"failSwapOn": fc.FailSwapOn, "protectKernelDefaults": fc.ProtectKernelDefaults, "failCgroupV1": fc.FailCgroupV1} {
		if p != nil {
			v[key], sources[key] = strconv.FormatBool(*p), path
		}
	}
	if fc.ClusterDNS != nil {
		dns := strings.Join(fc.ClusterDNS, ",")
		set("clusterDNS", &dns)
	}
	if fc.HealthzPort != nil {
		port := strconv.Itoa(*fc.HealthzPort)
		set("healthzPort", &port)
	}
	if fc.Port != nil && *fc.Port != 0 { // kubelet reads 0 as not set
		port := strconv.Itoa(*fc.Port)
		set("port", &port)
	}
}

// isTrue reads a switch as flag and pflag do; what kubelet would refuse to start with is off.
func isTrue(s string) bool {
	on, err := strconv.ParseBool(s)
	return on && err == nil
}
