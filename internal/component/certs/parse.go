package certs

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// maxBlocks of one file are read: a bundle of CAs has a few.
const maxBlocks = 64

// bundle is what a file, or an entry of a kubeconfig, holds.
type bundle struct {
	certs  []*x509.Certificate // the first is the one that counts, those after it its chain or other CAs
	public crypto.PublicKey    // of a private or public key in it; nil: none
}

var (
	errNoPEM   = errors.New("it holds no PEM block")
	errBadCert = errors.New("a certificate in it does not parse")
	errBadKey  = errors.New("a key in it does not parse")
	errSealed  = errors.New("its key is encrypted")
)

// parsePEM reads certificates and the public half of a key. Its errors repeat nothing of the text. Where there is an error, what was read
// before it is returned too.
func parsePEM(text []byte) (bundle, error) {
	var b bundle
	blocks := 0
	for ; blocks < maxBlocks; blocks++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if err := b.take(block); err != nil {
			return b, err
		}
	}
	if blocks == 0 {
		return b, errNoPEM
	}
	return b, nil
}

func (b *bundle) take(block *pem.Block) error {
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return errBadCert
		}
		b.certs = append(b.certs, c)
		return nil
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return errSealed
	case "PUBLIC KEY":
		b.public, err = x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return errBadKey
		}
		return nil
	default: // EC PARAMETERS and others that are about neither
		return nil
	}
	if err != nil {
		if block.Headers["DEK-Info"] != "" {
			return errSealed
		}
		return errBadKey
	}
	if s, ok := key.(crypto.Signer); ok {
		b.public = s.Public()
	}
	return nil
}

// same tells whether two public keys are one.
func same(a, b crypto.PublicKey) bool {
	x, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && x.Equal(b)
}
