package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nodeagent/internal/view"
)

var (
	roleDesc       = desc("node_info", "What this node was found to be (control-plane, etcd, worker, balancer; several with commas, or none): always 1.", "role")
	etcdLeaderDesc = desc("etcd_has_leader", "Whether this node's etcd member has a leader: 1 or 0.")
	etcdLeadsDesc  = desc("etcd_is_leader", "Whether this node's etcd member is the leader: 1 or 0.")
	etcdSizeDesc   = desc("etcd_db_size_bytes", "Size of etcd's database on disk.")
	etcdQuotaDesc  = desc("etcd_db_quota_bytes", "Size at which etcd takes no more writes.")
	etcdFsyncDesc  = desc("etcd_fsync_p99_seconds", "How long 99 of 100 of etcd's syncs took at most, over the last five minutes; none where there were too few.")
)

func componentSamples(to *samples, c view.Components, roles []string) {
	role := strings.Join(roles, ",")
	if role == "" {
		role = "none"
	}
	to.gauge(roleDesc, 1, role)
	if e := c.Etcd; e != nil {
		to.gauge(etcdLeaderDesc, yes(e.HasLeader))
		to.gauge(etcdLeadsDesc, yes(e.IsLeader))
		to.gauge(etcdSizeDesc, e.DBSize)
		to.gauge(etcdQuotaDesc, e.DBQuota)
		if e.Fsync > 0 {
			to.gauge(etcdFsyncDesc, e.Fsync)
		}
	}
}

// newAnswers makes a sum and a count a component, with no quantiles: what is too slow is the condition's to say.
func newAnswers() *prometheus.SummaryVec {
	return prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "nodeagent_component_answer_seconds",
		Help: "How long a Kubernetes component took to answer the agent.",
	}, []string{"component"})
}

// ObserveComponent counts one answer of a component, such as kube-apiserver.
func (m *Metrics) ObserveComponent(component string, took time.Duration) {
	m.answers.WithLabelValues(component).Observe(took.Seconds())
}
