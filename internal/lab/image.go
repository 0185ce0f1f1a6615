package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PauseImage is the sandbox image of every lab. RFC 6761 keeps .invalid free of
// hosts: an image of this name is imported or not there, never pulled.
const PauseImage = "lab.invalid/pause:1"

// workloadFile is where WorkloadImage puts the program.
const workloadFile = "/nodeagent"

// Image is one image of one layer, made of files of this host.
type Image struct {
	Name       string            // whole reference with registry and tag: lab.invalid/hello:1
	Files      map[string]string // absolute path in the image -> path on this host
	Entrypoint []string
	Cmd        []string
	Env        []string // NAME=value
}

// WorkloadImage is an image of the lab's workload binary that runs one of the
// programs of package workload, unless the pod's args say otherwise.
func (l *Lab) WorkloadImage(name string, args ...string) Image {
	return Image{
		Name:       name,
		Files:      map[string]string{workloadFile: l.workload},
		Entrypoint: []string{workloadFile, "workload"},
		Cmd:        args,
	}
}

// Import builds the images in memory, imports them into the lab's containerd in
// the namespace of the CRI, unpacks them and waits until the CRI lists them. An
// image of the same name is replaced. containerd must run.
func (l *Lab) Import(ctx context.Context, images ...Image) error {
	if err := l.importImages(ctx, images...); err != nil {
		return fmt.Errorf("import into lab %s: %w", l.place.name, err)
	}
	return nil
}

// WriteArchive builds the images and writes them into one file, for `ctr images import`.
func WriteArchive(file string, images ...Image) error {
	archive, err := buildArchive(images)
	if err != nil {
		return err
	}
	if err := tarball.MultiWriteToFile(file, archive); err != nil {
		return fmt.Errorf("write the images: %w", err)
	}
	return nil
}

// importPause imports the pause image, unless a start before did.
func (l *Lab) importPause(ctx context.Context) error {
	conn, err := dial(l.place.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	known, err := listed(ctx, cri.NewImageServiceClient(conn), PauseImage)
	if err != nil || known {
		return err
	}
	return l.importImages(ctx, l.WorkloadImage(PauseImage, "pause"))
}

func listed(ctx context.Context, client cri.ImageServiceClient, image string) (bool, error) {
	answer, err := client.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: image}})
	if err != nil {
		return false, fmt.Errorf("ask the CRI for image %s: %w", image, err)
	}
	return answer.Image != nil, nil
}

func (l *Lab) importImages(ctx context.Context, images ...Image) error {
	archive, err := buildArchive(images)
	if err != nil {
		return err
	}
	client, err := containerd.New(l.place.socket(), containerd.WithDefaultNamespace("k8s.io"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer client.Close()

	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(tarball.MultiWrite(archive, writer)) }()
	defer reader.Close()
	// The labels that the CRI gives to images that it pulled; pinned keeps the
	// image collector away from the pause image (k/k#81756).
	labels := map[string]string{"io.cri-containerd.image": "managed"}
	imported, err := client.Import(ctx, reader, containerd.WithImageLabels(labels))
	if err != nil {
		return err
	}
	for _, i := range imported {
		if i.Name == PauseImage {
			i.Labels["io.cri-containerd.pinned"] = "pinned"
			if i, err = client.ImageService().Update(ctx, i, "labels"); err != nil {
				return fmt.Errorf("pin %s: %w", i.Name, err)
			}
		}
		if err := containerd.NewImage(client, i).Unpack(ctx, l.settings.snapshotter); err != nil {
			return fmt.Errorf("unpack %s: %w", i.Name, err)
		}
	}
	return l.awaitImages(ctx, images)
}

// awaitImages waits until the CRI knows the images: it learns of them from
// containerd's events.
func (l *Lab) awaitImages(ctx context.Context, images []Image) error {
	conn, err := dial(l.place.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	client := cri.NewImageServiceClient(conn)
	for _, image := range images {
		for {
			known, err := listed(ctx, client, image.Name)
			if err != nil {
				return err
			}
			if known {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the CRI does not list %s: %w", image.Name, ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

// buildArchive makes the images; equal sets of files share a layer.
func buildArchive(images []Image) (map[name.Tag]v1.Image, error) {
	layers := map[string]v1.Layer{}
	out := map[name.Tag]v1.Image{}
	for _, image := range images {
		tag, err := name.NewTag(image.Name, name.StrictValidation)
		if err != nil {
			return nil, fmt.Errorf("image %s: want a whole reference, such as lab.invalid/hello:1: %w", image.Name, err)
		}
		key := fmt.Sprint(image.Files)
		if layers[key] == nil {
			content, err := fileLayer(image.Files)
			if err != nil {
				return nil, fmt.Errorf("image %s: %w", image.Name, err)
			}
			layers[key] = static.NewLayer(content, types.OCIUncompressedLayer)
		}
		if out[tag], err = buildImage(image, layers[key]); err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Name, err)
		}
	}
	return out, nil
}

func buildImage(image Image, layer v1.Layer) (v1.Image, error) {
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: image.Entrypoint, Cmd: image.Cmd, Env: image.Env, WorkingDir: "/"}
	return mutate.ConfigFile(img, config)
}

// fileLayer is a tar of the files and their parents, owned by root, with no
// times: the same files give the same digest.
func fileLayer(files map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := map[string]bool{".": true}
	for _, target := range slices.Sorted(maps.Keys(files)) {
		if !path.IsAbs(target) || path.Clean(target) != target || target == "/" {
			return nil, fmt.Errorf("file %q: want a clean absolute path", target)
		}
		name := strings.TrimPrefix(target, "/")
		if err := addParents(w, path.Dir(name), made); err != nil {
			return nil, err
		}
		if err := addFile(w, name, files[target]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func addParents(w *tar.Writer, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := addParents(w, path.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}

func addFile(w *tar.Writer, name, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New(source + " is not a regular file")
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}
