package metrics

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// answer is one answer of the handler in memory. An exposition is written in thousands of small pieces, and each would pass through the
// compression and the connection by itself.
type answer struct {
	bytes.Buffer
	header http.Header
	status int
	zipped bytes.Buffer
	zip    *gzip.Writer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

// answers hands h's answers on whole, as gzip where that is asked for. The fastest level is used: the default's took
// a quarter of a scrape, and the answer of twenty pods is as far below its limit with either.
func answers(h http.Handler) http.Handler {
	pool := sync.Pool{New: func() any {
		zip, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // it fails on a level that is none
		return &answer{zip: zip}
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := pool.Get().(*answer)
		defer pool.Put(a)
		a.Reset()
		a.header, a.status = w.Header(), http.StatusOK
		h.ServeHTTP(a, r)
		a.header.Add("Vary", "Accept-Encoding")
		body := &a.Buffer
		if takesGzip(r.Header.Values("Accept-Encoding")) {
			a.zipped.Reset()
			a.zip.Reset(&a.zipped)
			_, _ = a.zip.Write(a.Bytes()) // to memory
			_ = a.zip.Close()
			a.header.Set("Content-Encoding", "gzip")
			body = &a.zipped
		}
		a.header.Set("Content-Length", strconv.Itoa(body.Len()))
		w.WriteHeader(a.status)
		_, _ = w.Write(body.Bytes()) // who asked may be gone
		a.header = nil
	})
}

// takesGzip reads Accept-Encoding: gzip or * without a weight of nought.
func takesGzip(values []string) bool {
	takes := false
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, parameters, _ := strings.Cut(part, ";")
			key, weight, _ := strings.Cut(strings.TrimSpace(parameters), "=")
			q, err := strconv.ParseFloat(weight, 64)
			none := key == "q" && err == nil && q == 0
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip":
				return !none // its own name counts before *
			case "*":
				takes = !none
			}
		}
	}
	return takes
}
