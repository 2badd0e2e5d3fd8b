package oip

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"kenserve/server/internal/servertest"
)

// binaryInfer sends a body that is JSON followed by binary data, and returns the
// answer.
func binaryInfer(h http.Handler, path, header string, data ...string) *binaryAnswer {
	r := servertest.Do(h, http.MethodPost, path, header+strings.Join(data, ""), headerLength, strconv.Itoa(len(header)))
	w := &binaryAnswer{status: r.Code, header: r.Body.String(), contentType: r.Header().Get("Content-Type")}
	if n, err := strconv.Atoi(r.Header().Get(headerLength)); err == nil {
		w.header, w.data = w.header[:n], w.header[n:]
	}
	return w
}

// binaryAnswer is an answer, JSON and binary data apart.
type binaryAnswer struct {
	status       int
	header, data string
	contentType  string
}

// floats decodes raw FP32 data.
func floats(data string) []float32 {
	var out []float32
	for i := 0; i+4 <= len(data); i += 4 {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32([]byte(data[i:]))))
	}
	return out
}

// Binary data and JSON mean the same, in requests and in answers.
func TestInferBinary(t *testing.T) {
	h := servertest.Handler(New(servertest.NewService(servertest.NewEngine(), servertest.GoldenLimits)))
	const path = "/v2/models/sst2/infer"
	texts := string(appendBytesTensor(nil, []string{"a b", "日本", ""}))
	pairs := string(appendBytesTensor(nil, []string{"c", "d e", "f"}))
	input := func(name string, data string) string {
		return fmt.Sprintf(`{"name":%q,"shape":[3],"datatype":"BYTES","parameters":{"binary_data_size":%d}}`, name, len(data))
	}
	plain := servertest.Do(h, http.MethodPost, path, `{"inputs":[{"name":"text","shape":[3],"datatype":"BYTES","data":["a b","日本",""]},{"name":"text_pair","shape":[3],"datatype":"BYTES","data":["c","d e","f"]}]}`)
	var want struct {
		Outputs []struct {
			Name string
			Data json.RawMessage
		}
	}
	if err := json.Unmarshal(plain.Body.Bytes(), &want); err != nil || len(want.Outputs) != 3 {
		t.Fatalf("%v: %s", err, plain.Body)
	}
	var labels []string
	var scores, probabilities []float32
	for i, v := range []any{&labels, &scores, &probabilities} {
		if err := json.Unmarshal(want.Outputs[i].Data, v); err != nil {
			t.Fatal(err)
		}
	}

	got := binaryInfer(h, path, `{"inputs":[`+input("text", texts)+`,`+input("text_pair", pairs)+`],"parameters":{"binary_data_output":true}}`, texts, pairs)
	head := `{"model_name":"sst2","model_version":"1","outputs":[` +
		`{"name":"label","datatype":"BYTES","shape":[3],"parameters":{"binary_data_size":36}},` +
		`{"name":"score","datatype":"FP32","shape":[3],"parameters":{"binary_data_size":12}},` +
		`{"name":"probabilities","datatype":"FP32","shape":[3,2],"parameters":{"binary_data_size":24}}]}`
	if got.status != 200 || got.header != head || got.contentType != "application/octet-stream" || len(got.data) != 36+12+24 {
		t.Fatalf("status %d, type %s: %s and %d bytes", got.status, got.contentType, got.header, len(got.data))
	}
	gotLabels, err := readBytesTensor(got.data[:36], 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(labels, gotLabels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(append(scores, probabilities...), floats(got.data[36:])); diff != "" {
		t.Error(diff)
	}

	// The order of the data is that of the tensors. Each output chooses its form.
	got = binaryInfer(h, path, `{"inputs":[`+input("text_pair", pairs)+`,`+input("text", texts)+`],"outputs":[{"name":"probabilities"},{"name":"score","parameters":{"binary_data":true}},{"name":"label","parameters":{"binary_data":false}}]}`, pairs, texts)
	head = `{"model_name":"sst2","model_version":"1","outputs":[` +
		`{"name":"probabilities","datatype":"FP32","shape":[3,2],"data":` + string(want.Outputs[2].Data) + `},` +
		`{"name":"score","datatype":"FP32","shape":[3],"parameters":{"binary_data_size":12}},` +
		`{"name":"label","datatype":"BYTES","shape":[3],"data":` + string(want.Outputs[0].Data) + `}]}`
	if got.status != 200 || got.header != head {
		t.Errorf("status %d: %s\nwant %s", got.status, got.header, head)
	}
	if diff := cmp.Diff(scores, floats(got.data)); diff != "" {
		t.Error(diff)
	}

	// A request may have the length header without binary data.
	got = binaryInfer(h, path, `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a"]}]}`)
	if got.status != 200 || got.contentType != "application/json" {
		t.Errorf("status %d: %s", got.status, got.header)
	}
}

func TestInferBinaryErrors(t *testing.T) {
	limits := servertest.GoldenLimits
	limits.MaxTexts, limits.MaxTextBytes = 3, 10
	h := servertest.Handler(New(servertest.NewService(servertest.NewEngine(), limits)))
	for _, c := range []struct {
		name  string
		shape string
		size  int
		data  string
		want  string
	}{
		{"fewer bytes than announced", "[1]", 9, "\x01\x00\x00\x00a", "inputs[0] has a binary_data_size of 9, the body has only 5 more bytes"},
		{"more bytes than announced", "[1]", 5, "\x01\x00\x00\x00ab", "the body has 1 bytes after the data of the last input"},
		{"truncated element", "[1]", 5, "\x02\x00\x00\x00a", "inputs[0] has 2 bytes in element 0, only 1 are left"},
		{"truncated length", "[2]", 7, "\x01\x00\x00\x00a\x01\x00", "inputs[0] ends inside the length of element 1"},
		{"more elements than the shape", "[1]", 8, "\x00\x00\x00\x00\x00\x00\x00\x00", "inputs[0].shape has 1 elements, the data has 2"},
		{"too many elements", "[4]", 16, strings.Repeat("\x00", 16), "inputs[0] holds more than 3 texts"},
		{"long element", "[1]", 15, "\x0b\x00\x00\x00hello world", "inputs[0] has 11 bytes in element 0, at most 10 are allowed"},
		{"not UTF-8", "[2]", 11, "\x02\x00\x00\x00ab\x01\x00\x00\x00\xff", "inputs[0] has invalid UTF-8 in element 1"},
		{"no elements", "[0]", 0, "", "inputs[0] must hold at least one text"},
	} {
		got := binaryInfer(h, "/v2/models/sst2/infer", fmt.Sprintf(`{"inputs":[{"name":"text","shape":%s,"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}`, c.shape, c.size), c.data)
		var body struct{ Error string }
		if err := json.Unmarshal([]byte(got.header), &body); err != nil || got.status != 400 || body.Error != c.want {
			t.Errorf("%s: status %d: %s", c.name, got.status, got.header)
		}
	}
}

func FuzzInferRequest(f *testing.F) {
	for _, body := range servertest.Bodies(f, "../../../testdata/infer.json") {
		f.Add(body, "")
		f.Add(body, strconv.Itoa(len(body)))
	}
	header := `{"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9}}],"outputs":[{"name":"probabilities","parameters":{"classification":2}}]}`
	f.Add(header+"\x01\x00\x00\x00a\x00\x00\x00\x00", strconv.Itoa(len(header)))
	f.Fuzz(func(t *testing.T, body, length string) {
		q, err := parseREST(body, length, servertest.FuzzLimits)
		if err != nil {
			servertest.CheckProblem(t, err, encodeError)
			return
		}
		elements := int64(1)
		for _, d := range q.shape {
			elements *= d
		}
		if elements != int64(len(q.inputs)) || len(q.inputs) < 1 || len(q.inputs) > servertest.FuzzLimits.MaxTexts || len(q.outputs) < 1 || len(q.outputs) > 3 {
			t.Fatalf("%+v", q)
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
		if !utf8.ValidString(q.id) {
			t.Fatalf("id %q", q.id)
		}
	})
}
