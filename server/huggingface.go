package server

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// The text classification of Hugging Face's inference clients, for a model that
// is an address of its own: http://host/models/{task}.

// hfBody is a request for POST /models/{task} on the wire.
type hfBody struct {
	_          struct{}             `additionalProperties:"true"`
	Inputs     wireInputs           `json:"inputs"`
	Parameters optional[hfSettings] `json:"parameters,omitempty"`
}

type hfSettings struct {
	_          struct{}   `additionalProperties:"true"`
	TopK       *int32     `json:"top_k,omitempty" minimum:"1" maximum:"2147483647" nullable:"true" doc:"How many labels to return, best first; all without."`
	Function   hfFunction `json:"function_to_apply,omitempty" doc:"What makes scores of logits; without, what the task's checkpoint says."`
	Truncation *bool      `json:"truncation,omitempty" nullable:"true" doc:"Cut what is longer than the model takes, true without. With false that is an error."`
}

type hfFunction struct{}

// Schema implements [huma.SchemaProvider].
func (hfFunction) Schema(huma.Registry) *huma.Schema { return wordOrNull(hfFunctions) }

// hfRequest is a parsed request for POST /models/{task}.
type hfRequest struct {
	inputs  []runtime.Input
	listed  bool
	topK    int            // 0: all
	apply   models.Problem // empty: what the task's own problem asks for
	options runtime.Options
}

var (
	hfMembers    = membersOf[hfBody]()
	hfParameters = membersOf[hfSettings]()
	hfFunctions  = []string{"softmax", "sigmoid", "none"}
	hfProblems   = []models.Problem{models.SingleLabel, models.MultiLabel, models.Regression}
)

// parseHF parses a body.
func parseHF(body string, o *Options) (*hfRequest, error) {
	p := newBodyParser(body, o)
	q := &hfRequest{options: runtime.Options{Truncate: true}}
	p.object(problem.Path{}, hfMembers, func(i int) {
		switch i {
		case 0:
			q.inputs, q.listed = p.inputList("inputs", nil)
		case 1:
			if !p.null() {
				p.hfParameters(q)
			}
		}
	})
	if err := p.done(); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *hfRequest) inputAt(i int) problem.Path {
	return problem.Values{Name: "inputs", Listed: q.listed}.At(i)
}

func (p *bodyParser) hfParameters(q *hfRequest) {
	all := problem.Field("parameters")
	p.object(all, hfParameters, func(i int) {
		at := hfParameters.at(all, i)
		switch i {
		case 0:
			q.topK = p.positive(at)
		case 1:
			if f := p.oneOf(at, hfFunctions); f >= 0 {
				q.apply, q.options.Raw = hfProblems[f], true
			}
		case 2:
			q.options.Truncate = p.boolean(at, true)
		}
	})
}

// oneOf reads one of the words and returns which, or null, which is -1.
func (p *bodyParser) oneOf(at problem.Path, words []string) int {
	if p.null() {
		return -1
	}
	if p.look() == '"' {
		if i := slices.Index(words, p.str()); i >= 0 {
			return i
		}
	} else {
		p.skip()
	}
	p.reject(at, "must be one of %q, or null", words)
	return -1
}

// hfClassify answers POST /models/{task}. The answer is a list of lists even for
// one text: from a flat one the Python client returns only the first label, and
// the JavaScript client refuses it.
func (s *Server) hfClassify(c *gin.Context, x *exchange) error {
	mem := newScratch(&s.bodies)
	defer mem.release()
	body, err := mem.readBody(c.Request, s.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseHF(body, &s.options)
	if err != nil {
		return err
	}
	result, err := s.perform(c.Request.Context(), x, &call{c.Param("task"), problem.Field("task"), q.inputs, q.inputAt, q.options})
	if err != nil {
		return err
	}
	if q.apply != "" {
		for _, row := range result.Scores {
			q.apply.Scores(row)
		}
	}
	b := append(mem.out[:0], '[')
	for i := range q.inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = mem.appendScores(b, result, i, q.topK)
	}
	mem.out = append(b, "]\n"...)
	writeCost(c, x)
	writeJSON(c, http.StatusOK, mem.out)
	return nil
}
