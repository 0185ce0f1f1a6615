package boxtest

// Check is something that holds of an installed agent. It ends with the agent as it found it.
type Check struct {
	Name   string
	Do     func(n Node) error
	Broken Broken // a package that it has to refuse
}

// NewCheck makes a check.
func NewCheck(name string, do func(n Node) error, broken Broken) Check {
	return Check{Name: name, Do: do, Broken: broken}
}

// UnitFile is the daemon's unit inside the .deb.
const UnitFile = "usr/lib/systemd/system/nodeagent.service"
