package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Prometheus is a real one, in a folder of its own.
type Prometheus struct {
	URL string
	cmd *exec.Cmd
	log bytes.Buffer
}

// StartPrometheus runs Debian's Prometheus with a folder of rules and the targets of a job called nodeagent. It ends with ctx.
func StartPrometheus(ctx context.Context, dir, rules, targets string, every time.Duration) (*Prometheus, error) {
	rules, err := filepath.Abs(rules)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("global: {scrape_interval: %s, evaluation_interval: %s}\nrule_files: ['%s/*.rules.yml']\nscrape_configs:\n- job_name: nodeagent\n  static_configs:\n%s", every, every, rules, targets)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	addr, err := free()
	if err != nil {
		return nil, err
	}
	p := &Prometheus{URL: "http://" + addr}
	p.cmd = exec.CommandContext(ctx, "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start prometheus (apt-get install prometheus): %w", err)
	}
	if err := Await(ctx, func() bool { return p.ready(ctx) }); err != nil {
		return nil, fmt.Errorf("prometheus is not ready: %w\n%s", err, p.log.String())
	}
	return p, nil
}

// free is an address of loopback that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Stop ends it and waits for its end.
func (p *Prometheus) Stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// PID of the process.
func (p *Prometheus) PID() int { return p.cmd.Process.Pid }

func (p *Prometheus) ready(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/-/ready", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Sample is one series of an answer, with its newest value.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query asks for the values of now.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]Sample, error) {
	return p.ask(ctx, "/api/v1/query", url.Values{"query": {expr}})
}

// QueryRange asks for the last of a while, and gives the newest value of each series.
func (p *Prometheus) QueryRange(ctx context.Context, expr string, of, step time.Duration) ([]Sample, error) {
	now := time.Now()
	return p.ask(ctx, "/api/v1/query_range", url.Values{"query": {expr}, "step": {step.String()},
		"start": {strconv.FormatInt(now.Add(-of).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)}})
}

func (p *Prometheus) ask(ctx context.Context, path string, form url.Values) ([]Sample, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	if err := p.get(ctx, path+"?"+form.Encode(), &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", form.Get("query"), answer.Error)
	}
	var out []Sample
	for _, r := range answer.Data.Result {
		v := r.Value
		if n := len(r.Values); n > 0 {
			v = r.Values[n-1]
		}
		text, _ := v[1].(string)
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, Sample{r.Metric, x})
	}
	return out, nil
}

// Values of a label over the series of a selector, as a dashboard's variable asks.
func (p *Prometheus) Values(ctx context.Context, label, selector string) ([]string, error) {
	var answer struct {
		Status, Error string
		Data          []string
	}
	if err := p.get(ctx, "/api/v1/label/"+label+"/values?"+url.Values{"match[]": {selector}}.Encode(), &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("values of %s of %s: %s", label, selector, answer.Error)
	}
	return answer.Data, nil
}

// Series that Prometheus holds in memory.
func (p *Prometheus) Series(ctx context.Context) (int, error) {
	var answer struct {
		Data struct{ HeadStats struct{ NumSeries int } }
	}
	err := p.get(ctx, "/api/v1/status/tsdb", &answer)
	return answer.Data.HeadStats.NumSeries, err
}

// RuleTimes is how long each group of rules took last, in seconds.
func (p *Prometheus) RuleTimes(ctx context.Context) (map[string]float64, error) {
	var answer struct {
		Data struct {
			Groups []struct {
				Name           string
				EvaluationTime float64
			}
		}
	}
	if err := p.get(ctx, "/api/v1/rules", &answer); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, g := range answer.Data.Groups {
		out[g.Name] = g.EvaluationTime
	}
	return out, nil
}

func (p *Prometheus) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}

// Await asks again and again until it is so or ctx ends.
func Await(ctx context.Context, so func() bool) error {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		if so() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}
