//go:build integration

package pods

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (s *suite) podSecurity(t *testing.T) {
	at := "spec.securityContext"
	s.proves(t, none, below(at, "runAsUser", "runAsGroup", "supplementalGroups", "sysctls", "sysctls[].name", "sysctls[].value", "seccompProfile", "seccompProfile.type")...)
	p := s.pod(t, "pod-security", simple(`securityContext:
  runAsUser: 1000
  runAsGroup: 2000
  supplementalGroups: [3000, 3001]
  seccompProfile: {type: RuntimeDefault}
  sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "81"}, {name: kernel.shm_rmid_forced, value: "1"}]
`, "args: [do, hold]"))
	c := p.run("main")
	equal(t, "the users", c.state("Uid"), "1000 1000 1000 1000")
	equal(t, "the groups", c.state("Gid"), "2000 2000 2000 2000")
	for _, g := range []string{"3000", "3001"} {
		if !slices.Contains(c.groups(), g) {
			t.Errorf("it has the groups %v", c.groups())
		}
	}
	equal(t, "confined by seccomp", c.confined(), true)
	equal(t, "the sysctl", strings.TrimSpace(c.read("/proc/sys/net/ipv4/ip_unprivileged_port_start")), "81")
	equal(t, "the sysctl", strings.TrimSpace(c.read("/proc/sys/kernel/shm_rmid_forced")), "1")
}

func (s *suite) nonRoot(t *testing.T) {
	s.proves(t, none, "spec.securityContext.runAsNonRoot")
	p := s.pod(t, "non-root", simple("securityContext: {runAsNonRoot: true, runAsGroup: 2000}", "image: ${USERIMAGE}\nargs: [do, hold]"))
	equal(t, "the user", strings.Fields(p.run("main").state("Uid"))[0], fmt.Sprint(userOfImage))
	equal(t, "the group beside the image's user", strings.Fields(p.run("main").state("Gid"))[0], "2000")
	s.pod(t, "non-root-refused", simple("securityContext: {runAsNonRoot: true}", "args: [do, hold]")).message("root")
}

func (s *suite) nonRootContainer(t *testing.T, v variant) {
	s.proves(t, v, "@.securityContext.runAsNonRoot")
	p := s.pod(t, "own-non-root-"+v.key, v.pod("", "image: ${USERIMAGE}\nargs: [do, hold]\nsecurityContext: {runAsNonRoot: true}"))
	equal(t, "the user", strings.Fields(p.run("main").state("Uid"))[0], fmt.Sprint(userOfImage))
	s.pod(t, "own-non-root-refused-"+v.key, v.pod("", "args: [do, hold]\nsecurityContext: {runAsNonRoot: true}")).message("root")
}

func (s *suite) fsGroup(t *testing.T) {
	s.proves(t, none, "spec.securityContext", "spec.securityContext.fsGroup")
	p := s.pod(t, "fs-group", simple(`securityContext: {fsGroup: 4000}
volumes:
- {name: disk, emptyDir: {}}
- {name: memory, emptyDir: {medium: Memory}}
- {name: cm, configMap: {name: fs-group, defaultMode: 0600}}
- {name: secret, secret: {secretName: fs-group}}
- {name: ctl, hostPath: {path: "${CTL}"}}
`, `args: [do, "write /disk/f a", "write /cm-seen a", hold]
volumeMounts:
- {name: disk, mountPath: /disk}
- {name: memory, mountPath: /memory}
- {name: cm, mountPath: /cm}
- {name: secret, mountPath: /secret}
- {name: ctl, mountPath: /ctl}
`)+objects)
	c := p.run("main")
	c.wrote("/cm-seen")
	if !slices.Contains(c.groups(), "4000") {
		t.Errorf("it has the groups %v", c.groups())
	}
	for _, dir := range []string{"/disk", "/memory"} {
		equal(t, "the group of "+dir, c.group(dir), 4000)
		if c.stat(dir).Mode()&os.ModeSetgid == 0 {
			t.Errorf("%s has mode %s", dir, c.stat(dir).Mode())
		}
	}
	equal(t, "the group of a new file", c.group("/disk/f"), 4000)
	equal(t, "the group of a file", c.group("/cm/..data/greeting"), 4000)
	equal(t, "the mode of a file", c.mode("/cm/..data/greeting"), os.FileMode(0o640))
	equal(t, "the group of a file", c.group("/secret/..data/key"), 4000)
	equal(t, "the group of the hostPath", c.group("/ctl"), 0)
}

// changePolicy shows that OnRootMismatch leaves what is inside alone where the top is right already, and Always does not. A volume is given to
// its group once; what the agent noted of that is made another group's here, as after a change of the manifest that was cut short.
func (s *suite) changePolicy(t *testing.T) {
	s.proves(t, none, "spec.securityContext.fsGroupChangePolicy")
	for policy, want := range map[string]uint32{"OnRootMismatch": 0, "Always": 4000} {
		p := s.pod(t, "policy-"+strings.ToLower(policy), simple("securityContext: {fsGroup: 4000, fsGroupChangePolicy: "+policy+"}\nvolumes: [{name: e, emptyDir: {}}]",
			"args: [do, hold]\nvolumeMounts: [{name: e, mountPath: /e}]"))
		c := p.run("main")
		if err := os.WriteFile(c.root("/e/f"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(c.root("/e/f"), 0, 0); err != nil { // the folder's group came with its setgid
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.state, "pods", p.sandbox().Metadata.Uid, "plugins/kubernetes.io~empty-dir/e/ready"), []byte("ready\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first start may have been made ahead
			if err := unix.Kill(c.pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			c = p.runAfter("main", c.attempt)
		}
		equal(t, "the group of a file that is root's, with "+policy, c.group("/e/f"), want)
	}
}

func (s *suite) security(t *testing.T, v variant) {
	at := "@.securityContext"
	s.proves(t, v, below(at, "capabilities", "capabilities.add", "capabilities.drop", "runAsUser", "runAsGroup", "readOnlyRootFilesystem",
		"allowPrivilegeEscalation", "seccompProfile", "seccompProfile.type")...)
	p := s.pod(t, "security-"+v.key, v.pod("securityContext: {runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: Unconfined}}", `args: [do, hold]
securityContext:
  runAsUser: 0
  runAsGroup: 2002
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {add: [SYS_TIME], drop: [CHOWN]}
  seccompProfile: {type: RuntimeDefault}
`))
	c := p.run("main")
	equal(t, "the users", c.state("Uid"), "0 0 0 0")
	equal(t, "the groups", c.state("Gid"), "2002 2002 2002 2002")
	equal(t, "CAP_SYS_TIME", c.capable(unix.CAP_SYS_TIME), true)
	equal(t, "CAP_CHOWN", c.capable(unix.CAP_CHOWN), false)
	equal(t, "CAP_KILL, which it has unasked", c.capable(unix.CAP_KILL), true)
	equal(t, "CAP_SYS_ADMIN", c.capable(unix.CAP_SYS_ADMIN), false)
	equal(t, "no new privileges", c.state("NoNewPrivs"), "1")
	equal(t, "confined by seccomp", c.confined(), true)
	if m := c.mount("/"); m == nil || !strings.Contains(","+m.Options+",", ",ro,") {
		t.Errorf("the root is %+v", m)
	}
	if out, code := c.exec("write /f a"); code == 0 {
		t.Errorf("writing to the root ended with %d, %q", code, out)
	}
}

func (s *suite) privileged(t *testing.T, v variant) {
	s.proves(t, v, "@.securityContext.privileged")
	p := s.pod(t, "privileged-"+v.key, v.pod("", "args: [do, hold]\nsecurityContext: {privileged: true}"))
	c := p.run("main")
	equal(t, "CAP_SYS_ADMIN", c.capable(unix.CAP_SYS_ADMIN), true)
	equal(t, "confined by seccomp", c.confined(), false)
	equal(t, "no new privileges", c.state("NoNewPrivs"), "0")
	if m := c.mount("/sys"); m == nil || strings.Contains(","+m.Options+",", ",ro,") {
		t.Errorf("/sys is %+v", m)
	}
}

// profile allows all but what nothing here calls.
const profile = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sync", "syncfs"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}`

// ownProfile shows a seccomp profile of the node at work, where the pod would have none.
func (s *suite) ownProfile(t *testing.T) {
	s.proves(t, none, "spec.securityContext.seccompProfile.localhostProfile")
	c := s.pod(t, "profile", simple("securityContext: {seccompProfile: {type: Localhost, localhostProfile: "+s.profile(t)+"}}", "args: [do, hold]")).run("main")
	equal(t, "confined by seccomp", c.confined(), true)
}

func (s *suite) ownProfileContainer(t *testing.T, v variant) {
	s.proves(t, v, "@.securityContext.seccompProfile.localhostProfile")
	c := s.pod(t, "profile-"+v.key, v.pod("", "args: [do, hold]\nsecurityContext: {seccompProfile: {type: Localhost, localhostProfile: "+s.profile(t)+"}}")).run("main")
	equal(t, "confined by seccomp", c.confined(), true)
	s.pod(t, "profile-none-"+v.key, v.pod("", "args: [do, hold]\nsecurityContext: {seccompProfile: {type: Localhost, localhostProfile: none.json}}")).message("none.json")
}

// profile puts a profile into the state folder and gives its name there.
func (s *suite) profile(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(s.state, "seccomp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := "test-" + strings.ReplaceAll(t.Name()[strings.LastIndex(t.Name(), "/")+1:], " ", "-") + ".json"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(profile), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(filepath.Join(dir, name)) })
	return name
}
