package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"kenserve/gemm"
	"kenserve/runtime"
)

type classifyCmd struct {
	File      string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base      string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Input     string       `default:"-" placeholder:"FILE" help:"Texts, one a line, or JSON lines {\"text\", \"text_pair\"}; - is standard input."`
	Format    string       `default:"auto" enum:"auto,text,json" help:"Format of the input: ${enum}; auto looks at the first line."`
	TopK      int          `placeholder:"N" help:"Labels to print of each text (default: all)."`
	RawScores bool         `help:"Print logits instead of probabilities."`
	Compute   gemm.Compute `default:"float32" placeholder:"TYPE" help:"Type in which dense layers multiply: float32, bfloat16 or int8 (default ${default})."`
	cacheFlags
}

// classified is a line of output.
type classified struct {
	Label  string       `json:"label"`
	Score  float32      `json:"score"`
	Scores []labelScore `json:"scores"`
}

type labelScore struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// batchTexts is how many texts are classified at a time.
const batchTexts = 256

func (c *classifyCmd) Run(ctx context.Context, s streams) error {
	if c.TopK < 0 {
		return usageError{fmt.Errorf("classify: --top-k %d is negative", c.TopK)}
	}
	in, err := openInput(c.Input, s.in)
	if err != nil {
		return fmt.Errorf("classify: %w", err)
	}
	defer in.Close()
	e, task, err := openTask(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer e.Close()
	out := bufio.NewWriter(s.out)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	err = eachBatch(in, c.Format, batchTexts, func(batch []example) error {
		r, err := classifyBatch(ctx, e, task, batch, runtime.Options{Truncate: true, Raw: c.RawScores})
		if err != nil {
			return err
		}
		for i := range batch {
			line := classified{}
			for _, score := range r.Top(i, c.TopK) {
				line.Scores = append(line.Scores, labelScore{score.Label, score.Value})
			}
			line.Label, line.Score = line.Scores[0].Label, line.Scores[0].Score
			if err := encoder.Encode(line); err != nil {
				return fmt.Errorf("classify: write: %w", err)
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

// classifyBatch classifies examples; an error about one names its line.
func classifyBatch(ctx context.Context, e *runtime.Engine, task string, batch []example, o runtime.Options) (*runtime.Result, error) {
	r, err := e.Classify(ctx, task, inputs(batch), o)
	var input *runtime.InputError
	if errors.As(err, &input) {
		return nil, fmt.Errorf("input line %d: %w", batch[input.Index].line, err)
	}
	if reason := errors.Unwrap(err); errors.Is(err, runtime.ErrTaskUnusable) && reason != nil {
		// Over HTTP a task's error names only a class; here the reason is wanted.
		return nil, reason
	}
	return r, err
}
