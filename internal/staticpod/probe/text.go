package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxOutput is how many bytes are kept of what a command wrote or a server answered.
const maxOutput = 200

// maxMessage bounds what others (a runtime, the resolver) bring into a message.
const maxMessage = 512

// printable is the beginning of b on one line: what can't be printed is a space, and spaces in a row are one.
func printable(b []byte, limit int) string {
	var out strings.Builder
	space := false
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r == utf8.RuneError && n <= 1 || !unicode.IsPrint(r) || r == ' ' {
			space = out.Len() > 0
			continue
		}
		if out.Len()+n > limit-1 {
			break
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		out.WriteRune(r)
	}
	return out.String()
}

// what a request asks, without user, query and fragment, which may hold secrets.
func what(r *http.Request) string {
	u := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path}
	return printable([]byte("GET "+u.String()), maxMessage)
}

// why says an error of the network without the URL that net/http puts before it.
func why(ctx context.Context, err error, timeout time.Duration) string {
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		if timeout <= 0 {
			return "no answer in time"
		}
		return fmt.Sprintf("no answer within %v", timeout)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return printable([]byte(err.Error()), maxMessage)
}
