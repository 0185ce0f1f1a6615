package machine

import (
	"fmt"
	"strings"

	"nodeagent/internal/health"
)

// judgeDisks gives one finding a file system, named by the first folder that is on it. mounts may be nil where they could not be read:
// then nothing is said about read-only ones.
func judgeDisks(cfg Config, folders []Folder, seen map[string]disk, mounts map[uint64]mount) []health.Finding {
	var out []health.Finding
	index := map[uint64]int{} // of findings, by device
	for _, f := range folders {
		x := seen[f.Path]
		if x.missing {
			continue
		}
		if i, known := index[x.device]; known && x.err == nil {
			out[i].Message += ", " + f.What
			continue
		}
		finding := judgeDisk(cfg, x, mounts[x.device])
		finding.Subject = f.Path
		finding.Message += ": " + f.What
		if x.err == nil {
			index[x.device] = len(out)
		}
		out = append(out, finding)
	}
	if len(out) == 0 {
		return []health.Finding{{Status: health.Absent, Message: "none of the folders that are judged exists"}}
	}
	return out
}

func judgeDisk(cfg Config, x disk, m mount) health.Finding {
	switch {
	case x.hung:
		return unknown(reasonHung, x.err)
	case x.err != nil:
		return unknown(reasonUnread, x.err)
	case x.bytes == 0:
		return health.Finding{Status: health.Unknown, Reason: reasonUnread, Message: "statfs tells a size of 0"}
	}
	evidence := []health.Pair{{Key: "bytes", Value: fmt.Sprint(x.bytes)}, {Key: "free", Value: fmt.Sprint(x.free)}}
	if m.source != "" {
		evidence = append(evidence, health.Pair{Key: "source", Value: m.source}, health.Pair{Key: "type", Value: m.kind})
	}
	space := percent(x.free, x.bytes)
	switch {
	case m.readOnly:
		return failing(reasonReadOnly, strings.TrimSpace(m.source+" is read-only"), evidence...)
	case space < cfg.SpaceMin:
		return failing(reasonSpace, fmt.Sprintf("%.1f %% of %s free, less than %g %%", space, sizeText(x.bytes), cfg.SpaceMin), evidence...)
	case x.inodes > 0 && percent(x.inodesFree, x.inodes) < cfg.InodesMin:
		return failing(reasonInodes, fmt.Sprintf("%.1f %% of %d inodes free, less than %g %%", percent(x.inodesFree, x.inodes), x.inodes, cfg.InodesMin), evidence...)
	}
	return fine(fmt.Sprintf("%.0f %% of %s free", space, sizeText(x.bytes)), evidence...)
}

func percent(free, all uint64) float64 { return 100 * float64(free) / float64(all) }

func sizeText(n uint64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
