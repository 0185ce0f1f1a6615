//go:build integration

package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// patience is for a browser that starts on a busy machine.
const patience = 2 * time.Minute

// browser starts Debian's Chromium and returns a tab, and what the browser complained of in it: errors of the console, a style or an image
// that the policy forbids.
func browser(t *testing.T) (context.Context, func() []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	complaints := make(chan string, 100)
	err := chromedp.Listen(ctx, func(e any) {
		text := ""
		switch e := e.(type) {
		case *log.EventEntryAdded:
			text = fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		case *runtime.EventExceptionThrown:
			text = e.ExceptionDetails.Text
		}
		if text != "" {
			select {
			case complaints <- text:
			default: // enough of them were kept
			}
		}
	})
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	call(ctx, t, log.Enable, cdp.Empty{})
	return ctx, func() (all []string) {
		for {
			select {
			case c := <-complaints:
				all = append(all, c)
			default:
				return all
			}
		}
	}
}

// call sends one command of the browser's protocol.
func call[P, R any](ctx context.Context, t *testing.T, c cdp.Command[P, R], p P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, c, p); err != nil {
		t.Fatalf("%s: %v", c.Method, err)
	}
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// open loads an address in a tab that runs no script, and lets the test ask of the page afterwards.
func open(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
}

// picture keeps what the tab shows in the folder that NODEAGENT_PICTURES names, for people to look at.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 5000 {
		t.Errorf("%s: the picture has %d bytes: an empty page", name, len(b))
	}
	if dir := os.Getenv("NODEAGENT_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInABrowser(t *testing.T) {
	ctx, complaints := browser(t)
	for _, tc := range []struct {
		name   string
		status view.Status
		events []event.Event
		want   []string
	}{
		{"healthy", healthy(), night()[:1], []string{"all that was looked at is well", "node3", "VI_1", "monitoring/grafana"}},
		{"degraded", degraded(), night(), []string{"Walk the way to it", "CrashLoop", "no answer to 20 probes"}},
		{"empty", empty(), nil, []string{"Wait for the first look.", "Nothing happened."}},
	} {
		server := httptest.NewServer(pageOf(tc.status, tc.events, nil))
		defer server.Close()
		ground := map[string]string{}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1200} {
				name := fmt.Sprintf("%s-%s-%d", tc.name, scheme, width)
				call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800)); err != nil {
					t.Fatal(err)
				}
				open(ctx, t, server.URL+"/status?refresh=off")
				text := evaluate[string](ctx, t, `document.body.innerText`)
				needs, has := evaluate[int](ctx, t, `document.documentElement.scrollWidth`), evaluate[int](ctx, t, `document.documentElement.clientWidth`)
				ground[scheme] = evaluate[string](ctx, t, `getComputedStyle(document.body).backgroundColor`)
				for _, want := range tc.want {
					if !strings.Contains(text, want) {
						t.Errorf("%s: without %q:\n%s", name, want, text)
					}
				}
				if needs > has {
					t.Errorf("%s: needs %d pixels of %d", name, needs, has)
				}
				picture(ctx, t, name)
			}
		}
		if ground["light"] == ground["dark"] {
			t.Errorf("%s: light and dark are both %s", tc.name, ground["dark"])
		}
	}
	for _, c := range complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// The page comes again by itself, with no script to ask for it.
func TestLoadsItselfAgain(t *testing.T) {
	loads := make(chan struct{}, 2)
	h := pageOf(healthy(), nil, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		loads <- struct{}{}
	}))
	defer server.Close()
	ctx, _ := browser(t)
	call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/status")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-loads:
		case <-ctx.Done():
			t.Fatal("the page was not loaded a second time")
		}
	}
}
