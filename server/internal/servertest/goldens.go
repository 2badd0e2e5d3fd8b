package servertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

// Case is a request and its answer, on which clients rely.
type Case struct {
	Name     string   `json:"name"`
	Request  Request  `json:"request"`
	Response Response `json:"response"`
}

// Request is the request of a case.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	// Body is the body, or a string with the body.
	Body json.RawMessage `json:"body,omitempty"`
}

// Response is the answer of a case.
type Response struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
}

// Text returns the body.
func (q *Request) Text(t testing.TB) string {
	body := string(q.Body)
	if strings.HasPrefix(body, `"`) {
		if err := json.Unmarshal(q.Body, &body); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

// ReadCases reads a file of cases.
func ReadCases(t testing.TB, file string) []Case {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return cases
}

// GoldenLimits are the limits of the cases, which some of them exceed.
var GoldenLimits = core.Limits{
	MaxBodyBytes: 2048, MaxUploadBytes: 1 << 30, MaxTexts: 4, MaxTextBytes: 200, MaxTasks: 3,
	RequestTimeout: time.Minute, UploadTimeout: time.Minute, WriteTimeout: time.Minute,
}

// NewService returns a core over an engine with a fixed clock.
func NewService(engine core.Engine, limits core.Limits) *core.Service {
	return &core.Service{
		Engine: engine, Limits: limits,
		Now: func() time.Time { return time.Unix(1764000000, 0) },
	}
}

// noRoute is a header of answers to requests without an operation.
const noRoute = "X-No-Route"

// Handler answers the operations of one API, without the server around it.
func Handler(api route.API) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	for _, op := range api.Operations {
		if op.Handle == nil {
			continue
		}
		router.Handle(op.Method, op.Path, func(c *gin.Context) {
			state := &core.RequestState{ID: c.GetHeader("X-Request-Id")}
			if err := op.Handle(c, state); err != nil {
				route.WriteProblem(c, core.ProblemOf(c.Request.Context(), err), api.EncodeError)
			}
		})
	}
	router.NoRoute(func(c *gin.Context) { c.Header(noRoute, "true") })
	return router
}

// Do sends a request to a handler. header has names and values in turn.
func Do(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// CheckGoldens compares the answers of one API, without the server around it, with
// the cases of a file that are for its operations. It does not compare headers, which
// are the server's.
func CheckGoldens(t *testing.T, api route.API, file string) {
	t.Helper()
	checked := 0
	for _, c := range ReadCases(t, file) {
		if strings.Contains(c.Name, "panics") || strings.Contains(c.Name, "admin key") { // the server does these
			continue
		}
		header := []string{"X-Request-Id", "wire-golden"}
		for name, value := range c.Request.Header {
			header = append(header, name, value)
		}
		w := Do(Handler(api), c.Request.Method, c.Request.Path, c.Request.Text(t), header...)
		if w.Header().Get(noRoute) != "" {
			continue
		}
		var want, got any
		if len(c.Response.Body) > 0 {
			if err := json.Unmarshal(c.Response.Body, &want); err != nil {
				t.Fatal(err)
			}
		}
		if w.Body.Len() > 0 {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v: %s", c.Name, err, w.Body)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || w.Code != c.Response.Status {
			t.Errorf("%s: status %d, want %d (-want +got):\n%s", c.Name, w.Code, c.Response.Status, diff)
		}
		checked++
	}
	if checked == 0 {
		t.Errorf("%s has no case for the API", file)
	}
}
