package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/view"
)

func newNet(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "net",
		Short: "Show Flannel on this node: devices, peers, what is wrong",
		Long: `net shows what Flannel has on this node and how its peers answer through the
overlay: state, round trip, loss, the largest packet that passes. What is wrong
with the node's network stands first, with what to do.

With no daemon it looks once by itself, and probes each peer once. "net explain"
walks the way to one peer.`,
		Example: `  nodeagent net
  nodeagent net -o json | jq '.peers[] | select(.state != "up")'
  sudo nodeagent net explain node2`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, socket := g.client()
		defer c.Close()
		s, why, err := statusOrLook(cmd.Context(), g, c, socket)
		if err != nil {
			return err
		}
		if *output != asTable {
			n := view.Network{}
			if s.Network != nil {
				n = *s.Network
			}
			return output.print(cmd.OutOrStdout(), n)
		}
		out := screenOf(cmd)
		for _, l := range wrap("", why, out.width) {
			fmt.Fprintln(out, out.painter.paint(toneDoubt, l))
		}
		_, err = fmt.Fprint(out, netText(s, agent.NetworkConditions(), now(), out.width, out.painter))
		return err
	})
	cmd.AddCommand(newNetExplain(g))
	return cmd
}

func newNetExplain(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain PEER",
		Short: "Walk the way to a peer and say where it ends (as root)",
		Long: `explain walks the way to a peer as a packet would: device, route, neighbour,
FDB entry, the underlay, MTU, rules; then it asks the peer's node and the peer
itself. PEER is a node's name, its subnet, its address, or an address of a pod.

It needs no daemon and changes nothing. It exits with 1 if a step fails.`,
		Example: `  sudo nodeagent net explain 10.244.2.0/24
  sudo nodeagent net explain 10.244.2.17`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		x, err := agent.ExplainPeer(cmd.Context(), g.lenient(), args[0])
		if err != nil {
			return err
		}
		if *output != asTable {
			err = output.print(cmd.OutOrStdout(), x)
		} else {
			out := screenOf(cmd)
			_, err = fmt.Fprint(out, wayText(x, out.width, out.painter))
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(x.Steps, func(s view.Step) bool { return s.Status == "failing" }) {
			return exits(exitProblem)
		}
		return nil
	})
	return cmd
}

// netText is Flannel for people: what is wrong, one line on the whole, devices, peers.
func netText(s view.Status, conditions []string, now time.Time, width int, p painter) string {
	var b strings.Builder
	var wrong []view.Condition
	absent := ""
	for _, c := range s.Conditions {
		if !slices.Contains(conditions, c.Name) {
			continue
		}
		if c.Status == "failing" || c.Status == "unknown" {
			wrong = append(wrong, c)
		}
		if c.Status == "absent" && absent == "" && len(c.Subjects) > 0 {
			absent = c.Subjects[0].Message
		}
	}
	if len(wrong) > 0 {
		b.WriteString(conditionTable(wrong, now, width, p) + "\n")
	}
	if s.Network == nil {
		for _, l := range wrap("", view.OneLine(cmp.Or(absent, "no Flannel on this node")), width) {
			b.WriteString(l + "\n")
		}
		return b.String()
	}
	n := *s.Network
	b.WriteString(view.OneLine(s.Node) + ": " + flannelLine(n) + "\n\n")
	b.WriteString(deviceTable(n.Devices, width, p))
	b.WriteString("\n" + peerTable(n.Peers, now, width, p))
	return b.String()
}

func flannelLine(n view.Network) string {
	parts := []string{"Flannel " + view.OneLine(n.Backend)}
	if len(n.Subnets) > 0 {
		parts = append(parts, "subnet "+view.OneLine(strings.Join(n.Subnets, ", ")))
	}
	if n.MTU > 0 {
		parts = append(parts, fmt.Sprintf("MTU %d", n.MTU))
	}
	if n.Uplink != "" {
		parts = append(parts, "over "+view.OneLine(n.Uplink))
	}
	return strings.Join(parts, ", ")
}

func deviceTable(devices []view.FlannelDevice, width int, p painter) string {
	var rows []row
	for _, d := range devices {
		state, tone := "up", toneGood
		switch {
		case d.Index == 0:
			state, tone = "missing", toneBad
		case !d.Up:
			state, tone = "down", toneBad
		}
		mtu := ""
		if d.MTU > 0 {
			mtu = fmt.Sprint(d.MTU)
		}
		rows = append(rows, row{tone: tone, cells: []string{state, view.OneLine(d.Name), mtu, view.OneLine(d.MAC)}})
	}
	if len(rows) == 0 {
		return "no device of Flannel's: this backend has none\n"
	}
	return table([]column{{title: "STATE"}, {title: "DEVICE"}, {title: "MTU"}, {title: "MAC", drop: true}}, rows, width, p)
}

func peerTable(peers []view.Peer, now time.Time, width int, p painter) string {
	if len(peers) == 0 {
		return "no peers are known\n"
	}
	var rows []row
	for _, x := range peers {
		r := row{tone: peerTone(x.State), cells: []string{x.State, x.Subnet.String(), view.OneLine(x.Node), "", "", "", ""}}
		if x.RTT > 0 {
			r.cells[3] = fmt.Sprintf("%.2fms", float64(x.RTT.Microseconds())/1000)
		}
		if x.Probes > 0 {
			r.cells[4] = fmt.Sprintf("%.0f%%", 100*x.Loss)
		}
		if x.PathMTU > 0 {
			r.cells[5] = fmt.Sprint(x.PathMTU)
		}
		if !x.Answered.IsZero() {
			r.cells[6] = since(x.Answered, now)
		}
		if x.State != view.PeerUp {
			r.below = wrap("         ", view.OneLine(x.Message), width)
		}
		rows = append(rows, r)
	}
	columns := []column{{title: "STATE"}, {title: "PEER"}, {title: "NODE", min: 8, drop: true}, {title: "RTT"}, {title: "LOSS"}, {title: "PATH MTU"}, {title: "ANSWERED", drop: true}}
	return table(columns, rows, width, p)
}

func peerTone(state string) tone {
	switch state {
	case view.PeerUp:
		return toneGood
	case view.PeerUnknown:
		return toneDoubt
	}
	return toneBad
}

// wayText is the way to a peer, a row a step, and where it ends.
func wayText(x view.Explanation, width int, p painter) string {
	var rows []row
	for _, s := range x.Steps {
		r := row{tone: toneOf(s.Status), cells: []string{view.OneLine(s.Status), view.OneLine(s.Name), view.OneLine(s.Text)}}
		if s.Status == "failing" || s.Status == "unknown" {
			r.cells[2] = ""
			r.below = append(wrap("         ", view.OneLine(s.Text), width), wrap("         -> ", view.OneLine(s.Fix), width)...)
		}
		rows = append(rows, r)
	}
	text := "the way to " + strings.TrimSpace(x.Subnet.String()+" "+view.OneLine(x.Node)) + "\n\n"
	text += table([]column{{title: "STATUS"}, {title: "STEP"}, {title: "WHAT IS THERE", min: 20}}, rows, width, p) + "\n"
	for _, l := range wrap("", view.OneLine(x.End), width) {
		text += l + "\n"
	}
	return text
}
