package manifest_test

import (
	"fmt"

	"nodeagent/internal/staticpod/manifest"
)

// A pod and the ConfigMap that it mounts, as they are written for a cluster: neither a kubelet nor this version reads the
// ConfigMap from a file.
func ExampleParse() {
	const grafana = `apiVersion: v1
kind: ConfigMap
metadata:
  name: grafana-datasources
data:
  prometheus.yaml: |
    datasources: [{name: Prometheus, type: prometheus, url: "http://localhost:9090"}]
---
apiVersion: v1
kind: Pod
metadata:
  name: grafana
spec:
  containers:
  - name: grafana
    image: grafana/grafana:12.1.0
    volumeMounts:
    - name: datasources
      mountPath: /etc/grafana/provisioning/datasources
  volumes:
  - name: datasources
    configMap:
      name: grafana-datasources
`
	r := manifest.Parse("grafana.yaml", []byte(grafana), manifest.Options{NodeName: "node1"})
	for _, p := range r.Problems {
		fmt.Println(p)
	}
	// Output:
	// grafana.yaml:2:7: kind: ConfigMap documents are not served by this version; put the data into a file on this node and mount it with a hostPath volume
	// grafana.yaml:22:5: spec.volumes[0].configMap: not supported by this version; put the data into a file on this node and mount it with a hostPath volume
}
