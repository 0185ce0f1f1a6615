package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxObjectBytes is what the values of one ConfigMap or Secret may have together (v1.MaxSecretSize).
const maxObjectBytes = corev1.MaxSecretSize

func (v validator) configMap(c *corev1.ConfigMap, p place) {
	v.objectMeta(&c.ObjectMeta, kindConfigMap, p.field("metadata"))
	size := 0
	for _, k := range slices.Sorted(maps.Keys(c.Data)) {
		v.fail(p.field("data").field(k).atKey(), dataKey(k))
		size += len(c.Data[k])
	}
	for _, k := range slices.Sorted(maps.Keys(c.BinaryData)) {
		at := p.field("binaryData").field(k).atKey()
		v.fail(at, dataKey(k))
		if _, twice := c.Data[k]; twice {
			v.at(at, "the key stands in data too", "keep one")
		}
		size += len(c.BinaryData[k])
	}
	v.objectSize(size, p)
}

func (v validator) secret(c *corev1.Secret, p place) {
	v.objectMeta(&c.ObjectMeta, kindSecret, p.field("metadata"))
	size := 0
	for _, k := range slices.Sorted(maps.Keys(c.Data)) {
		v.fail(p.field("data").field(k).atKey(), dataKey(k))
		if _, twice := c.StringData[k]; !twice {
			size += len(c.Data[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.StringData)) {
		at := p.field("stringData").field(k).atKey()
		v.fail(at, dataKey(k))
		if _, twice := c.Data[k]; twice {
			v.warn(at, "the key stands in data too; the value of stringData counts", "keep one")
		}
		size += len(c.StringData[k])
	}
	v.objectSize(size, p)
	v.secretType(c, p)
}

// secretType checks what the API asks of the Secrets of its own types.
func (v validator) secretType(c *corev1.Secret, p place) {
	value := func(key string) ([]byte, bool) {
		if s, ok := c.StringData[key]; ok {
			return []byte(s), true
		}
		b, ok := c.Data[key]
		return b, ok
	}
	at := p.field("data")
	require := func(keys ...string) {
		for _, key := range keys {
			if _, ok := value(key); !ok {
				v.at(at, "a Secret of type "+string(c.Type)+" needs the key "+key, "add it, or remove type")
			}
		}
	}
	switch c.Type {
	case corev1.SecretTypeTLS:
		require(corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	case corev1.SecretTypeSSHAuth:
		require(corev1.SSHAuthPrivateKey)
	case corev1.SecretTypeBasicAuth:
		_, user := value(corev1.BasicAuthUsernameKey)
		if _, password := value(corev1.BasicAuthPasswordKey); !user && !password {
			require(corev1.BasicAuthPasswordKey)
		}
	case corev1.SecretTypeDockercfg, corev1.SecretTypeDockerConfigJson:
		key := corev1.DockerConfigKey
		if c.Type == corev1.SecretTypeDockerConfigJson {
			key = corev1.DockerConfigJsonKey
		}
		require(key)
		if b, ok := value(key); ok && !json.Valid(b) {
			v.at(at, "the value of "+key+" is not JSON", "")
		}
	case corev1.SecretTypeServiceAccountToken:
		if c.Annotations[corev1.ServiceAccountNameKey] == "" {
			v.at(p.field("metadata").field("annotations"), "a Secret of type "+string(c.Type)+" needs the annotation "+corev1.ServiceAccountNameKey, "remove type")
		}
	}
}

func (v validator) objectSize(size int, p place) {
	if size > maxObjectBytes {
		v.at(p, fmt.Sprintf("the values have %d bytes together: at most %d are allowed", size, maxObjectBytes), "split it, or use a hostPath volume")
	}
}

func (v validator) objectMeta(m *metav1.ObjectMeta, kind string, p place) {
	if m.Namespace == "" {
		m.Namespace = corev1.NamespaceDefault
	}
	if m.Name == "" {
		v.at(p.field("name"), "required", "give the "+kind+" a name")
	} else {
		v.fail(p.field("name"), dnsSubdomain(m.Name))
	}
	v.fail(p.field("namespace"), dnsLabel(m.Namespace))
	v.labels(m.Labels, p.field("labels"))
	v.annotations(m.Annotations, p.field("annotations"))
}
