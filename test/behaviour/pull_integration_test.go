//go:build integration

package behaviour

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// registry serves one image on loopback, as the distribution API has it. Half of the layer comes at once, and the other half not before free
// is called.
type registry struct {
	image string        // its whole name
	half  chan struct{} // receives once half of the layer is out, for each time that it is asked for from its beginning

	blobs    map[string][]byte // by digest, the manifest's too
	manifest string            // digest
	layer    string
	kind     types.MediaType

	mu    sync.Mutex
	freed chan struct{}
	asked int // for the layer, from whichever byte
}

// serveImage makes an image of the workload, which no other registry and no containerd has by its digest.
func serveImage(t *testing.T, workload string) *registry {
	t.Helper()
	program, err := os.ReadFile(workload)
	if err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for name, content := range map[string][]byte{"nodeagent": program, "unique": fmt.Append(nil, time.Now())} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.DockerUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, RootFS: rootFS(t, img),
		Config: v1.Config{Entrypoint: []string{"/nodeagent", "workload"}, Cmd: []string{"sleep"}, WorkingDir: "/"}}); err != nil {
		t.Fatal(err)
	}
	config, err1 := img.RawConfigFile()
	manifest, err2 := img.RawManifest()
	kind, err3 := img.MediaType()
	digest, err4 := img.Digest()
	m, err5 := img.Manifest()
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := &registry{half: make(chan struct{}, 100), manifest: digest.String(), layer: m.Layers[0].Digest.String(), kind: kind, freed: make(chan struct{})}
	r.blobs = map[string][]byte{r.manifest: manifest, m.Config.Digest.String(): config, r.layer: layer.Bytes()}
	server := httptest.NewServer(r)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	t.Cleanup(r.free)
	r.image = strings.TrimPrefix(server.URL, "http://") + "/slow:1"
	return r
}

func rootFS(t *testing.T, img v1.Image) v1.RootFS {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS
}

// free lets the rest of the layer go out, and all of it from now on.
func (r *registry) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.freed:
	default:
		close(r.freed)
	}
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	digest := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
	if digest == "1" { // the tag
		digest = r.manifest
	}
	content, ok := r.blobs[digest]
	if !ok && q.URL.Path != "/v2/" {
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Type", "application/octet-stream")
	if digest == r.manifest {
		w.Header().Set("Content-Type", string(r.kind))
	}
	if digest == r.layer && q.Method == http.MethodGet {
		r.mu.Lock()
		r.asked++
		r.mu.Unlock()
		select {
		case <-r.freed:
		default:
			r.hold(w, q, content)
			return
		}
	}
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(content))
}

// hold sends half of the layer, and the rest once it is free. Who goes away is let go.
func (r *registry) hold(w http.ResponseWriter, q *http.Request, content []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if _, err := w.Write(content[:len(content)/2]); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	r.half <- struct{}{}
	select {
	case <-r.freed:
		_, _ = w.Write(content[len(content)/2:])
	case <-q.Context().Done():
	}
}

// killedPulling kills containerd, and the daemon with it or not, while half of an image is there: the pull begins anew, and the pod runs once.
func (s *stage) killedPulling(name, mark string, both bool) {
	s.t.Helper()
	r := serveImage(s.t, s.rig.workload)
	s.put(name+".yaml", strings.ReplaceAll(s.pod(name, mark, ""), s.rig.image, r.image))
	await := func(what string) {
		s.t.Helper()
		select {
		case <-r.half:
		case <-time.After(patience):
			s.t.Fatalf("%s does not come to the half of the layer", what)
		}
	}
	await("the first pull")
	if both {
		s.agent.kill()
	}
	s.rig.down()
	s.rig.up()
	if both {
		s.agent.start()
	}
	await("a second pull") // and no pod but the one beside runs yet
	if n := copies(mark); n != 0 {
		s.t.Errorf("%d processes of an image that is not there", n)
	}
	r.free()
	s.running(name, anyOne)
	s.onlyOne(name, mark)
	if r.mu.Lock(); r.asked != 2 {
		s.t.Errorf("the layer was asked for %d times, want once before and once after the kill", r.asked)
	}
	r.mu.Unlock()
	s.remove(name + ".yaml")
	s.gone(name)
}
