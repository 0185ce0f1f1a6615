package metrics

import (
	"nodeagent/internal/view"
)

// Bounds of series: more than a node has of each.
const (
	maxHandlers    = 16
	maxFilesystems = 4
)

var (
	ociDesc        = desc("oci_runtime_info", "The OCI runtime behind a runtime handler: always 1.", "handler", "runtime", "version")
	containersDesc = desc("runtime_containers", "Containers that the runtime has, ended ones too.")
	sandboxesDesc  = desc("runtime_sandboxes", "Pod sandboxes that the runtime has, ended ones too.")
	imagesDesc     = desc("runtime_images", "Images that the runtime has.")
	unitRestarts   = desc("runtime_unit_restarts", "Automatic restarts of the runtime's systemd unit within 20 minutes.")
	imageFsSize    = desc("image_filesystem_size_bytes", "Size of a file system that images or containers lie on.", "path")
	imageFsFree    = desc("image_filesystem_free_bytes", "Free space of a file system that images or containers lie on.", "path")
	imageFsInodes  = desc("image_filesystem_free_inodes", "Free inodes of a file system that images or containers lie on; none where their number is not fixed.", "path")
	canaryOK       = desc("canary_success", "Whether the last canary of a handler did all of its steps: 1 or 0. path is cri or native, whose times can't be compared.", "handler", "path")
	canaryAt       = desc("canary_timestamp_seconds", "When the last canary of a handler was run.", "handler", "path")
	canaryStep     = desc("canary_step_seconds", "How long a step of the last canary of a handler took.", "handler", "path", "step")
)

func detailSamples(to *samples, r view.Runtime) {
	if d := r.Details; d != nil {
		to.gauge(containersDesc, float64(d.Containers))
		to.gauge(sandboxesDesc, float64(d.Sandboxes))
		to.gauge(imagesDesc, float64(d.Images))
		if d.Unit != "" {
			to.gauge(unitRestarts, float64(d.Restarts))
		}
		for _, h := range d.Handlers[:min(len(d.Handlers), maxHandlers)] {
			to.gauge(ociDesc, 1, h.Handler, h.Runtime, h.Version)
		}
		for _, f := range d.ImageFs[:min(len(d.ImageFs), maxFilesystems)] {
			to.gauge(imageFsSize, float64(f.Bytes), f.Path)
			to.gauge(imageFsFree, float64(f.FreeBytes), f.Path)
			if f.Inodes > 0 {
				to.gauge(imageFsInodes, float64(f.FreeInodes), f.Path)
			}
		}
	}
	for _, c := range r.Canaries[:min(len(r.Canaries), maxHandlers)] {
		if c.Off != "" {
			continue
		}
		to.gauge(canaryOK, yes(c.OK), c.Handler, c.Path)
		to.gauge(canaryAt, seconds(c.At), c.Handler, c.Path)
		for _, s := range c.Steps {
			to.gauge(canaryStep, s.Seconds, c.Handler, c.Path, s.Name)
		}
	}
}
