package server

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/runtime"
)

// classify answers POST /classify.
func (s *Server) classify(c *gin.Context, x *exchange) error {
	mem := newScratch(&s.bodies)
	defer mem.release()
	body, err := mem.readBody(c.Request, s.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseClassify(body, &s.options)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(c.Request.Context(), s.options.RequestTimeout)
	defer cancel()
	options := runtime.Options{Truncate: q.truncate, Raw: q.raw}
	var one [1]*runtime.Result
	results := one[:]
	if len(q.tasks) > 1 {
		results, err = s.runTasks(ctx, x, q, options)
	} else if results[0], err = s.run(ctx, x, q.tasks[0], q.inputs, options); err != nil {
		err = taskProblem(err, q.tasks[0], q.taskPlace(0), q.inputPlace)
	}
	if err != nil {
		return problemOf(ctx, err)
	}

	mem.appendClassified(q, results, x.id, x.tokens, s.now())
	writeCost(c, x)
	writeJSON(c, http.StatusOK, mem.out)
	return nil
}

// classifyAnswer is the answer on the wire.
type classifyAnswer struct {
	Object  string         `json:"object" enum:"classify"`
	Model   wireModels     `json:"model"`
	Data    classifiedData `json:"data"`
	Usage   wireUsage      `json:"usage"`
	ID      string         `json:"id" doc:"The request's id, as in the header x-request-id."`
	Created int64          `json:"created" doc:"Seconds since 1970."`
}

// wireUsage counts the tokens computed, special ones included.
type wireUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// classifiedData has an entry an input: a list of scores, or for a list of tasks
// an object from task to such a list.
type classifiedData struct{}

// Schema implements [huma.SchemaProvider].
func (classifiedData) Schema(r huma.Registry) *huma.Schema {
	scores := r.Schema(reflect.TypeFor[[]wireScore](), true, "")
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{
		scores, {Type: huma.TypeObject, AdditionalProperties: scores},
	}}}
}

// appendClassified appends the answer to m.out.
func (m *scratch) appendClassified(q *classifyRequest, results []*runtime.Result, id string, tokens int, now time.Time) {
	b := append(m.out[:0], `{"object":"classify","model":`...)
	if q.several {
		for i, task := range q.tasks {
			b = appendString(append(b, "[,"[min(i, 1)]), task)
		}
		b = append(b, ']')
	} else {
		b = appendString(b, q.tasks[0])
	}
	b = append(b, `,"data":`...)
	for i := range q.inputs {
		b = append(b, "[,"[min(i, 1)])
		if !q.several {
			b = m.appendScores(b, results[0], i, q.topK)
			continue
		}
		for j, r := range results {
			b = appendString(append(b, "{,"[min(j, 1)]), q.tasks[j])
			b = m.appendScores(append(b, ':'), r, i, q.topK)
		}
		b = append(b, '}')
	}
	b = append(b, `],"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `},"id":`...)
	b = appendString(b, id)
	b = append(b, `,"created":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	m.out = append(b, "}\n"...)
}

// appendScores appends the k best labels of input i, all for k = 0.
func (m *scratch) appendScores(b []byte, r *runtime.Result, i, k int) []byte {
	m.order = rank(m.order, r.Scores[i], k)
	b = append(b, '[')
	for n, j := range m.order {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"label":`...), r.Labels[j])
		b = appendScore(append(b, `,"score":`...), r.Scores[i][j])
		b = append(b, '}')
	}
	return append(b, ']')
}
