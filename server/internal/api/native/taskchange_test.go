package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"kenserve/server/internal/servertest"
)

// newHandler returns a handler of the API over an engine.
func newHandler(e *servertest.Engine) http.Handler {
	return servertest.Handler(New(servertest.NewService(e, servertest.GoldenLimits), e, nil))
}

// The engine gets the size of an upload if it is known. An upload that fails has a
// problem of its own.
func TestUpload(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		size   int64
		status int
	}{
		{"known length", strings.NewReader("yes,no"), 6, 6, 201},
		{"chunked", strings.NewReader("yes,no"), -1, -1, 201},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("yes,no")), 6, 6, 201},
		{"too large, chunked", io.LimitReader(servertest.Zeros{}, 1<<40), -1, -1, 413},
		{"ends early", io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(io.ErrUnexpectedEOF)), 9, 9, 499},
		{"fails", io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(broken)), 9, 9, 400},
	} {
		e := servertest.NewEngine()
		limits := servertest.GoldenLimits
		limits.MaxUploadBytes = 1000
		h := servertest.Handler(New(servertest.NewService(e, limits), e, nil))
		r := httptest.NewRequest(http.MethodPut, "/tasks/mine", c.body)
		r.ContentLength = c.length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || len(e.Sizes) != 1 || e.Sizes[0] != c.size || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: status %d, want %d, sizes %d: %s", c.name, w.Code, c.status, e.Sizes, w.Body)
		}
	}
}

// The number of uploads at the same time is limited.
func TestUploadsAtATime(t *testing.T) {
	e := servertest.NewEngine()
	e.Entered, e.Leave = make(chan struct{}), make(chan struct{})
	h := newHandler(e)
	done := make(chan int)
	for i := range maxUploads {
		go func() { done <- servertest.Do(h, "PUT", fmt.Sprintf("/tasks/t%d", i), "yes,no").Code }()
		<-e.Entered
	}
	if w := servertest.Do(h, "PUT", "/tasks/mine", "yes,no"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: status %d: %s", w.Code, w.Body)
	}
	close(e.Leave)
	for range maxUploads {
		if status := <-done; status != http.StatusCreated {
			t.Errorf("an earlier one: status %d", status)
		}
	}
	e.Entered = nil
	if w := servertest.Do(h, "PUT", "/tasks/mine", "yes,no"); w.Code != http.StatusCreated {
		t.Errorf("afterwards: status %d: %s", w.Code, w.Body)
	}
}

// The page asks for the list every second, without labels.
func TestTasksWithoutLabels(t *testing.T) {
	h := newHandler(servertest.NewEngine())
	for path, want := range map[string]int{"/tasks": 6, "/tasks?labels=false": 0} {
		var list taskList
		if err := json.Unmarshal(servertest.Do(h, http.MethodGet, path, "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for _, task := range list.Data {
			if task.Name == "trec" && len(task.Labels) != want {
				t.Errorf("GET %s has %d labels of trec", path, len(task.Labels))
			}
		}
	}
}
