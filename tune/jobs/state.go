package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kenserve/internal/atomicfile"
	"kenserve/tune"
)

// State is where a job is.
type State string

// The states of a job. The last three are final.
const (
	Checked   State = "checked" // of [Jobs.Check]: the texts were read, and nothing is trained
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Final tells whether a job in this state has ended.
func (s State) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Job is what clients see of a job.
type Job struct {
	Object   string     `json:"object" enum:"tuning"`
	Task     string     `json:"task"`
	State    State      `json:"state" enum:"checked,queued,running,done,failed,cancelled"`
	Created  time.Time  `json:"created"`
	Started  *time.Time `json:"started" nullable:"true" doc:"Null: the job has not started."`
	Finished *time.Time `json:"finished" nullable:"true" doc:"Null: the job has not ended."`
	Resumed  int        `json:"resumed" doc:"How often the job went on after a restart."`
	Error    *string    `json:"error" nullable:"true" doc:"Why the job failed. Null: it did not."`

	Reads   string           `json:"reads" doc:"How the texts are read: the format, and which column is used for what."`
	Ignored []string         `json:"ignored" doc:"Columns or members that are not used."`
	Data    *tune.DataReport `json:"data,omitempty" doc:"The sizes of the data, what is wrong with them, and the recipe."`

	Progress *Progress       `json:"progress,omitempty" doc:"Absent: the job has not started."`
	Curve    []tune.Point    `json:"curve" doc:"Evaluations on the dev set, oldest first."`
	Report   json.RawMessage `json:"report,omitempty" doc:"The result, as kenserve tune --json prints it. Absent: there is none yet."`
}

// Progress is how far a job is.
type Progress struct {
	Stage string `json:"stage" doc:"What the job does: reading, head, measure, full, contrastive, train, finishing or storing."`
	Step  int    `json:"step"` // of the stage, from 1
	Steps int    `json:"steps"`

	Loss           float64 `json:"loss" doc:"A moving mean over the last steps."`
	Score          float64 `json:"score" doc:"Of the last evaluation on the dev set; 0: none yet."`
	Best           float64 `json:"best" doc:"The best score so far."`
	TextsPerSecond float64 `json:"texts_per_second"`
	SecondsLeft    float64 `json:"seconds_left" doc:"Until the end of the stage; 0: not known."`
}

// record is the file of a job.
type record struct {
	Job
	Options Options `json:"options"`
	Bytes   int64   `json:"bytes"` // of the texts
}

// maxRecord bounds the file of a job.
const maxRecord = 16 << 20

func readRecord(dir string) (*record, error) {
	f, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := new(record)
	if err := json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(r); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return r, nil
}

func (r *record) write(dir string) error {
	return atomicfile.Write(filepath.Join(dir, stateFile), func(w io.Writer) error { return json.NewEncoder(w).Encode(r) })
}

// clean removes the files of a job that has ended, other than its state.
func clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != stateFile && e.Name() != lockFile {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// point adds an evaluation to the curve. A job that goes on from a checkpoint repeats the
// evaluations since then.
func (j *Job) point(p tune.Point) {
	n := len(j.Curve)
	for n > 0 && j.Curve[n-1].Step >= p.Step {
		n--
	}
	j.Curve = append(j.Curve[:n:n], p) // a copy: others may read the old one
}
