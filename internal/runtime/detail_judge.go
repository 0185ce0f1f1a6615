package runtime

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"nodeagent/internal/health"
)

// judgeDetails decides what a look at the details means.
func judgeDetails(d *detailsSeen) []health.Look {
	valid := health.Validity(d.cfg.detailFrequency(), 4*d.cfg.ProbeTimeout)
	look := func(c *health.Condition, f ...health.Finding) health.Look {
		return health.Look{Of: c, Valid: valid, Findings: f}
	}
	if d.unresponsive == absent {
		var looks []health.Look
		for _, c := range details() {
			looks = append(looks, look(c, notHere(d.cfg.unneeded())))
		}
		return looks
	}
	looks := []health.Look{look(RuntimePlugins, d.judgePlugins()...), look(RuntimeUnit, d.judgeUnit()), look(RuntimeWatch, d.judgeWatch()...), look(PodNames, d.judgeNames()...)}
	if d.unresponsive != "" {
		for _, c := range []*health.Condition{RuntimeCalls, ImageFilesystem, PauseImage, CgroupDriver, RuntimeTasks, ShimVersion, OCIRuntimes} {
			looks = append(looks, look(c, notAsked(d.unresponsive)))
		}
		return looks
	}
	return append(looks,
		look(RuntimeCalls, d.judgeCalls()...), look(ImageFilesystem, d.judgeDisks()...), look(PauseImage, d.judgePause()), look(CgroupDriver, d.judgeDriver()),
		look(RuntimeTasks, d.judgeTasks()...), look(ShimVersion, d.judgeShim()), look(OCIRuntimes, d.judgeHandlers()...))
}

func notAsked(reason string) health.Finding {
	return health.Finding{Status: health.Unknown, Reason: reasonUnresponsive, Message: "the runtime could not be asked: " + reason}
}

func failing(r *health.Reason, format string, args ...any) health.Finding {
	return health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...)}
}

func unknown(r *health.Reason, format string, args ...any) health.Finding {
	return health.Finding{Status: health.Unknown, Reason: r, Message: fmt.Sprintf(format, args...)}
}

func about(subject string, f health.Finding) health.Finding { f.Subject = subject; return f }

func (d *detailsSeen) judgeCalls() []health.Finding {
	var out []health.Finding
	add := func(name string, asked bool, err error, took time.Duration) {
		if asked {
			out = append(out, about(name, judgeCall(err, took, d.cfg.ProbeTimeout, d.cfg.slow())))
		}
	}
	add("Status", d.status.asked, d.status.Err, d.status.took)
	add("ListPodSandbox", d.sandboxes.asked, d.sandboxes.Err, d.sandboxes.took)
	add("ListContainers", d.containers.asked, d.containers.Err, d.containers.took)
	add("ListImages", d.images.asked, d.images.Err, d.images.took)
	add("ImageFsInfo", d.fs.asked, d.fs.Err, d.fs.took)
	add("RuntimeConfig", d.driver.asked, d.driver.Err, d.driver.took)
	if d.toldErr != nil && d.name == "cri-o" {
		out = append(out, about("config", failing(reasonCallError, "%v", d.toldErr)))
	}
	if len(out) == 0 {
		out = append(out, notAsked("not connected"))
	}
	return out
}

// judgeCall tells a call that hangs, is denied, is slow, or fails from one another. A call that this runtime does not have is Absent.
func judgeCall(err error, took, timeout, slow time.Duration) health.Finding {
	st := status.Convert(err)
	switch st.Code() {
	case codes.OK:
		if took > slow {
			return failing(reasonCallSlow, "took longer than %v", slow)
		}
		return health.Finding{Status: health.OK}
	case codes.DeadlineExceeded:
		return failing(reasonCallHung, "no answer within %v", timeout)
	case codes.PermissionDenied, codes.Unauthenticated:
		return failing(reasonCallDenied, "%s", st.Message())
	case codes.Unimplemented:
		return health.Finding{Status: health.Absent, Message: "this runtime does not have the call"}
	case codes.Unavailable, codes.Canceled:
		return notAsked(st.Message())
	default:
		return failing(reasonCallError, "%s", st.Message())
	}
}

func (d *detailsSeen) judgeDisks() []health.Finding {
	if d.fs.Err != nil || len(d.disks) == 0 {
		return []health.Finding{unknown(reasonFsNotTold, "ImageFsInfo told no file system")}
	}
	space, inodes := d.cfg.ImageSpaceMin, d.cfg.ImageInodesMin
	if space == 0 {
		space = 15
	}
	if inodes == 0 {
		inodes = 5
	}
	var out []health.Finding
	for _, x := range d.disks {
		out = append(out, about(x.path, judgeDisk(x, space, inodes)))
	}
	return out
}

func judgeDisk(x disk, spaceMin, inodesMin float64) health.Finding {
	if x.err != nil {
		return unknown(reasonFsUnreadable, "%v", x.err)
	}
	percent := func(free, all uint64) float64 { return 100 * float64(free) / float64(all) }
	switch {
	case x.bytes == 0:
		return unknown(reasonFsUnreadable, "statfs %s tells a size of 0", x.path)
	case percent(x.free, x.bytes) < spaceMin:
		return failing(reasonSpaceLow, "%.0f %% of %s free, less than %g %%", percent(x.free, x.bytes), bytesText(x.bytes), spaceMin)
	case x.inodes > 0 && percent(x.inodesFree, x.inodes) < inodesMin:
		return failing(reasonInodesLow, "%.0f %% of %d inodes free, less than %g %%", percent(x.inodesFree, x.inodes), x.inodes, inodesMin)
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("%.0f %% of %s free", percent(x.free, x.bytes), bytesText(x.bytes))}
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

func (d *detailsSeen) judgePause() health.Finding {
	image := d.told.PauseImage
	if image == "" {
		// containerd 2 with its default image: it is the one that is pinned.
		for _, i := range d.images.Resp.GetImages() {
			if i.GetPinned() {
				return health.Finding{Status: health.OK, Message: strings.Join(i.GetRepoTags(), " ") + " is pinned"}
			}
		}
		return unknown(reasonPauseNotTold, "the runtime does not tell its pause image, and no image is pinned as one")
	}
	switch {
	case d.pause.Err != nil:
		return unknown(reasonPauseNotTold, "ImageStatus of %s: %s", image, status.Convert(d.pause.Err).Message())
	case d.pause.Resp.GetImage() == nil:
		return failing(reasonPauseMissing, "%s is not on the node: the next pod starts only if it can be pulled", image)
	}
	return health.Finding{Status: health.OK, Message: image}
}

func (d *detailsSeen) judgeWatch() []health.Finding {
	socket := health.Finding{Subject: "socket", Status: health.OK}
	switch {
	case d.polls != nil && isUsedUp(d.polls):
		socket = about("socket", failing(reasonInotify, "the runtime's socket is polled: %v", d.polls))
	case d.polls != nil:
		socket = about("socket", failing(reasonWatch, "the runtime's socket is polled: %v", d.polls))
	}
	events := health.Finding{Subject: "events", Status: health.OK}
	switch {
	case d.unresponsive != "":
		events = about("events", notAsked(d.unresponsive))
	case d.noEvents:
		events = about("events", failing(reasonNoEvents, "the runtime sends no container events"))
	}
	return []health.Finding{socket, events}
}

func (d *detailsSeen) judgeNames() []health.Finding {
	if len(d.names) == 0 {
		return []health.Finding{{Status: health.OK}}
	}
	ids := d.ids()
	var out []health.Finding
	for _, n := range d.names {
		f := about(n.Name, failing(reasonReserved, "refused at %s: the name is held by %s", n.At.Format(time.TimeOnly), holder(n.Holder, ids[n.Holder])))
		if n.Holder != "" {
			f.Evidence = []health.Pair{{Key: "holder", Value: n.Holder}}
		}
		out = append(out, f)
	}
	return out
}

func holder(id, state string) string {
	switch {
	case id == "":
		return "an earlier attempt"
	case state == "":
		return id + ", which no list has"
	}
	return id + ", which is " + state
}

// ids are what the runtime lists, with their states; nil: it was not asked.
func (d *detailsSeen) ids() map[string]string {
	if !d.sandboxes.asked || d.sandboxes.Err != nil || !d.containers.asked || d.containers.Err != nil {
		return nil
	}
	out := map[string]string{}
	for _, s := range d.sandboxes.Resp.GetItems() {
		out[s.GetId()] = "a sandbox, " + strings.ToLower(strings.TrimPrefix(s.GetState().String(), "SANDBOX_"))
	}
	for _, c := range d.containers.Resp.GetContainers() {
		out[c.GetId()] = "a container, " + strings.ToLower(strings.TrimPrefix(c.GetState().String(), "CONTAINER_"))
	}
	return out
}

func (d *detailsSeen) judgeUnit() health.Finding {
	switch {
	case d.cfg.Unit == nil:
		return health.Finding{Status: health.Absent, Message: "systemd was not asked: it does not run this node"}
	case d.unitErr != nil:
		return unknown(reasonNoUnit, "%v", d.unitErr)
	case d.unit.Name == "":
		return health.Finding{Status: health.Absent, Message: "the runtime belongs to no unit that is known"}
	case d.restarts >= restartsMany:
		return failing(reasonRestarts, "%s was restarted %d times within %v", d.unit.Name, d.restarts, restartWindow)
	case d.unit.KillMode != "process" && d.unit.KillMode != "none": // none kills nothing
		return failing(reasonKillMode, "%s has KillMode=%s: stopping it kills the shims, and with them every pod", d.unit.Name, d.unit.KillMode)
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s, KillMode=%s", d.unit.Name, d.unit.KillMode)}
}
