package vllm

import (
	"encoding/json"
	"testing"

	"kenserve/delta"
	"kenserve/server/internal/servertest"
)

func TestGoldens(t *testing.T) {
	api := New(servertest.NewService(servertest.NewEngine(), servertest.GoldenLimits))
	servertest.CheckGoldens(t, api, "../../../testdata/vllm.json")
}

func FuzzRequest(f *testing.F) {
	for _, body := range servertest.Bodies(f, "../../../testdata/vllm.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parse(body, servertest.FuzzLimits)
		if err != nil {
			servertest.CheckProblem(t, err, encodeError)
			return
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
		if !delta.ValidTask(q.task) || q.options.MaxTokens < 0 || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
		for _, in := range q.inputs {
			if (in.IDs != nil) != (q.inputs[0].IDs != nil) {
				t.Fatalf("%q: texts and ids", body)
			}
		}
	})
}
