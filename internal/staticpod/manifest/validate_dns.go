package manifest

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Bounds of a pod's resolver, those of the C library (pkg/apis/core/validation).
const (
	maxNameservers = 3
	maxSearches    = 32
	maxSearchChars = 2048 // all search domains with a blank between them
)

func (v validator) dns(spec *corev1.PodSpec, p place) {
	c := spec.DNSConfig
	if c == nil {
		c = &corev1.PodDNSConfig{}
	}
	at := p.field("nameservers")
	switch n := len(c.Nameservers); {
	case n == 0 && spec.DNSPolicy == corev1.DNSNone:
		v.at(at, "required, because dnsPolicy is None", "name at least one")
	case n > maxNameservers:
		v.at(at, fmt.Sprintf("at most %d are allowed, got %d", maxNameservers, n), "")
	}
	for i, s := range c.Nameservers {
		v.ip(s, at.index(i))
	}
	at = p.field("searches")
	if n := len(c.Searches); n > maxSearches {
		v.at(at, fmt.Sprintf("at most %d are allowed, got %d", maxSearches, n), "")
	}
	if n := len(strings.Join(c.Searches, " ")); n > maxSearchChars {
		v.at(at, fmt.Sprintf("at most %d characters are allowed together, got %d", maxSearchChars, n), "")
	}
	for i, s := range c.Searches {
		if s != "." {
			v.fail(at.index(i), searchDomain(s))
		}
	}
	for i, o := range c.Options {
		at := p.field("options").index(i)
		if o.Name == "" {
			v.at(at.field("name"), "required", "")
		}
		if v.opts.Mode == Run && strings.ContainsAny(o.Name+deref(o.Value), " \t\r\n") {
			v.at(at, "an option of resolv.conf holds no white space", "write one option an item")
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (v validator) ip(s string, p place) {
	if !isIP(s) {
		v.at(p, quoted(s)+" is not an IP address", "")
	}
}

func isIP(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

func (v validator) hostAlias(a corev1.HostAlias, p place) {
	v.ip(a.IP, p.field("ip"))
	for i, name := range a.Hostnames {
		v.fail(p.field("hostnames").index(i), dnsSubdomain(name))
	}
}

// searchDomain checks a DNS name whose labels may also hold underscores and begin with one, with or without a dot at the end.
func searchDomain(s string) string {
	name := strings.TrimSuffix(s, ".")
	if len(name) > 253 {
		return fmt.Sprintf("at most 253 characters are allowed, got %d", len(name))
	}
	for l := range strings.SplitSeq(name, ".") {
		if !word(strings.TrimPrefix(l, "_"), alnumLower, "-_") {
			return quoted(s) + " is not a search domain: lower-case letters, digits, -, _ and dots"
		}
	}
	return ""
}
