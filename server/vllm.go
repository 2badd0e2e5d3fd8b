package server

import (
	"math"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// The classification API of vLLM.

// vllmBody is a request for POST /vllm/classify on the wire.
type vllmBody struct {
	_          struct{}     `additionalProperties:"true"`
	Model      wireTask     `json:"model"`
	Input      vllmInput    `json:"input"`
	Truncate   vllmTruncate `json:"truncate_prompt_tokens,omitempty" doc:"How many tokens are kept, -1 for as many as the model takes; without, too many are an error."`
	Activation *bool        `json:"use_activation,omitempty" nullable:"true" doc:"Probabilities, true without; with false logits."`
}

// vllmInput is a text, a list of texts, the token ids of one input, or a list of
// such lists.
type vllmInput struct{}

// Schema implements [huma.SchemaProvider].
func (vllmInput) Schema(huma.Registry) *huma.Schema {
	ids := &huma.Schema{
		Type: huma.TypeArray, MinItems: ptr(1),
		Items: limited(&huma.Schema{Type: huma.TypeInteger, Minimum: ptr(0.0)}, limitIDs),
	}
	return &huma.Schema{AnyOf: []*huma.Schema{wireText(), wireList(wireText(), limitTexts), ids, wireList(ids, limitTexts)}}
}

type vllmTruncate struct{}

// Schema implements [huma.SchemaProvider].
func (vllmTruncate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(math.MaxInt32))},
		{Enum: []any{-1, nil}},
	}}
}

// vllmAnswer is the answer on the wire.
type vllmAnswer struct {
	ID      string           `json:"id"`
	Object  string           `json:"object" enum:"list"`
	Created int64            `json:"created" doc:"Seconds since 1970."`
	Model   wireTask         `json:"model"`
	Data    []vllmClassified `json:"data"`
	Usage   vllmUsage        `json:"usage"`
}

type vllmClassified struct {
	Index   int       `json:"index"`
	Label   string    `json:"label" doc:"The best one."`
	Probs   []float32 `json:"probs" doc:"In the order of the task's labels."`
	Classes int       `json:"num_classes"`
}

type vllmUsage struct {
	PromptTokens        int      `json:"prompt_tokens"`
	TotalTokens         int      `json:"total_tokens"`
	CompletionTokens    int      `json:"completion_tokens" enum:"0"`
	PromptTokensDetails wireNull `json:"prompt_tokens_details"`
}

// vllmRequest is a parsed request for POST /vllm/classify.
type vllmRequest struct {
	task    string
	inputs  []runtime.Input
	listed  bool
	options runtime.Options
}

var vllmMembers = membersOf[vllmBody]()

// parseVLLM parses a body.
func parseVLLM(body string, o *Options) (*vllmRequest, error) {
	p := newBodyParser(body, o)
	q := new(vllmRequest)
	p.object(problem.Path{}, vllmMembers, func(i int) {
		at := vllmMembers.at(problem.Path{}, i)
		switch i {
		case 0:
			q.task = p.taskName(at, "must be a task's name")
		case 1:
			p.vllmInput(q)
		case 2:
			q.options.MaxTokens, q.options.Truncate = p.vllmTruncate(at)
		case 3:
			q.options.Raw = !p.boolean(at, true)
		}
	})
	if err := p.done(); err != nil {
		return nil, err
	}
	// As there, texts lose their last tokens and lists of ids their first.
	q.options.TruncateLeft = q.inputs[0].IDs != nil
	return q, nil
}

func (q *vllmRequest) inputAt(i int) problem.Path {
	return problem.Values{Name: "input", Listed: q.listed}.At(i)
}

// vllmInput reads a text, a list of texts, the ids of one input, or a list of
// such lists.
func (p *bodyParser) vllmInput(q *vllmRequest) {
	const otherwise = "must be a text, a list of token ids, or a list of either"
	at := problem.Field("input")
	switch p.look() {
	case '"':
		q.inputs = []runtime.Input{{Text: p.text(at)}}
		return
	case '[':
	default:
		p.skip()
		p.reject(at, otherwise)
		return
	}
	var kind byte // what the first element begins with
	ids := []int32{}
	n := 0
	for i := range p.elements {
		n++
		next := p.look()
		if next == '-' || '0' <= next && next <= '9' {
			next = '0'
		}
		if i == 0 {
			kind, q.listed = next, next != '0'
		}
		switch {
		case next != kind:
			p.skip()
			p.reject(problem.Field("input").Element(i), "is not of the kind of the first element")
		case kind == '0':
			ids = append(ids, p.tokenID(problem.Field("input").Element(i)))
		case i >= p.options.MaxTexts:
			p.skip()
		case kind == '"':
			q.inputs = append(q.inputs, runtime.Input{Text: p.text(q.inputAt(i))})
		case kind == '[':
			q.inputs = append(q.inputs, runtime.Input{IDs: p.tokenIDs(q.inputAt(i))})
		default:
			p.skip()
			p.reject(problem.Field("input").Element(i), "must be a text, a token id, or a list of token ids")
		}
	}
	switch {
	case n == 0:
		p.reject(at, "must hold at least one text or token id")
	case kind == '0':
		q.inputs = []runtime.Input{{IDs: ids}}
	case n > p.options.MaxTexts:
		p.reject(at, "holds %d texts, at most %d are allowed", n, p.options.MaxTexts)
	}
}

func (p *bodyParser) tokenIDs(at problem.Path) []int32 {
	ids := []int32{}
	for range p.elements {
		ids = append(ids, p.tokenID(at))
	}
	if len(ids) == 0 {
		p.reject(at, "must hold at least one token id")
	}
	return ids
}

func (p *bodyParser) tokenID(at problem.Path) int32 {
	if c := p.look(); c != '-' && (c < '0' || c > '9') {
		p.skip()
	} else if id, ok := wholeNumber(p.number()); ok && id >= 0 {
		return int32(id)
	}
	p.reject(at, "must be a token id, a whole number from 0 to %d", math.MaxInt32)
	return 0
}

// vllmTruncate reads how many tokens are kept: null is all, or an error; -1 is
// what the model takes, which is 0 here.
func (p *bodyParser) vllmTruncate(at problem.Path) (tokens int, truncate bool) {
	if p.null() {
		return 0, false
	}
	if c := p.look(); c != '-' && (c < '0' || c > '9') {
		p.skip()
	} else if n, ok := wholeNumber(p.number()); ok && n >= -1 && n != 0 {
		return int(max(n, 0)), true
	}
	p.reject(at, "must be a whole number from 1, -1 for what the model takes, or null")
	return 0, false
}

// vllmClassify answers POST /vllm/classify.
func (s *Server) vllmClassify(c *gin.Context, x *exchange) error {
	mem := newScratch(&s.bodies)
	defer mem.release()
	body, err := mem.readBody(c.Request, s.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	q, err := parseVLLM(body, &s.options)
	if err != nil {
		return err
	}
	result, err := s.perform(c.Request.Context(), x, &call{q.task, problem.Field("model"), q.inputs, q.inputAt, q.options})
	if err != nil {
		return err
	}
	b := appendString(append(mem.out[:0], `{"id":`...), "classify-"+x.id)
	b = append(b, `,"object":"list","created":`...)
	b = strconv.AppendInt(b, s.now().Unix(), 10)
	b = appendString(append(b, `,"model":`...), q.task)
	b = append(b, `,"data":[`...)
	for i, row := range result.Scores {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(i), 10)
		mem.order = rank(mem.order, row, 1)
		b = appendString(append(b, `,"label":`...), result.Labels[mem.order[0]])
		b = append(b, `,"probs":[`...)
		for j, v := range row {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendScore(b, v)
		}
		b = strconv.AppendInt(append(b, `],"num_classes":`...), int64(len(row)), 10)
		b = append(b, '}')
	}
	tokens := int64(x.tokens)
	b = strconv.AppendInt(append(b, `],"usage":{"prompt_tokens":`...), tokens, 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), tokens, 10)
	mem.out = append(b, `,"completion_tokens":0,"prompt_tokens_details":null}}`+"\n"...)
	writeCost(c, x)
	writeJSON(c, http.StatusOK, mem.out)
	return nil
}
