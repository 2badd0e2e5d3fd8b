package servertest

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// Bodies returns the bodies of the requests in a file of cases.
func Bodies(t testing.TB, file string) []string {
	t.Helper()
	var out []string
	for _, c := range ReadCases(t, file) {
		out = append(out, c.Request.Text(t))
	}
	return out
}

// FuzzLimits are low limits, which short bodies exceed.
var FuzzLimits = core.Limits{MaxTexts: 4, MaxTextBytes: 40, MaxTasks: 3}

// CheckProblem checks the properties that hold for every problem of a body, and for
// its encoding by an API.
func CheckProblem(t *testing.T, err error, encode route.ErrorEncoder) {
	t.Helper()
	p := problem.Of(err)
	if p == nil {
		t.Fatalf("%v is not a problem", err)
	}
	if p.Status < 400 || p.Status >= 500 || p.Message == "" || len(p.Message) > 1000 || !utf8.ValidString(p.Message) {
		t.Fatalf("status %d, message of %d bytes: %q", p.Status, len(p.Message), p.Message)
	}
	if encode == nil {
		return
	}
	if status, body := encode(p); status < 400 || !json.Valid(body) {
		t.Fatalf("status %d: %q", status, body)
	}
}

// CheckInputs checks the properties that hold for the inputs of every request.
func CheckInputs(t *testing.T, inputs []runtime.Input, limits core.Limits) {
	t.Helper()
	if len(inputs) < 1 || len(inputs) > limits.MaxTexts {
		t.Fatalf("%d inputs", len(inputs))
	}
	for _, in := range inputs {
		for _, s := range []*string{&in.Text, in.Pair} {
			if s != nil && (len(*s) > limits.MaxTextBytes || !utf8.ValidString(*s)) {
				t.Fatalf("text %q", *s)
			}
		}
		if in.IDs != nil && (len(in.IDs) == 0 || in.Text != "" || in.Pair != nil) {
			t.Fatalf("%+v", in)
		}
		for _, id := range in.IDs {
			if id < 0 {
				t.Fatalf("ids %d", in.IDs)
			}
		}
	}
}
