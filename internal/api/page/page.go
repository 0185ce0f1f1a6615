package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
	"unicode"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

//go:embed page.html
var markup string

//go:embed page.css
var style string

// The page loads itself again after refreshEvery. It shows the newest of the events since timelineOf ago, timelineMost at most.
const (
	refreshEvery = 10 * time.Second
	timelineOf   = 24 * time.Hour
	timelineMost = 50
)

// Sources are what the page shows. Every function answers from memory or from a local file.
type Sources struct {
	Status        func() view.Status
	Events        func(since time.Time) ([]event.Event, error) // oldest first
	WebConfigFile string                                       // the listener's; it decides who may look
}

type handler struct {
	sources  Sources
	template *template.Template
	policy   string // Content-Security-Policy
}

// New makes the page. It fails only where the page's own template is wrong.
func New(s Sources) (http.Handler, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(style) }}).Parse(markup)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(style))
	return &handler{sources: s, template: t, policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Content-Security-Policy", h.policy)
	if why := refusal(r, h.sources.WebConfigFile); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	now := time.Now()
	events, err := h.sources.Events(now.Add(-timelineOf))
	d := documentOf(h.sources.Status(), events, err, now)
	if r.URL.Query().Get("refresh") == "off" {
		d.Refresh = 0
	}
	var b bytes.Buffer // a page that fails in the middle must not look like a short one
	if err := h.template.Execute(&b, d); err != nil {
		http.Error(w, "draw the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	head.Set("Content-Type", "text/html; charset=utf-8")
	w.Write(bytes.Map(plain, b.Bytes()))
}

// plain drops what is no character of a text: signs that turn the direction of writing would let a pod's name pass for another.
func plain(r rune) rune {
	if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\n' {
		return -1
	}
	return r
}
