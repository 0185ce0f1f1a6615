package runtime

import (
	"cmp"
	"path/filepath"

	"nodeagent/internal/view"
)

func showDetails(d *detailsSeen) view.RuntimeDetails {
	v := view.RuntimeDetails{
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
			v.ImageFs = append(v.ImageFs, view.ImageFilesystem{Path: x.path, Bytes: x.bytes, FreeBytes: x.free, Inodes: x.inodes, FreeInodes: x.inodesFree})
		}
	}
	return v
}

func showHandler(h handlerSeen) view.RuntimeHandler {
	return view.RuntimeHandler{
		Handler: h.Name, Runtime: cmp.Or(h.version.Program, filepath.Base(h.Binary)), Version: h.version.Version, Path: h.path, Default: h.Default,
	}
}
