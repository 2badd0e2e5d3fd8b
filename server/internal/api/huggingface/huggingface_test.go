package huggingface

import (
	"encoding/json"
	"testing"

	"kenserve/server/internal/route"
	"kenserve/server/internal/servertest"
)

func TestGoldens(t *testing.T) {
	api := New(servertest.NewService(servertest.NewEngine(), servertest.GoldenLimits))
	servertest.CheckGoldens(t, api, "../../../testdata/huggingface.json")
}

func FuzzRequest(f *testing.F) {
	for _, body := range servertest.Bodies(f, "../../../testdata/huggingface.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parse(body, servertest.FuzzLimits)
		if err != nil {
			servertest.CheckProblem(t, err, route.PlainError)
			return
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
		if q.topK < 0 || (q.apply != "") != q.options.Raw || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
	})
}
