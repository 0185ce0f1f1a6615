package collect

import "strings"

// endings of names whose value is a secret, in lower case, without _ and - and the s of a plural.
var endings = []string{
	"passwd", "password", "passphrase", "passwort", "secret", "token", "credential", "apikey", "accesskey", "privatekey", "secretkey", "encryptionkey", "signingkey",
	"certificatekey", "presharedkey", "authpas", "keydata",
}

// words that make a name of the environment one of a secret wherever they stand in it, and the ends of those that only tell where it is, or of what kind.
var (
	shouted  = []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "API_KEY", "APIKEY", "PRIVATE_KEY"}
	harmless = []string{"_FILE", "_PATH", "_DIR", "_NAME", "_TTL", "_TYPE", "_REF", "_URL", "_URI", "_LENGTH", "_COUNT", "_TOTAL", "_ENABLED"}
)

var joined = strings.NewReplacer("_", "", "-", "")

// isSecret tells whether a name is one of a secret: "db_password", "clientSecret", "SECRET_KEY_BASE".
func isSecret(name string) bool {
	if len(name) < 3 || len(name) > 256 {
		return false
	}
	lower := strings.ToLower(name)
	bare := strings.TrimSuffix(joined.Replace(lower), "s")
	for _, e := range endings {
		if strings.HasSuffix(bare, e) {
			return true
		}
	}
	for _, word := range []string{"pass", "pwd", "psk"} { // as a word of their own
		head, ok := strings.CutSuffix(lower, word)
		if !ok {
			continue
		}
		switch {
		case head == "":
			return word != "pwd" // the environment's working folder
		case strings.ContainsAny(head[len(head)-1:], "_-."):
			return true
		case name[len(head)] <= 'Z' && name[len(head)-1] > 'Z': // camel case
			return true
		}
	}
	if name != strings.ToUpper(name) {
		return false
	}
	for _, end := range harmless {
		if strings.HasSuffix(name, end) {
			return false
		}
	}
	for _, word := range shouted {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// isHeader tells of a header whose whole line is a secret.
func isHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie":
		return true
	}
	return false
}
