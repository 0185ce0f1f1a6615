package component

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the part of the file that is read. Its server is not: this node's own apiserver is asked, never the address in it.
type kubeconfig struct {
	Users []struct {
		User struct {
			ClientCertificate     string `yaml:"client-certificate"`
			ClientKey             string `yaml:"client-key"`
			ClientCertificateData string `yaml:"client-certificate-data"`
			ClientKeyData         string `yaml:"client-key-data"`
			Token                 string `yaml:"token"`
			TokenFile             string `yaml:"tokenFile"`
		} `yaml:"user"`
	} `yaml:"users"`
}

// administrators are the files and groups that have every right: the agent never uses them.
var (
	administratorFiles  = []string{"admin.conf", "super-admin.conf"}
	administratorGroups = []string{"system:masters", "kubeadm:cluster-admins"}
)

var errAdministrator = errors.New("it belongs to an administrator of the cluster, and the agent uses none: name kubelet.conf")

// readKubeconfig reads who to be. Its errors hold nothing of the file's content.
func readKubeconfig(file string) (identity, error) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return identity{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	if slices.Contains(administratorFiles, filepath.Base(file)) || slices.Contains(administratorFiles, filepath.Base(real)) {
		return identity{}, fmt.Errorf("kubeconfig %s: %w", file, errAdministrator)
	}
	text, err := os.ReadFile(real)
	if err != nil {
		return identity{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	var k kubeconfig
	if yaml.Unmarshal(text, &k) != nil || len(k.Users) == 0 {
		return identity{}, fmt.Errorf("kubeconfig %s names no user", file)
	}
	u := k.Users[0].User
	beside := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(filepath.Dir(real), p)
	}
	who := identity{token: u.Token}
	switch {
	case u.ClientCertificateData != "":
		who.certificate, err = embedded(u.ClientCertificateData, u.ClientKeyData)
	case u.ClientCertificate != "":
		who.certificate, err = keyPair(beside(u.ClientCertificate), beside(u.ClientKey))
	case u.TokenFile != "":
		var b []byte
		if b, err = os.ReadFile(beside(u.TokenFile)); err == nil {
			who.token = string(b)
		}
	case u.Token == "":
		err = errors.New("it has neither a client certificate nor a token")
	}
	if err == nil && who.certificate != nil {
		for _, group := range who.certificate.Leaf.Subject.Organization {
			if slices.Contains(administratorGroups, group) {
				err = errAdministrator
			}
		}
	}
	if err != nil {
		return identity{}, fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	return who, nil
}

func embedded(certificate, key string) (*tls.Certificate, error) {
	c, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return nil, errors.New("client-certificate-data is no base64")
	}
	k, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, errors.New("client-key-data is no base64")
	}
	pair, err := tls.X509KeyPair(c, k)
	if err != nil {
		return nil, scrub(err)
	}
	return &pair, nil
}
