package jobs

import (
	"fmt"
	"io"
	"path/filepath"

	"kenserve/dataset"
	"kenserve/delta"
	"kenserve/models"
	"kenserve/tune"
)

// Options say how a job reads its texts and trains. Zero values are those of [tune.Options].
type Options struct {
	Format  dataset.Format  `json:"format,omitempty"`
	Columns dataset.Columns `json:"columns"`

	Problem      models.Problem `json:"problem,omitempty"`
	Labels       []string       `json:"labels,omitempty"`
	DevShare     float64        `json:"dev_share,omitempty"`
	ClassWeights string         `json:"class_weights,omitempty"`
	MaxTokens    int            `json:"max_tokens,omitempty"`
	Recipe       tune.Recipe    `json:"recipe"`
	Tolerance    float64        `json:"tolerance,omitempty"`
	Notes        string         `json:"notes,omitempty"`
}

// Names of files in the folder of a job.
const (
	stateFile      = "job.json"
	dataFile       = "texts" // clients see it in errors about rows
	checkpointFile = "checkpoint"
	lockFile       = "lock"
)

// tuning returns the options of package tune for a job in dir.
func (o *Options) tuning(dir, task, base string) tune.Options {
	return tune.Options{
		BaseDir: base, Out: filepath.Join(dir, task+delta.Extension), Problem: o.Problem, Labels: o.Labels, DevShare: o.DevShare,
		ClassWeights: o.ClassWeights, MaxTokens: o.MaxTokens, Recipe: o.Recipe, Tolerance: o.Tolerance, Notes: o.Notes,
		Checkpoint: filepath.Join(dir, checkpointFile), Resume: true,
	}
}

// check returns an error for options that no job can have.
func (o *Options) check() error {
	t := o.tuning("", "task", "")
	return t.Check()
}

// reader returns a reader of the job's texts.
func (o *Options) reader(in io.Reader) (*dataset.Reader, error) {
	r, err := dataset.NewReader(dataFile, in, dataset.Options{Format: o.Format, Columns: o.Columns, Labelled: true, Unlabelled: true, Weighted: true})
	if err != nil {
		return nil, fmt.Errorf("tune: %w", err)
	}
	return r, nil
}

// Memory of a job's process. Measured with a base of 90 MB in float32 (MiniLM): 330 MB for
// sparse training; a training of all weights has gradients, two means and the best values
// beside them.
const (
	processBytes = 64 << 20
	sparseCopies = 3  // of the base, in float32
	fullCopies   = 8  // the same, with tune.Full
	dataCopies   = 16 // of the file of texts: texts, tokens, and the garbage of reading them
)

// memory returns the bytes of memory that a job needs: base is the size of the base in
// float32, data that of the texts.
func (o *Options) memory(base, data int64) int64 {
	copies := int64(sparseCopies)
	if o.Recipe.Method == tune.Full {
		copies = fullCopies
	}
	return processBytes + copies*base + dataCopies*data
}
