package tei

import (
	"encoding/json"
	"testing"

	"kenserve/server/internal/servertest"
)

func TestGoldens(t *testing.T) {
	api := New(servertest.NewService(servertest.NewEngine(), servertest.GoldenLimits))
	servertest.CheckGoldens(t, api, "../../../testdata/tei.json")
}

func FuzzRequest(f *testing.F) {
	for _, body := range servertest.Bodies(f, "../../../testdata/tei.json") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parse(body, servertest.FuzzLimits)
		if err != nil {
			servertest.CheckProblem(t, err, encodeError)
			return
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
		if !q.batch && len(q.inputs) != 1 || !json.Valid([]byte(body)) {
			t.Fatalf("%q: %+v", body, q)
		}
	})
}
