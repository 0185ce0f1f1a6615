package workload

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path"
	"time"
)

// background listens and answers HTTP until the process ends. GET /have/FILE answers 200 if /FILE is there and 404 otherwise, everything else 200.
func background(address, log string, secure bool) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if secure {
		cert, err := selfSigned()
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	server := &http.Server{Handler: recorded(log), ReadHeaderTimeout: 5 * time.Second}
	go func() { fmt.Fprintln(os.Stderr, server.Serve(listener)) }()
	return nil
}

// recorded appends each request as: time METHOD PATH host=HOST x=VALUE of the header X-Test.
func recorded(log string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /have/{file...}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(path.Join("/", r.PathValue("file"))); err != nil {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := say(log, fmt.Sprintf("%s %s host=%s x=%s", r.Method, r.URL.Path, r.Host, r.Header.Get("X-Test"))); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		mux.ServeHTTP(w, r)
	})
}

// selfSigned gives a certificate that nobody trusts.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
