package bulk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"kenserve/dataset"
	"kenserve/runtime"
)

// Options say how [Classifier.Lines] reads and writes.
type Options struct {
	Format dataset.Format // of the input
	TopK   int            // labels to write of each text; 0: all
	Raw    bool           // logits instead of probabilities
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

// Lines classifies texts, one a line, into JSON lines.
func (c *Classifier) Lines(ctx context.Context, in io.Reader, w io.Writer, o Options) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	err := dataset.EachBatch(in, o.Format, BatchTexts, func(batch []dataset.Example) error {
		r, err := c.Classify(ctx, batch, runtime.Options{Truncate: true, Raw: o.Raw})
		if err != nil {
			return err
		}
		for i := range batch {
			line := classified{}
			for _, score := range r.Top(i, o.TopK) {
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
