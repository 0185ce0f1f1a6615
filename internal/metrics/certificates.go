package metrics

import "nodeagent/internal/view"

// maxCertificates have series of their own; kubeadm makes about twenty.
const maxCertificates = 64

var notAfterDesc = desc("certificate_not_after_timestamp_seconds", "When a certificate of this node ends; of a chain, its first to end.", "file", "ca")

func certificateSamples(to *samples, list []view.Certificate) {
	for _, c := range list[:min(len(list), maxCertificates)] {
		ca := "false"
		if c.CA {
			ca = "true"
		}
		to.gauge(notAfterDesc, float64(c.NotAfter.Unix()), c.File, ca)
	}
}
