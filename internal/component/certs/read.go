package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Limits of a look: kubeadm's control plane has 15 files and 5 kubeconfigs.
const (
	maxFiles = 64
	maxSize  = 1 << 20
)

// file is one certificate that was found, or why it could not be read.
type file struct {
	path       string
	kubeconfig bool
	bundle     bundle
	paired     bool // a key belongs to it, and key tells of it
	key        bundle
	err        error // of the certificate
	keyErr     error // of the key
	modified   time.Time
}

// leaf is the certificate that counts; nil: none was read.
func (f file) leaf() *x509.Certificate {
	if len(f.bundle.certs) == 0 {
		return nil
	}
	return f.bundle.certs[0]
}

// readAll finds every certificate. The second result is the fault of each folder that could not be listed.
func readAll(cfg Config) ([]file, map[string]error) {
	var out []file
	faults := map[string]error{}
	for _, folder := range cfg.Folders {
		names, err := list(folder)
		if err != nil {
			faults[folder] = err
		}
		for _, n := range names {
			if f, ok := readFile(folder, n, names); ok {
				out = append(out, f)
			}
		}
	}
	for _, path := range kubeconfigs(cfg, faults) {
		if f, ok := readKubeconfig(cfg, path); ok {
			out = append(out, f)
		}
	}
	return out[:min(len(out), maxFiles)], faults
}

func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readFile reads one that holds a certificate, or a public key that belongs to a private one. Of kubelet's rotated files only the newest
// counts, to which kubelet-client-current.pem is a link.
func readFile(folder, name string, names []string) (file, bool) {
	ext := filepath.Ext(name)
	base := strings.TrimSuffix(name, ext)
	path := filepath.Join(folder, name)
	f := file{path: path}
	switch {
	case ext == ".crt" && base == "kubelet" && slices.Contains(names, "kubelet-server-current.pem"):
		return file{}, false // left behind: it serves the one that the cluster signed
	case ext == ".crt":
		if slices.Contains(names, base+".key") {
			f.paired = true
			f.key, f.keyErr = readPEM(filepath.Join(folder, base+".key"))
		}
	case ext == ".pem" && strings.HasSuffix(base, "-current"):
		f.paired = true
	case ext == ".pub" && slices.Contains(names, base+".key"):
		f.paired = true
		f.key, f.keyErr = readPEM(filepath.Join(folder, base+".key"))
	default:
		return file{}, false
	}
	f.bundle, f.err = readPEM(path)
	if ext == ".pem" {
		f.key = f.bundle
	}
	f.modified = modified(path)
	return f, true
}

// kubeconfigs are the files of the named folders that end in .conf, and the named files.
func kubeconfigs(cfg Config, faults map[string]error) []string {
	var out []string
	for _, place := range cfg.Kubeconfigs {
		if strings.HasSuffix(place, ".conf") {
			out = append(out, place)
			continue
		}
		names, err := list(place)
		if err != nil {
			faults[place] = err
		}
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				out = append(out, filepath.Join(place, n))
			}
		}
	}
	return out
}

// readKubeconfig reads the certificate of a kubeconfig's user. One that names a file which is looked at anyway, as kubelet.conf does, and
// one without a certificate, is none of ours.
func readKubeconfig(cfg Config, path string) (file, bool) {
	f := file{path: path, kubeconfig: true, modified: modified(path)}
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{}, false
	}
	if err != nil {
		f.err = err
		return f, true
	}
	e, err := parseKubeconfig(path, text)
	switch {
	case err != nil:
		f.err = fmt.Errorf("%s: %w", path, err)
		return f, true
	case strings.HasSuffix(e.certificateFile, "-current.pem") && slices.Contains(cfg.Folders, filepath.Dir(e.certificateFile)) || e.certificate == nil && e.certificateFile == "":
		return file{}, false
	case e.certificate != nil:
		f.bundle, f.err = parse(path, e.certificate)
	default:
		f.bundle, f.err = readPEM(e.certificateFile)
	}
	if f.paired = e.key != nil || e.keyFile != ""; e.key != nil {
		f.key, f.keyErr = parse(path, e.key)
	} else if f.paired {
		f.key, f.keyErr = readPEM(e.keyFile)
	}
	return f, true
}

func readPEM(path string) (bundle, error) {
	text, err := read(path)
	if err != nil {
		return bundle{}, err
	}
	return parse(path, text)
}

func parse(path string, text []byte) (bundle, error) {
	b, err := parsePEM(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return b, err
}

// read reads a regular file of no more than maxSize.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("read certificate: %s is no file of at most %d bytes", path, maxSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return b, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
