package config

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// everyKey sets each key to a value that is not its default.
const everyKey = `
nodeName: n1
containerRuntimeEndpoint: unix:///run/crio/crio.sock
runtimeProbeTimeout: 1500ms
runtimeRequestTimeout: 3m
runtimeCheckFrequency: 1m1s
runtimeCanary: {every: 10m, stepTimeout: 20s}
stateDir: "/var/lib/with space"
runDir: /run/other
podLogsDir: /var/log/nodeagent-pods-of-a-node-whose-owner-likes-names-that-say-it-all/and-more
podLogLinksDir: /logs/links
containerLogMaxSize: 1Mi
containerLogMaxFiles: 3
removedPodLogsKeep: 1h
removedPodLogsMaxSize: 64Mi
syncFrequency: 24h
fileCheckFrequency: 1h0m1s
staticPodPath: /etc/kubernetes/manifests
cgroupRoot: /pods
cgroupDriver: systemd
staticPods: {mode: off, evenWithKubeletInstalled: true, prepareRestarts: false}
crashLoopBackOff:
  initialDelay: 100ms
  factor: 1.5
  maxContainerRestartPeriod: 30s
  resetAfter: 1m
  jitter: 0
  imagePullInitialDelay: 3s
  maxImagePullPeriod: 1h
network: {checkFrequency: 10s, probeInterval: 5s, probeTimeout: 500ms, subnetFile: /run/other/subnet.env, cniConfDir: /etc/other, kubeconfig: /etc/nodes.conf}
certificates: {renewBefore: 1000h, alarmBefore: 100h, renewCABefore: 2000h}
machine: {checkFrequency: 20s, freeSpaceMin: 12.5, freeInodesMin: 3, clockOffsetMax: 50ms}
keepalive:
  configFile: /etc/ka.conf
  notifyFifo: /run/ka.fifo
  checkFrequency: 1s
  probeInterval: 20s
  jsonDump: true
  peers: ["http://10.0.0.2:10071", https://node3:10071/]
  haproxy: {configFile: /etc/ha.cfg, socket: /run/ha.sock, port: 8443, checkFrequency: 2s, timeout: 500ms}
  policies:
    vip:
      counts:
        NetworkReady: {weight: -50, subject: x, fault: [Down, Gone]}
        RuntimeReady: {weight: -1}
      rise: 10s
      fall: 1s
      faultFor: 20s
      maintenance: -90
      nothing: -70
components: {checkFrequency: 7s, probeTimeout: 2s, slowAfter: 300ms, kubeconfig: /etc/kubernetes/kubelet.conf}
repair: {mode: off, disabled: [restart-runtime, x]}
metrics: {listen: "[::1]:9", webConfigFile: /etc/nodeagent/web.yaml}
api: {socket: /run/x.sock, group: adm}
log: {level: error, format: journal}
events: {maxSize: 100000}
conditions:
  RuntimeReady: {enabled: true}
  NetworkReady: {enabled: false, valid: 90s, subjects: 3}
`

func TestPrint(t *testing.T) {
	for name, text := range map[string]string{"default": "", "every": everyKey} {
		t.Run(name, func(t *testing.T) {
			l, err := parseOne(text)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := Print(&b, l); err != nil {
				t.Fatal(err)
			}
			golden := "testdata/print-" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("%s\nin\n%s", diff(string(want), b.String()), b.String())
			}
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(line) - 1; n > printWidth {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			checkPrintReadsBack(t, l)
		})
	}
}

func checkPrintReadsBack(t *testing.T, l *Loaded) {
	t.Helper()
	var b bytes.Buffer
	if err := Print(&b, l); err != nil {
		t.Fatal(err)
	}
	back, err := Parse([]SourceFile{{"printed", b.Bytes()}}, Options{})
	if err != nil {
		t.Fatalf("what Print wrote is refused: %v\n%s", err, b.String())
	}
	if !reflect.DeepEqual(back.Config, l.Config) {
		t.Fatalf("reads back as %+v, want %+v\n%s", back.Config, l.Config, b.String())
	}
}
