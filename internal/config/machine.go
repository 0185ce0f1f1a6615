package config

import "time"

// Machine says how the machine below the node's parts is watched.
type Machine struct {
	// How often clock, file systems, inotify, swap and kernel settings are looked at.
	CheckFrequency time.Duration `yaml:"checkFrequency" range:"1s..1h"`
	// Percent of free space below which the file system of etcd, kubelet, logs or the agent fails.
	FreeSpaceMin float64 `yaml:"freeSpaceMin" range:"0.1..99"`
	// Percent of free inodes below which it fails.
	FreeInodesMin float64 `yaml:"freeInodesMin" range:"0.1..99"`
	// How far off the clock may be.
	ClockOffsetMax time.Duration `yaml:"clockOffsetMax" range:"1ms..10s"`
}
