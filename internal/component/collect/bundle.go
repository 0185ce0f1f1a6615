package collect

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Item is one file of the bundle.
type Item struct {
	Name string                                    // its path in the bundle
	Read func(ctx context.Context) ([]byte, error) // what it read before an error is kept too
	// Clean is what was made of values that are redacted already, and is not once more: what stands in front of them would be taken for the name of a
	// secret where a node or pod is called after one.
	Clean bool
}

// Options of a bundle.
type Options struct {
	Folder   string                // that all files are in
	Redact   func(b []byte) []byte // takes secrets out
	ItemMost int                   // bytes of one item; of a larger one the end is kept. 0: 4 MiB
	AllMost  int                   // bytes of all items before compression; what comes after them is left out. 0: 64 MiB
	Timeout  time.Duration         // of one item; 0: 15 s
	Progress func(done, of int, e Entry)
}

// Entry is what became of an item.
type Entry struct {
	Name  string  `json:"name"`
	Bytes int     `json:"bytes"`
	Cut   int     `json:"cut,omitempty"` // bytes left out at its beginning
	Took  float64 `json:"seconds"`
	Error string  `json:"error,omitempty"`
}

// together is how many items are read at a time: most of them wait.
const together = 4

func (o Options) filled() Options {
	if o.ItemMost == 0 {
		o.ItemMost = 4 << 20
	}
	if o.AllMost == 0 {
		o.AllMost = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	return o
}

var (
	errLate = errors.New("left out: the time for all of it was over")
	errFull = errors.New("left out: the bundle is full")
)

// Write writes the bundle: a tar file, compressed by zstd, with index.json at its end. When ctx ends, what was not read is left out and said
// so in the index. The error is of w alone.
func Write(ctx context.Context, w io.Writer, items []Item, o Options) ([]Entry, error) {
	o = o.filled()
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	t := tar.NewWriter(z)
	var entries []Entry
	left := o.AllMost
	for len(entries) < len(items) {
		from := len(entries)
		var answers []<-chan result
		for _, item := range items[from:min(from+together, len(items))] {
			answers = append(answers, start(ctx, item, o))
		}
		for i, answer := range answers {
			r := <-answer
			e := Entry{Name: items[from+i].Name, Took: r.took.Round(time.Millisecond).Seconds(), Cut: r.cut}
			if len(r.text) > left {
				r.text, r.err = nil, errFull
			}
			if r.err != nil {
				e.Error = string(o.redact([]byte(r.err.Error())))
			}
			if e.Bytes = len(r.text); e.Bytes > 0 {
				left -= e.Bytes
				if err := add(t, o.Folder+"/"+e.Name, r.text); err != nil {
					return entries, err
				}
			}
			if entries = append(entries, e); o.Progress != nil {
				o.Progress(len(entries), len(items), e)
			}
		}
	}
	index, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return entries, fmt.Errorf("encode index: %w", err)
	}
	if err := add(t, o.Folder+"/index.json", index); err != nil {
		return entries, err
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return entries, fmt.Errorf("write bundle: %w", err)
	}
	return entries, nil
}

func (o Options) redact(b []byte) []byte {
	if o.Redact == nil {
		return b
	}
	return o.Redact(b)
}

type result struct {
	text []byte
	cut  int
	took time.Duration
	err  error
}

// start reads an item, takes secrets out, and then cuts it: a secret that is cut in two is not known any more.
func start(ctx context.Context, item Item, o Options) <-chan result {
	out := make(chan result, 1)
	if ctx.Err() != nil {
		out <- result{err: errLate}
		return out
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	read := make(chan result, 1)
	go func() {
		text, err := item.Read(ctx)
		read <- result{text: text, err: err}
	}()
	go func() {
		defer cancel()
		var r result
		select {
		case r = <-read:
		case <-ctx.Done():
			select { // a command that ended with its context has its output
			case r = <-read:
			case <-time.After(time.Second):
				r.err = fmt.Errorf("no answer within %v", o.Timeout)
			}
		}
		if !item.Clean {
			r.text = o.redact(r.text)
		}
		if n := len(r.text) - o.ItemMost; n > 0 {
			r.text, r.cut = r.text[n:], n
		}
		r.took = time.Since(began)
		out <- r
	}()
	return out
}

func add(t *tar.Writer, name string, b []byte) error {
	h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: time.Now(), Typeflag: tar.TypeReg}
	if err := t.WriteHeader(h); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := t.Write(b); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}
