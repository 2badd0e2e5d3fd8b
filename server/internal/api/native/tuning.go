package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/tune/jobs"
)

// The operations that tune classifiers from labelled texts. All of them need the admin key:
// a job takes the processor for minutes, and its state quotes texts.

// Tuner runs jobs that tune. All methods may be called from any goroutine.
type Tuner interface {
	Add(ctx context.Context, task string, o jobs.Options, texts io.Reader) (jobs.Job, error)
	Check(ctx context.Context, task string, o jobs.Options, texts io.Reader) (jobs.Job, error)
	Get(task string) (jobs.Job, error)
	List() []jobs.Job
	Cancel(ctx context.Context, task string) error
	MaxBytes() int64
}

// tuningList is the wire type of the answer of GET /tunings.
type tuningList struct {
	Object string     `json:"object" enum:"list"`
	Data   []jobs.Job `json:"data"`
}

// tuningFormats are the formats of texts with the Content-Types that mean them.
var tuningFormats = map[string]dataset.Format{
	"text/csv": dataset.CSV, "text/tab-separated-values": dataset.TSV,
	"application/jsonl": dataset.JSONLines, "application/x-ndjson": dataset.JSONLines, "application/json": dataset.JSONArray,
}

var tuningParameters = []route.Parameter{
	{Name: "check", In: "query", Doc: "If true, the texts are only read and checked; the answer has the status 200 and the state checked.", Example: "true"},
	{Name: "format", In: "query", Doc: "csv, tsv, jsonl or json. Default: that of the Content-Type, or else found by the first bytes.", Example: "csv"},
	{Name: "text_column", In: "query", Doc: "Column or member of the texts. Default: text.", Example: "text"},
	{Name: "text_pair_column", In: "query", Doc: "Column or member of the second texts of pairs. Default: text_pair, where it is there.", Example: "text_pair"},
	{Name: "label_column", In: "query", Doc: "Column or member of the labels. Default: label.", Example: "label"},
	{Name: "weight_column", In: "query", Doc: "Column or member of the texts' weights in the loss. Default: weight, where it is there.", Example: "weight"},
	{Name: "problem_type", In: "query", Doc: "single_label_classification, multi_label_classification or regression. Default: found from the labels.", Example: "single_label_classification"},
	{Name: "class_weights", In: "query", Doc: "none, auto (rare labels weigh more), or LABEL=W,…. Default: none.", Example: "auto"},
	{Name: "method", In: "query", Doc: "sparse, full, vectors or head. Default: sparse.", Example: "sparse"},
	{Name: "share", In: "query", Doc: "With sparse: the share of the encoder's weights that is trained, above 0 and below 1. Default: 0.002.", Example: "0.002"},
	{Name: "tolerance", In: "query", Doc: "With full: the accuracy that pruning may lose. Default: 0.005.", Example: "0.005"},
	{Name: "epochs", In: "query", Doc: "Passes over the training texts. Default: by the number of texts.", Example: "5"},
	{Name: "batch", In: "query", Doc: "Texts of a step. Default: by the number of texts.", Example: "16"},
	{Name: "rate", In: "query", Doc: "Learning rate after the warm-up. Default: by method and model.", Example: "0.0005"},
	{Name: "dev_share", In: "query", Doc: "Share of the texts for the dev set, above 0 and below 1. Default: by the number of texts.", Example: "0.2"},
	{Name: "max_tokens", In: "query", Doc: "Tokens of a text; longer texts are cut. Default: the model's maximum.", Example: "128"},
	{Name: "seed", In: "query", Doc: "Seed of the split, the order of texts, the head and dropout. Default: 1.", Example: "1"},
	{Name: "notes", In: "query", Doc: "Free text to store in the delta.", Example: "second round of labels"},
}

func (h *handler) tuningOperations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodPost, Path: "/tasks/:name/tune", Name: "tuneTask", Tag: route.TagTasks,
			Summary:     "Tune a task from labelled texts",
			Description: "The body has the texts: CSV or TSV with the columns text and label, JSON lines or a JSON array of objects with these members. They are checked first; a row that cannot be read is an error with its number. Then a job is queued, which trains a classifier over the base at low priority. One job runs at a time. The delta that it makes gets the checks of an upload, and takes the place of the task in the store.",
			Handle:      h.tuneTask, Admin: true, Params: tuningParameters,
			Request: []route.Content{{Media: "text/csv"}, {Media: "text/tab-separated-values"}, {Media: "application/jsonl"}},
			Answer:  route.JSON[jobs.Job](""), Status: http.StatusAccepted, AlsoStatus: http.StatusOK,
			MayFail: append([]*route.Failure{route.Conflict}, route.FailuresChanging...),
		},
		{
			Method: http.MethodGet, Path: "/tasks/:name/tune", Name: "getTuning", Tag: route.TagTasks, Summary: "Describe the job that tunes a task",
			Description: "The state, the progress, the scores on the dev set so far, what is wrong with the texts, and the result.",
			Handle:      h.getTuning, Admin: true, Answer: route.JSON[jobs.Job](""), MayFail: []*route.Failure{route.NoSuchTask},
		},
		{
			Method: http.MethodDelete, Path: "/tasks/:name/tune", Name: "cancelTuning", Tag: route.TagTasks, Summary: "Cancel the job that tunes a task",
			Description: "A job that is queued or runs is cancelled, and its texts are removed. A job that has ended is forgotten. The task stays as it is.",
			Handle:      h.cancelTuning, Admin: true, Status: http.StatusNoContent, MayFail: []*route.Failure{route.NoSuchTask, route.Unavailable},
		},
		{
			Method: http.MethodGet, Path: "/tunings", Name: "listTunings", Polled: true, Tag: route.TagTasks, Summary: "List the jobs that tune tasks",
			Description: "The job that runs, those that wait, and the last ones that have ended. Their reports are left out.",
			Handle:      h.listTunings, Admin: true, Answer: route.JSON[tuningList](""),
		},
	}
}

// errTuningOff answers the operations of a server that does not tune.
var errTuningOff = problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden, Message: "tuning is off: the server was started without a folder for its jobs (--tune-dir)"}

func (h *handler) tuned(c *gin.Context, state *core.RequestState) (string, error) {
	if h.tuner == nil {
		return "", new(errTuningOff)
	}
	name := c.Param("name")
	if !delta.ValidTask(name) {
		return "", invalidName(name)
	}
	state.Task = name
	return name, nil
}

// tuneTask answers POST /tasks/{name}/tune.
func (h *handler) tuneTask(c *gin.Context, state *core.RequestState) error {
	name, err := h.tuned(c, state)
	if err != nil {
		return err
	}
	o, check, err := parseTuning(c.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	media, _, _ := strings.Cut(c.GetHeader("Content-Type"), ";")
	if o.Format == "" {
		o.Format = tuningFormats[strings.ToLower(strings.TrimSpace(media))]
	}
	limit := int(h.tuner.MaxBytes())
	r := c.Request
	if r.ContentLength == 0 {
		return problem.Invalid(problem.Path{}, "is empty; send the labelled texts, for example a CSV with the columns text and label")
	}
	if r.ContentLength > int64(limit) {
		return httpbody.TooLarge(limit)
	}
	select {
	case h.uploads <- struct{}{}:
		defer func() { <-h.uploads }()
	default:
		return problem.Overloaded("too many uploads at the same time, try again later")
	}
	h.extend(c, h.core.Limits.UploadTimeout)
	ctx, cancel := context.WithTimeout(r.Context(), h.core.Limits.UploadTimeout)
	defer cancel()
	body, err := httpbody.Open(r, limit)
	if err != nil {
		return err
	}
	do, status := h.tuner.Add, http.StatusAccepted
	if check {
		do, status = h.tuner.Check, http.StatusOK
	}
	job, err := do(ctx, name, o, body)
	if err != nil {
		if p := body.Problem(); p != nil {
			return p
		}
		return tuningProblem(ctx, err, name, limit)
	}
	return route.MarshalStatus(c, status, job)
}

// tuningProblem is the problem of a job that was refused with err.
func tuningProblem(ctx context.Context, err error, name string, limit int) error {
	invalid, isInvalid := errors.AsType[*jobs.InvalidError](err)
	switch {
	case isInvalid:
		return &problem.Problem{Status: http.StatusUnprocessableEntity, Kind: problem.KindValidation, Message: invalid.Message}
	case errors.Is(err, jobs.ErrTooLong):
		return httpbody.TooLarge(limit)
	case errors.Is(err, jobs.ErrActive):
		return &problem.Problem{Status: http.StatusConflict, Kind: problem.KindConflict, Field: "name", Message: err.Error()}
	case errors.Is(err, jobs.ErrFull):
		return problem.Overloaded(err.Error())
	case errors.Is(err, jobs.ErrNoJob):
		return &problem.Problem{Status: http.StatusNotFound, Kind: problem.KindNotFound, Field: "name", Message: fmt.Sprintf("there is no job for task %s", problem.Quote(name))}
	case errors.Is(err, runtime.ErrNoMemory):
		return &problem.Problem{
			Status: http.StatusInsufficientStorage, Kind: problem.KindNoSpace,
			Message: "the server has too little memory for this job: send fewer texts, or raise --memory", Cause: err,
		}
	}
	return changeProblem(ctx, err, name, problem.Field("name"))
}

// getTuning answers GET /tasks/{name}/tune.
func (h *handler) getTuning(c *gin.Context, state *core.RequestState) error {
	name, err := h.tuned(c, state)
	if err != nil {
		return err
	}
	job, err := h.tuner.Get(name)
	if err != nil {
		return tuningProblem(c.Request.Context(), err, name, 0)
	}
	return route.Marshal(c, job)
}

// cancelTuning answers DELETE /tasks/{name}/tune.
func (h *handler) cancelTuning(c *gin.Context, state *core.RequestState) error {
	name, err := h.tuned(c, state)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), h.core.Limits.RequestTimeout)
	defer cancel()
	if err := h.tuner.Cancel(ctx, name); err != nil {
		return tuningProblem(ctx, err, name, 0)
	}
	c.Status(http.StatusNoContent)
	return nil
}

// listTunings answers GET /tunings.
func (h *handler) listTunings(c *gin.Context, _ *core.RequestState) error {
	if h.tuner == nil {
		return new(errTuningOff)
	}
	list := tuningList{Object: "list", Data: h.tuner.List()}
	for i := range list.Data {
		list.Data[i].Report = nil
	}
	return route.Marshal(c, list)
}

// maxNotes bounds the notes of a delta, in bytes.
const maxNotes = 4 << 10

// parseTuning reads the options in a query. A name that is not known is an error: an option
// that is misspelt would train something else.
func parseTuning(query string) (o jobs.Options, check bool, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, false, problem.Malformed("the query cannot be read")
	}
	number := func(dst *float64) func(string) string {
		return func(s string) string {
			v, err := strconv.ParseFloat(s, 64)
			if *dst = v; err != nil || !(v > 0) {
				return "a number above 0"
			}
			return ""
		}
	}
	count := func(dst *int) func(string) string {
		return func(s string) string {
			v, err := strconv.ParseInt(s, 10, 32)
			if *dst = int(v); err != nil || v < 1 {
				return "a whole number from 1"
			}
			return ""
		}
	}
	text := func(dst *string) func(string) string {
		return func(s string) string { *dst = s; return "" }
	}
	r := &o.Recipe
	o.Tolerance = 0.005
	set := map[string]func(string) string{
		"check": func(s string) string {
			if check = s == "true"; !check && s != "false" {
				return "true or false"
			}
			return ""
		},
		"format": func(s string) string {
			switch o.Format = dataset.Format(s); o.Format {
			case dataset.Auto, dataset.CSV, dataset.TSV, dataset.JSONLines, dataset.JSONArray:
				return ""
			}
			return "csv, tsv, jsonl or json"
		},
		"text_column": text(&o.Columns.Text), "text_pair_column": text(&o.Columns.Pair), "label_column": text(&o.Columns.Label), "weight_column": text(&o.Columns.Weight),
		"problem_type": func(s string) string {
			switch o.Problem = models.Problem(s); o.Problem {
			case models.SingleLabel, models.MultiLabel, models.Regression:
				return ""
			}
			return "single_label_classification, multi_label_classification or regression"
		},
		"class_weights": text(&o.ClassWeights), "method": text(&r.Method),
		"share": number(&r.Share), "epochs": count(&r.Epochs), "batch": count(&r.Batch), "rate": number(&r.Rate),
		"tolerance": func(s string) string {
			v, err := strconv.ParseFloat(s, 64)
			if o.Tolerance = v; err != nil || !(v >= 0 && v < 1) {
				return "a number from 0, below 1"
			}
			return ""
		},
		"dev_share": number(&o.DevShare), "max_tokens": count(&o.MaxTokens),
		"seed": func(s string) string {
			v, err := strconv.ParseUint(s, 10, 64)
			if r.Seed = v; err != nil {
				return "a whole number from 0"
			}
			return ""
		},
		"notes": func(s string) string {
			if o.Notes = s; len(s) > maxNotes {
				return fmt.Sprintf("at most %d bytes long", maxNotes)
			}
			return ""
		},
	}
	for name, list := range values {
		f := set[name]
		if f == nil {
			return o, false, problem.Invalid(problem.Path{}, "cannot be tuned with the query parameter %s, which is not known", problem.Quote(name))
		}
		if len(list) != 1 {
			return o, false, problem.Invalid(problem.Field(name), "is given more than once")
		}
		if want := f(list[0]); want != "" {
			return o, false, problem.Invalid(problem.Field(name), "is %s, must be %s", problem.Quote(list[0]), want)
		}
	}
	if r.Seed == 0 {
		r.Seed = 1
	}
	return o, check, nil
}
