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

// LineOptions are the options of [Classifier.Lines].
type LineOptions struct {
	Format dataset.Format // of the input
	TopK   int            // number of labels to write for each text; 0 means all
	Raw    bool           // write logits instead of probabilities
}

// answer is a line of output. Label and Score are the first of Scores, which are
// sorted, best first.
type answer struct {
	Label  string       `json:"label"`
	Score  float32      `json:"score"`
	Scores []labelScore `json:"scores"`
}

type labelScore struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// Lines classifies the texts of in and writes one JSON line to w for each, in order.
// Texts that are too long for the model are truncated. On an error, the lines of the
// batches before it have been written.
func (c *Classifier) Lines(ctx context.Context, in io.Reader, w io.Writer, o LineOptions) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	err := dataset.EachBatch(in, o.Format, BatchTexts, func(batch []dataset.Example) error {
		r, err := c.Classify(ctx, batch, runtime.Options{Truncate: true, Raw: o.Raw})
		if err != nil {
			return err
		}
		for i := range batch {
			line := answer{}
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
