package manifest_test

import (
	"fmt"

	"nodeagent/internal/staticpod/manifest"
)

// A pod and the ConfigMap that it mounts, as they are written for a cluster. A kubelet reads neither the second document nor a pod that
// refers to a ConfigMap.
func ExampleParse() {
	const grafana = `apiVersion: v1
kind: ConfigMap
metadata:
  name: grafana-datasources
data:
  prometheus.yaml: |
    datasources:
    - name: Prometheus
      url: "http://localhost:9090"
      password: s3cret
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
      nam: grafana-datasources
`
	r := manifest.Parse("grafana.yaml", []byte(grafana), manifest.Options{NodeName: "node1"})
	for _, p := range r.Problems {
		fmt.Println(p)
	}
	for _, o := range r.Objects {
		fmt.Println(o.Key())
	}
	// Output:
	// grafana.yaml:10: warning: data.prometheus.yaml: line 4 of the value looks like a secret (password), and a ConfigMap is no place for one; put it into a Secret, in a file of mode 0600
	// grafana.yaml:26:7: spec.volumes[0].configMap.nam: unknown field; did you mean name?
	// ConfigMap default/grafana-datasources
}
