package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"nodeagent/internal/health"
)

var reasonUnreadable = &health.Reason{Name: "Unreadable", Fix: "Run the agent as root, or give it CAP_DAC_READ_SEARCH: keepalived.conf is often readable by root alone."}

// reasons are the rules of severity Error, by name.
var reasons = func() map[string]*health.Reason {
	out := map[string]*health.Reason{}
	for _, r := range Rules() {
		if r.Severity == Error {
			out[r.Name] = &health.Reason{Name: r.Name, Fix: r.Fix}
		}
	}
	return out
}()

// KeepalivedConfig says whether the VIP can follow health with the configuration as it is. A subject is a place, FILE:LINE RULE.
var KeepalivedConfig = &health.Condition{
	Name:    "KeepalivedConfig",
	Help:    "keepalived.conf has no mistake that keeps the VIP from following health.",
	Impact:  health.Degraded,
	Max:     20,
	Reasons: conditionReasons(),
}

func conditionReasons() []*health.Reason {
	var out []*health.Reason
	for _, r := range Rules() {
		if r.Severity == Error {
			out = append(out, reasons[r.Name])
		}
	}
	return append(out, reasonUnreadable)
}

// Conditions are what this package offers.
func Conditions() []*health.Condition { return []*health.Condition{KeepalivedConfig} }

// Look makes a look of what File answered for path. Errors are findings, warnings and what can't be judged are counted: a person reads them
// with `nodeagent vip lint`. No keepalived.conf is Absent.
func Look(path string, problems []Problem, err error, valid time.Duration) health.Look {
	look := health.Look{Of: KeepalivedConfig, Valid: valid}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		look.Findings = []health.Finding{{Status: health.Absent, Message: "there is no " + path}}
		return look
	case err != nil:
		look.Findings = []health.Finding{{Status: health.Unknown, Reason: reasonUnreadable, Message: err.Error()}}
		return look
	}
	warnings, unsure := 0, 0
	for _, p := range problems {
		switch p.Severity {
		case Error:
			look.Findings = append(look.Findings, health.Finding{
				Subject: p.Position.String() + " " + p.Rule, Status: health.Failing, Reason: reasons[p.Rule], Message: p.Message,
			})
		case Warning:
			warnings++
		default:
			unsure++
		}
	}
	if len(look.Findings) == 0 {
		msg := "no mistakes in " + path
		if warnings+unsure > 0 {
			msg += fmt.Sprintf("; %d warnings and %d lines that can't be judged: `nodeagent vip lint`", warnings, unsure)
		}
		look.Findings = []health.Finding{{Status: health.OK, Message: msg}}
	}
	return look
}
