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
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/route"
)

// Case is a request with the answer that clients rely on.
type Case struct {
	Name     string   `json:"name"`
	Request  Request  `json:"request"`
	Response Response `json:"response"`
}

type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	// Body is sent as it is; a string stands for its content.
	Body json.RawMessage `json:"body,omitempty"`
}

type Response struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   json.RawMessage   `json:"body,omitempty"`
}

// Text is the body as it is sent.
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

// GoldenLimits are small enough for the cases to exceed them.
var GoldenLimits = core.Limits{
	MaxBodyBytes: 2048, MaxUploadBytes: 1 << 30, MaxTexts: 4, MaxTextBytes: 200, MaxTasks: 3,
	RequestTimeout: time.Minute, UploadTimeout: time.Minute, WriteTimeout: time.Minute,
}

// NewService makes a core over an engine, with a clock that stands still.
func NewService(engine core.Engine, limits core.Limits) *core.Service {
	return &core.Service{
		Engine: engine, Limits: limits, Bodies: httpbody.NewBudget(1 << 30),
		Now: func() time.Time { return time.Unix(1764000000, 0) },
	}
}

// noRoute is the header of an answer to a request for no operation.
const noRoute = "X-No-Route"

// Handler answers the operations of one API without the server around it.
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

// Do sends a request to a handler. header holds names and values in turn.
func Do(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// CheckGoldens holds the API by itself against those cases of a file that are
// for one of its operations: what it answers, without the server's headers.
func CheckGoldens(t *testing.T, api route.API, file string) {
	t.Helper()
	checked := 0
	for _, c := range ReadCases(t, file) {
		if strings.Contains(c.Name, "panics") || strings.Contains(c.Name, "admin key") { // the server's affair
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
