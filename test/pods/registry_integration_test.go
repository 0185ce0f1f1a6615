//go:build integration

package pods

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// registry is Debian's docker-registry on loopback, which runtimes speak plain HTTP to.
type registry struct {
	address string
	dir     string
	cmd     *exec.Cmd
}

// fill starts a registry and puts the images of the suite into it. An address with port 0 takes a free one.
func (n *node) fill(t *testing.T, address string) {
	t.Helper()
	if _, port, err := net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	} else if port == "0" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		address = l.Addr().String()
		l.Close()
	}
	r := &registry{address: address, dir: t.TempDir()}
	r.start(t)
	t.Cleanup(func() { r.stop() })
	n.registry = r
	n.image, n.userImage = address+"/workload:1", address+"/user:1"
	program, err := os.ReadFile(workload(t))
	if err != nil {
		t.Fatal(err)
	}
	r.push(t, n.image, program, "1")
	r.pushAs(t, n.userImage, program, v1.Config{User: fmt.Sprint(userOfImage)})
	r.pushAs(t, address+"/pause:1", program, v1.Config{Cmd: []string{"pause"}})
}

func (r *registry) start(t testing.TB) {
	t.Helper()
	config := filepath.Join(r.dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\nhttp: {addr: %s}\n", r.dir, r.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.cmd = exec.Command("docker-registry", "serve", config)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("start a registry: %v: install the package docker-registry", err)
	}
	eventually(t, "the registry answers", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.address+"/v2/", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
}

func (r *registry) stop() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

// push makes an image of the workload program, whose content tells itself by the variable CONTENT, and puts it into the registry.
func (r *registry) push(t testing.TB, image string, program []byte, content string) {
	t.Helper()
	r.pushAs(t, image, program, v1.Config{Env: []string{"CONTENT=" + content}})
}

func (r *registry) pushAs(t testing.TB, image string, program []byte, c v1.Config) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "nodeagent", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	w.Write(program)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.DockerUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	c.Entrypoint, c.WorkingDir, c.Env = []string{"/nodeagent", "workload"}, "/", append(c.Env, "OF_IMAGE=yes")
	file.Config = c
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	if err := r.upload(img, strings.TrimSuffix(strings.TrimPrefix(image, r.address+"/"), ":1")); err != nil {
		t.Fatalf("push %s: %v", image, err)
	}
}

// upload speaks the distribution API: the layer and the configuration as blobs, then the manifest under the tag 1.
func (r *registry) upload(img v1.Image, repository string) error {
	base := "http://" + r.address + "/v2/" + repository
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	kind, err := img.MediaType()
	if err != nil {
		return err
	}
	blobs := [][]byte{config}
	for _, l := range layers {
		reader, err := l.Compressed() // as it was given
		if err != nil {
			return err
		}
		b, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		blobs = append(blobs, b)
	}
	for _, b := range blobs {
		where, err := send("POST", base+"/blobs/uploads/", "", nil)
		if err != nil {
			return err
		}
		if _, err := send("PUT", fmt.Sprintf("%s&digest=sha256:%x", where, sha256.Sum256(b)), "application/octet-stream", b); err != nil {
			return err
		}
	}
	_, err = send("PUT", base+"/manifests/1", string(kind), manifest)
	return err
}

// send makes one request and gives the answer's Location.
func send(method, url, kind string, body []byte) (string, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		text, _ := io.ReadAll(answer.Body)
		return "", fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, text)
	}
	return answer.Header.Get("Location"), nil
}

// mapPorts adds the port mapper to the network configurations of a folder.
func mapPorts(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.conflist"))
	if err != nil || len(files) != 1 {
		t.Fatalf("network configurations in %s: %v (%v)", dir, files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	// Chains of its own go with the pods; the common ones that it makes stay.
	list["plugins"] = append(list["plugins"].([]any), map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}})
	if b, err = json.Marshal(list); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forgetPorts(t) })
}

// portChains are what the port mapper leaves in the nat tables when its last port is gone.
var portChains = []string{"CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"}

// forgetPorts removes the port mapper's chains, unless a port of somebody's is mapped still.
func forgetPorts(t *testing.T) {
	for _, tables := range []string{"iptables", "ip6tables"} {
		rules, err := exec.Command(tables, "-t", "nat", "-S").Output()
		if err != nil {
			continue // without tables there is nothing in them
		}
		if bytes.Contains(rules, []byte("-N CNI-DN-")) {
			t.Log("a mapped port is left; the port mapper's chains stay")
			continue
		}
		for line := range bytes.Lines(rules) {
			for _, chain := range portChains {
				if f := bytes.Fields(line); len(f) > 2 && string(f[0]) == "-A" && (string(f[1]) == chain || bytes.HasSuffix(bytes.TrimSpace(line), []byte("-j "+chain))) {
					if err := command("sh", "-c", tables+" -t nat -D "+string(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("-A ")))); err != nil {
						t.Log(err)
					}
				}
			}
		}
		for _, chain := range portChains {
			if bytes.Contains(rules, []byte("-N "+chain+"\n")) {
				if err := command(tables, "-t", "nat", "-X", chain); err != nil {
					t.Log(err)
				}
			}
		}
	}
}
