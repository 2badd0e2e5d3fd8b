package native

import (
	"testing"

	"kenserve/delta"
	"kenserve/server/internal/servertest"
)

func TestGoldens(t *testing.T) {
	e := servertest.NewEngine()
	api := New(servertest.NewService(e, servertest.GoldenLimits), e, nil)
	servertest.CheckGoldens(t, api, "../../../testdata/classify.json")
	servertest.CheckGoldens(t, api, "../../../testdata/errors.json")
}

func FuzzSourceRequest(f *testing.F) {
	for _, seed := range []string{`{"source":"trec"}`, `{"source":"../x"}`, `{"source":5,"a":[{}]}`, `{`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if source, err := parseSource(body, servertest.FuzzLimits); err == nil && !delta.ValidTask(source) {
			t.Errorf("%q: %q is not a task name", body, source)
		}
	})
}
