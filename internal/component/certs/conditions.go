package certs

import "nodeagent/internal/health"

const renewFix = "`kubeadm certs check-expiration` lists them, `kubeadm certs renew all` makes new ones; then restart the components that use them (move their manifests out of the folder for 20 s and back). "

var (
	reasonExpired   = &health.Reason{Name: "Expired", Fix: renewFix + "A kubelet's own is renewed by kubelet where it reaches the apiserver; if it can't any more, `kubeadm kubeconfig user` makes a new kubelet.conf."}
	reasonExpiredCA = &health.Reason{Name: "CAExpired", Fix: "Make a new CA and all that it signs: move /etc/kubernetes/pki aside, `kubeadm init phase certs all` and `kubeadm init phase kubeconfig all` on one control plane, copy its CAs to the others, and join the workers anew (kubernetes.io: \"Manual Rotation of CA Certificates\"). `kubeadm certs renew` does not renew a CA."}
	reasonSoon      = &health.Reason{Name: "ExpiresVerySoon", Fix: renewFix + "A kubelet renews its own at 70 to 90 % of its time: `journalctl -u kubelet | grep -i certificate` tells why it has not."}
	reasonNotYet    = &health.Reason{Name: "NotYetValid", Fix: "Its time has not come: most often this node's clock is wrong (see Clock), or the clock of the node that made it was."}
	reasonKey       = &health.Reason{Name: "KeyMismatch", Fix: "The key beside it is of another certificate: put the right pair back from a backup, or move both away and make them anew (`kubeadm init phase certs NAME`)."}
	reasonIssuer    = &health.Reason{Name: "WrongCA", Fix: "It names this node's CA and was not signed by it: the CA was made anew, or the file is another cluster's. Compare ca.crt with that of another control plane; renew the certificate with the right CA (`kubeadm certs renew`)."}
	reasonDamaged   = &health.Reason{Name: "Damaged", Fix: "The file holds no whole certificate: put it back from a backup, or make it anew (`kubeadm init phase certs NAME`, `kubeadm init phase kubeconfig NAME`)."}
	reasonUnread    = &health.Reason{Name: "Unreadable", Fix: "The message says what could not be read: run the agent as root, or correct the rights of the file."}

	reasonRenew   = &health.Reason{Name: "ExpiresSoon", Fix: renewFix + "`kubeadm upgrade` renews them too."}
	reasonRenewCA = &health.Reason{Name: "CAExpiresSoon", Fix: "Plan its replacement: every node and kubeconfig must trust the new CA before the old one ends (kubernetes.io: \"Manual Rotation of CA Certificates\"). `kubeadm certs renew` does not renew a CA."}

	reasonOwn = &health.Reason{Name: "KubeletsOwn", Fix: "Kubelet made it for itself for a year and does not renew it. Where nothing verifies it, nothing fails; else remove kubelet.crt and kubelet.key in /var/lib/kubelet/pki and `systemctl restart kubelet`: it makes new ones. For good: serverTLSBootstrap."}

	reasonNotTaken     = &health.Reason{Name: "NotRestarted", Fix: "Restart the component that the message names: move its manifest out of the folder for 20 s and back, or `systemctl restart kubelet`. Until then it uses the old certificate, and stops working when that ends."}
	reasonServedOld    = &health.Reason{Name: "ServesExpired", Fix: "Its clients refuse it: renew the certificate (`kubeadm certs renew`) if the file is old too, and restart the component."}
	reasonNoHandshake  = &health.Reason{Name: "NoHandshake", Fix: "The port did not show a certificate; the condition of the component says whether it lives."}
	reasonServedUnread = &health.Reason{Name: "FileUnreadable", Fix: "What the port serves can't be held against its file: see Certificates."}
)

var (
	certificates = &health.Condition{
		Name: "Certificates", Help: "Every certificate of this node is whole, valid for days to come, and fits its key and its CA.", Impact: health.Degraded, Max: maxFiles,
		Reasons: []*health.Reason{reasonExpired, reasonExpiredCA, reasonSoon, reasonRenewCA, reasonNotYet, reasonKey, reasonIssuer, reasonDamaged, reasonUnread},
	}
	renewal = &health.Condition{
		Name: "CertificateRenewal", Help: "No certificate of this node needs to be renewed within weeks, and no CA within months.", Impact: health.Notice, Max: maxFiles,
		Reasons: []*health.Reason{reasonRenew, reasonRenewCA, reasonOwn, reasonUnread},
	}
	inUse = &health.Condition{
		Name: "CertificatesInUse", Help: "Each component uses the certificate that is in its file, not one from before a renewal.", Impact: health.Degraded, Max: maxPorts,
		Reasons: []*health.Reason{reasonNotTaken, reasonServedOld, reasonNoHandshake, reasonServedUnread},
	}
)

// Conditions of certificates, in the order in which they are shown.
func Conditions() []*health.Condition {
	return []*health.Condition{certificates, renewal, inUse}
}
