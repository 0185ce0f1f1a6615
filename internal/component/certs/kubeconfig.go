package certs

import (
	"encoding/base64"
	"errors"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the part of the file that is read.
type kubeconfig struct {
	Users []struct {
		User struct {
			Certificate     string `yaml:"client-certificate"`
			CertificateData string `yaml:"client-certificate-data"`
			Key             string `yaml:"client-key"`
			KeyData         string `yaml:"client-key-data"`
		} `yaml:"user"`
	} `yaml:"users"`
}

var (
	errNoKubeconfig = errors.New("it is no kubeconfig")
	errBase64       = errors.New("its client-certificate-data or client-key-data is no base64")
)

// entry is the credentials of the first user of a kubeconfig who has a certificate.
type entry struct {
	certificate, key         []byte // PEM; nil: in a file, or there is none
	certificateFile, keyFile string // whole paths; empty: embedded, or there is none
}

// parseKubeconfig finds the client certificate. A kubeconfig with none (a token, a plug-in) gives a zero entry. Errors repeat nothing of
// the text.
func parseKubeconfig(path string, text []byte) (entry, error) {
	var k kubeconfig
	if err := yaml.Unmarshal(text, &k); err != nil {
		return entry{}, errNoKubeconfig
	}
	beside := func(file string) string {
		if file == "" || filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(filepath.Dir(path), file)
	}
	for _, u := range k.Users {
		e := entry{certificateFile: beside(u.User.Certificate), keyFile: beside(u.User.Key)}
		var err error
		if u.User.CertificateData != "" { // data wins over a file, as in client-go
			e.certificateFile = ""
			if e.certificate, err = base64.StdEncoding.DecodeString(u.User.CertificateData); err != nil {
				return entry{}, errBase64
			}
		}
		if u.User.KeyData != "" {
			e.keyFile = ""
			if e.key, err = base64.StdEncoding.DecodeString(u.User.KeyData); err != nil {
				return entry{}, errBase64
			}
		}
		if e.certificate != nil || e.certificateFile != "" {
			return e, nil
		}
	}
	return entry{}, nil
}
