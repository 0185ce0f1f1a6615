package runtime

import (
	"cmp"
	"path/filepath"
	"time"
)

// DetailsView is what is shown of the runtime beside its conditions; its JSON names are stable.
type DetailsView struct {
	At            time.Time     `json:"at"`
	Sandboxes     int           `json:"sandboxes"`
	Containers    int           `json:"containers"` // ended ones too
	Images        int           `json:"images"`
	CgroupDriver  string        `json:"cgroupDriver,omitempty"`
	CgroupVersion string        `json:"cgroupVersion,omitempty"` // v1, hybrid, v2
	PauseImage    string        `json:"pauseImage,omitempty"`
	Shim          string        `json:"shim,omitempty"` // version of containerd's shim on disk
	Unit          string        `json:"unit,omitempty"`
	Restarts      int           `json:"restarts"` // automatic ones of the unit within 20 minutes
	Handlers      []HandlerView `json:"handlers,omitempty"`
	ImageFs       []ImageFsView `json:"imageFilesystems,omitempty"`
}

// HandlerView is one runtime handler: the labels of nodeagent_oci_runtime_info.
type HandlerView struct {
	Handler string `json:"handler"`
	Runtime string `json:"runtime,omitempty"` // runc, crun ...; of a shim of another kind its file
	Version string `json:"version,omitempty"` // empty: not known
	Path    string `json:"path,omitempty"`    // empty: not found
	Default bool   `json:"default,omitempty"`
}

// ImageFsView is a file system that images or containers lie on.
type ImageFsView struct {
	Path       string `json:"path"`
	Bytes      uint64 `json:"bytes"`
	FreeBytes  uint64 `json:"freeBytes"`
	Inodes     uint64 `json:"inodes,omitempty"` // 0: no fixed number
	FreeInodes uint64 `json:"freeInodes,omitempty"`
}

func showDetails(d *detailsSeen) DetailsView {
	v := DetailsView{
		At: d.now, Sandboxes: len(d.sandboxes.Resp.GetItems()), Containers: len(d.containers.Resp.GetContainers()), Images: len(d.images.Resp.GetImages()),
		CgroupVersion: d.cgroups.Version, PauseImage: d.told.PauseImage, Shim: d.shim.version.Version, Unit: d.unit.Name, Restarts: d.restarts,
	}
	if d.unresponsive == "" {
		v.CgroupDriver = d.cgroupDriver()
	}
	for _, h := range d.handlers {
		v.Handlers = append(v.Handlers, showHandler(h))
	}
	for _, x := range d.disks {
		if x.err == nil {
			v.ImageFs = append(v.ImageFs, ImageFsView{Path: x.path, Bytes: x.bytes, FreeBytes: x.free, Inodes: x.inodes, FreeInodes: x.inodesFree})
		}
	}
	return v
}

func showHandler(h handlerSeen) HandlerView {
	return HandlerView{
		Handler: h.Name, Runtime: cmp.Or(h.version.Program, filepath.Base(h.Binary)), Version: h.version.Version, Path: h.path, Default: h.Default,
	}
}
