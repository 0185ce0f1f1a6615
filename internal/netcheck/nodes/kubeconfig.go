package nodes

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the part of the file that is read: the current context's cluster and user, else the first of each.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Clusters []struct {
		Name    string  `yaml:"name"`
		Cluster cluster `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User user   `yaml:"user"`
	} `yaml:"users"`
}

type cluster struct {
	Server string `yaml:"server"`
	CA     string `yaml:"certificate-authority"`
	CAData string `yaml:"certificate-authority-data"`
}

type user struct {
	Certificate     string `yaml:"client-certificate"`
	Key             string `yaml:"client-key"`
	CertificateData string `yaml:"client-certificate-data"`
	KeyData         string `yaml:"client-key-data"`
	Token           string `yaml:"token"`
	TokenFile       string `yaml:"tokenFile"`
}

// administrators are files that have every right in the cluster: the agent uses none.
var administrators = []string{"admin.conf", "super-admin.conf"}

// errContent hides what a parser says of a file whose content is secret.
var errContent = errors.New("its content is not a kubeconfig that can be used")

// server is an API server, and who asks it.
type server struct {
	client *http.Client
	base   string // https://host:port
	token  string
}

// open reads a kubeconfig. The server's certificate is always verified: no credentials go to anybody else.
func open(path string, timeout time.Duration) (server, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return server{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	if slices.Contains(administrators, filepath.Base(path)) || slices.Contains(administrators, filepath.Base(real)) {
		return server{}, fmt.Errorf("kubeconfig %s belongs to an administrator of the cluster, and the agent uses none: make one that may list nodes", path)
	}
	text, err := os.ReadFile(real)
	if err != nil {
		return server{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	c, u, err := parse(text)
	if err != nil {
		return server{}, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	dir := filepath.Dir(real)
	s := server{token: strings.TrimSpace(u.Token)}
	address, err := url.Parse(c.Server)
	if err != nil || address.Scheme != "https" || address.Host == "" {
		return server{}, fmt.Errorf("kubeconfig %s: its server is no https address", path)
	}
	s.base = "https://" + address.Host
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	ca, err := content(dir, c.CA, c.CAData)
	if err != nil {
		return server{}, fmt.Errorf("kubeconfig %s: certificate authority: %w", path, err)
	}
	if len(ca) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(ca) {
			return server{}, fmt.Errorf("kubeconfig %s: its certificate authority is none", path)
		}
	}
	certificate, err := content(dir, u.Certificate, u.CertificateData)
	if err == nil && len(certificate) > 0 {
		var key []byte
		if key, err = content(dir, u.Key, u.KeyData); err == nil {
			var pair tls.Certificate
			if pair, err = tls.X509KeyPair(certificate, key); err == nil {
				tlsConfig.Certificates = []tls.Certificate{pair}
			} else {
				err = errContent
			}
		}
	}
	if err == nil && u.TokenFile != "" {
		var b []byte
		b, err = content(dir, u.TokenFile, "")
		s.token = strings.TrimSpace(string(b))
	}
	if err != nil {
		return server{}, fmt.Errorf("kubeconfig %s: user: %w", path, err)
	}
	s.client = &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// parse finds the cluster and the user that are meant.
func parse(text []byte) (cluster, user, error) {
	var k kubeconfig
	if yaml.Unmarshal(text, &k) != nil || len(k.Clusters) == 0 || len(k.Users) == 0 {
		return cluster{}, user{}, errContent
	}
	c, u := k.Clusters[0].Cluster, k.Users[0].User
	for _, x := range k.Contexts {
		if x.Name != k.Current {
			continue
		}
		for _, y := range k.Clusters {
			if y.Name == x.Context.Cluster {
				c = y.Cluster
			}
		}
		for _, y := range k.Users {
			if y.Name == x.Context.User {
				u = y.User
			}
		}
	}
	return c, u, nil
}

// content is what is embedded, else what the file holds; relative to the kubeconfig's folder.
func content(dir, path, data string) ([]byte, error) {
	switch {
	case data != "":
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, errContent
		}
		return b, nil
	case path == "":
		return nil, nil
	case !filepath.IsAbs(path):
		path = filepath.Join(dir, path)
	}
	return os.ReadFile(path)
}
