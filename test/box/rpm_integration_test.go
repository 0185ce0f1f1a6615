//go:build integration

package box

import (
	"testing"

	"nodeagent/internal/lab/boxtest"
)

// TestRPM takes the .rpm through its life in a root with rpm and a stand-in for Fedora's systemd package. The same steps refuse a package whose
// scriptlets are wrong.
func TestRPM(t *testing.T) {
	boxtest.Beside(t)
	n := boxtest.Boot(t, "rpm")
	for _, name := range []string{"systemd.spec", "systemd-update-helper"} {
		n.Copy("testdata/fedora/"+name, "/root/rpmbuild/SOURCES/"+name, 0o644)
	}
	n.Copy("testdata/hang.pl", "/root/hang.pl", 0o644)
	n.Sh("rpmbuild -bb --quiet /root/rpmbuild/SOURCES/systemd.spec && rpm --initdb && rpm -U --force /root/rpmbuild/RPMS/noarch/systemd-252-*.rpm")
	old, fresh := n.Give(boxtest.OlderTree(t).RPM), n.Give(boxtest.ThisTree(t).RPM)
	for _, s := range rpmSteps(old, fresh) {
		t.Run(s.name, func(t *testing.T) {
			if err := n.In(t).Expect(s.script); err != nil {
				t.Fatalf("%v\n%s", err, n.In(t).Sh("journalctl --no-pager -u nodeagent.service | tail -20"))
			}
		})
	}

	// At an upgrade and at the end it is the installed package whose scriptlets count.
	wrong := wrongRPM(n, fresh)
	for i, s := range rpmSteps(old, fresh) {
		t.Run("broken/"+s.name, func(t *testing.T) {
			n := n.In(t)
			n.Sh("systemctl kill --signal=KILL nodeagent 2>/dev/null || true; systemctl disable --now nodeagent 2>/dev/null || true; rpm -q nodeagent >/dev/null && rpm -e --noscripts nodeagent; rm -rf /etc/systemd/system/nodeagent.service.d /etc/nodeagent /var/lib/nodeagent /run/nodeagent; systemctl daemon-reload")
			if i == 0 {
				s = rpmSteps(old, wrong)[0]
			} else {
				n.Sh("rpm -i " + wrong)
			}
			if err := n.Expect(s.script); err == nil {
				t.Error("nothing wrong is seen of a package with wrong scriptlets")
			} else {
				t.Log(err)
			}
		})
	}
}

type rpmStep struct{ name, script string }

// rpmSteps follow one another: the newer package alone, then the older one and the upgrade to the newer, then its end.
func rpmSteps(old, fresh string) []rpmStep {
	return []rpmStep{
		{"install", `rpm -i ` + fresh + `; [ "$(systemctl is-enabled nodeagent)" = disabled ]; not systemctl --quiet is-active nodeagent
			getent group nodeagent; /usr/libexec/nodeagent/nodeagent-check none || [ $? = 2 ]; [ "$(readlink -f /usr/libexec/nodeagent/nodeagent-check)" = /usr/libexec/keepalived/nodeagent-check ]
			rpm -V nodeagent; rpm -e nodeagent`},
		{"upgrade", `rpm -q nodeagent >/dev/null || rpm -i ` + old + `; systemctl enable --now --quiet nodeagent; echo 'syncFrequency: 30s' >>/etc/nodeagent/config.yaml
			nodeagent mute NetworkReady --for 1h
			` + hang + `timeout 60 rpm -U ` + fresh + `; [ "$(systemctl show -P MainPID nodeagent)" != "$(cat /run/before)" ]; nodeagent status -o json | tr -d ' \n' | grep -q '"version":"9.9.9".*"daemon":true'
			grep -q 'syncFrequency: 30s' /etc/nodeagent/config.yaml; nodeagent unmute NetworkReady; systemctl --quiet is-enabled nodeagent`},
		{"refused upgrade", `echo 'noSuchKey: 1' >/etc/nodeagent/config.d/90-test.yaml; systemctl show -P MainPID nodeagent >/run/before
			rpm -U --oldpackage --replacepkgs ` + fresh + ` 2>&1 | tee /run/said; grep -q 'THE OLD AGENT RUNS ON' /run/said; grep -q noSuchKey /run/said
			[ "$(systemctl show -P MainPID nodeagent)" = "$(cat /run/before)" ]; rm /etc/nodeagent/config.d/90-test.yaml`},
		{"erase", `mkdir -p /etc/keepalived; nodeagent vip config --interface node0 --vrid 77 --vip 192.0.2.100/24 >/etc/keepalived/keepalived.conf
			` + hang + `timeout 60 rpm -e nodeagent >/run/said 2>&1; grep -q 'WARNING: keepalived' /run/said; not [ -e /proc/$(cat /run/before) ]; not systemctl --quiet is-failed nodeagent; not [ -e /usr/bin/nodeagent ]
			find / -xdev -path /host -prune -o -path /var -prune -o -path /root -prune -o -name '*nodeagent*' -print | grep -v -e ^/etc/nodeagent -e ^/etc/systemd/system/nodeagent.service.d >/run/left || true; not [ -s /run/left ] || { cat /run/left; exit 1; }
			[ -e /var/lib/nodeagent/instance.json ]; grep -q 30s /etc/nodeagent/config.yaml.rpmsave`},
	}
}

// wrongRPM is this tree's package with scriptlets that do what they must not, made in the box.
func wrongRPM(n boxtest.Node, good string) string {
	n.T.Helper()
	n.Copy("testdata/wrong.spec", "/root/wrong.spec", 0o644)
	n.Sh(`mkdir -p /root/good; rpm2archive - <` + good + ` | tar -C /root/good --touch -xz
		rpmbuild -bb --quiet --define 'good /root/good' --define '_rpmdir /root/wrong' /root/wrong.spec; rm -rf /root/good; mv /root/wrong/*/nodeagent-*.rpm /root/wrong.rpm`)
	return "/root/wrong.rpm"
}
