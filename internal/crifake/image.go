package crifake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Image is an image of the registry, by name.
type Image struct {
	Name    string        // as written in a manifest; "busybox" means docker.io/library/busybox:latest
	Version string        // changes the digest: another version under the same name is another image
	Present bool          // in the store, no pull needed
	Pinned  bool          // not to be collected
	Size    uint64        // bytes; 0 means 1 MiB
	Pull    time.Duration // how long a pull takes
	PullErr error         // a pull fails, after Pull; an error with no gRPC status gets code Unknown
	Behaviour
}

type localImage struct {
	Image
	id, digest string
	tags       []string
}

// AddImage puts an image into the registry, in place of one of the same name, and into the store if it is Present.
// Its Behaviour holds from then on for every container of that name, also for those that run.
func (s *Server) AddImage(i Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i.Size = cmp.Or(i.Size, 1<<20)
	name := normalName(i.Name)
	s.registry[name] = i
	if i.Present {
		s.storeLocked(name, i)
	}
}

// RemoveLocalImage takes an image out of the store as a collector does, whoever uses it.
func (s *Server) RemoveLocalImage(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.resolveLocked(name); l != nil {
		delete(s.images, l.id)
	}
}

// storeLocked makes name mean the image and returns it.
func (s *Server) storeLocked(name string, i Image) *localImage {
	sum := sha256.Sum256([]byte(name + " " + i.Version))
	id := "sha256:" + hex.EncodeToString(sum[:])
	for _, other := range s.images {
		other.tags = slices.DeleteFunc(slices.Clone(other.tags), func(t string) bool { return t == name })
	}
	l := s.images[id]
	if l == nil {
		man := sha256.Sum256([]byte("manifest " + id))
		l = &localImage{id: id, digest: repository(name) + "@sha256:" + hex.EncodeToString(man[:])}
		s.images[id] = l
	}
	l.Image = i
	if !strings.Contains(name, "@") {
		l.tags = append(slices.Clone(l.tags), name)
	}
	return l
}

// resolveLocked finds a local image by name, id, id without sha256:, or digest.
func (s *Server) resolveLocked(ref string) *localImage {
	if ref == "" {
		return nil
	}
	if l := s.images[ref]; l != nil {
		return l
	}
	name := normalName(ref)
	for _, id := range slices.Sorted(maps.Keys(s.images)) {
		l := s.images[id]
		if slices.Contains(l.tags, name) || l.digest == name || l.Name == ref && strings.Contains(ref, "@") ||
			len(ref) >= 12 && strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), ref) {
			return l
		}
	}
	return nil
}

// normalName spells a name out as runtimes do: docker.io/library/busybox:latest.
func normalName(name string) string {
	host, _, found := strings.Cut(name, "/")
	switch {
	case !found:
		name = "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		name = "docker.io/" + name
	}
	if last := name[strings.LastIndex(name, "/"):]; !strings.ContainsAny(last, ":@") {
		name += ":latest"
	}
	return name
}

// repository is a normal name without tag and digest.
func repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	slash := strings.LastIndex(name, "/")
	if colon := strings.LastIndex(name, ":"); colon > slash {
		return name[:colon]
	}
	return name
}

// shown is the name in a container's status: a tag if there is one.
func (l *localImage) shown(asked string) string {
	if len(l.tags) > 0 {
		return l.tags[0]
	}
	return asked
}

func (l *localImage) ref() string { return l.digest }

func (l *localImage) message() *cri.Image {
	return &cri.Image{Id: l.id, RepoTags: l.tags, RepoDigests: []string{l.digest}, Size: l.Size, Pinned: l.Pinned, Spec: &cri.ImageSpec{}}
}

// ListImages implements cri.ImageServiceServer.
func (s *Server) ListImages(ctx context.Context, r *cri.ListImagesRequest) (*cri.ListImagesResponse, error) {
	name := r.GetFilter().GetImage().GetImage()
	return serve(s, ctx, "ListImages", name, func(context.Context) (*cri.ListImagesResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ListImagesResponse{}
		for _, id := range slices.Sorted(maps.Keys(s.images)) {
			if name == "" || s.resolveLocked(name) == s.images[id] {
				resp.Images = append(resp.Images, s.images[id].message())
			}
		}
		return resp, nil
	})
}

// ImageStatus implements cri.ImageServiceServer. An absent image is a response with no image, not an error.
func (s *Server) ImageStatus(ctx context.Context, r *cri.ImageStatusRequest) (*cri.ImageStatusResponse, error) {
	name := r.GetImage().GetImage()
	return serve(s, ctx, "ImageStatus", name, func(context.Context) (*cri.ImageStatusResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ImageStatusResponse{}
		if l := s.resolveLocked(name); l != nil {
			resp.Image = l.message()
			if r.GetVerbose() {
				resp.Info = infoJSON(map[string]any{"chainID": l.id, "imageSpec": map[string]any{"os": "linux"}})
			}
		}
		return resp, nil
	})
}

// PullImage implements cri.ImageServiceServer. A name that the registry does not know is NotFound.
func (s *Server) PullImage(ctx context.Context, r *cri.PullImageRequest) (*cri.PullImageResponse, error) {
	asked := r.GetImage().GetImage()
	return serve(s, ctx, "PullImage", asked, func(ctx context.Context) (*cri.PullImageResponse, error) {
		name := normalName(asked)
		s.mu.Lock()
		i, known := s.registry[name]
		s.mu.Unlock()
		if !known {
			return nil, status.Errorf(codes.NotFound, "failed to pull and unpack image %q: failed to resolve reference %q: %s: not found", name, name, name)
		}
		if err := sleep(ctx, i.Pull); err != nil {
			return nil, err
		}
		if i.PullErr != nil {
			return nil, i.PullErr
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return &cri.PullImageResponse{ImageRef: s.storeLocked(name, i).id}, nil
	})
}

// RemoveImage implements cri.ImageServiceServer. An absent image is no error; CRI-O refuses one that a container uses.
func (s *Server) RemoveImage(ctx context.Context, r *cri.RemoveImageRequest) (*cri.RemoveImageResponse, error) {
	name := r.GetImage().GetImage()
	return serve(s, ctx, "RemoveImage", name, func(context.Context) (*cri.RemoveImageResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		l := s.resolveLocked(name)
		if l == nil {
			return &cri.RemoveImageResponse{}, nil
		}
		for _, c := range s.containers {
			if s.p.crio && c.image == l {
				return nil, fmt.Errorf("image used by %s: image is in use by a container", c.id)
			}
		}
		delete(s.images, l.id)
		return &cri.RemoveImageResponse{}, nil
	})
}

// ImageFsInfo implements cri.ImageServiceServer. The used bytes are the sizes of the images in the store.
func (s *Server) ImageFsInfo(ctx context.Context, _ *cri.ImageFsInfoRequest) (*cri.ImageFsInfoResponse, error) {
	return serve(s, ctx, "ImageFsInfo", "", func(context.Context) (*cri.ImageFsInfoResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		mount := "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
		if s.p.crio {
			mount = "/var/lib/containers/storage/overlay-images"
		}
		used := uint64(0)
		for _, l := range s.images {
			used += l.Size
		}
		fs := []*cri.FilesystemUsage{{
			Timestamp: time.Now().UnixNano(), FsId: &cri.FilesystemIdentifier{Mountpoint: cmp.Or(s.o.ImageFs, mount)},
			UsedBytes: &cri.UInt64Value{Value: used}, InodesUsed: &cri.UInt64Value{Value: uint64(len(s.images))},
		}}
		return &cri.ImageFsInfoResponse{ImageFilesystems: fs, ContainerFilesystems: fs}, nil
	})
}
