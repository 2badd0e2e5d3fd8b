package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"kenserve/dataset"
	"kenserve/runtime"
)

// LineOptions are the options of [Classifier.Lines].
type LineOptions struct {
	TopK     int          // number of labels to write for each text; 0 means all
	Raw      bool         // write logits instead of probabilities
	WithText bool         // write the text, and the second one if there is one
	Progress func(*Batch) // called after each batch was written; may be nil
	Journal  *Journal     // of the output, so that a later run can continue it; may be nil
}

// answer is a line of output. Label and Score are the first of Scores, which are
// sorted, best first.
type answer struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Text   *string         `json:"text,omitempty"`
	Pair   *string         `json:"text_pair,omitempty"`
	Label  string          `json:"label"`
	Score  float32         `json:"score"`
	Scores []labelScore    `json:"scores"`
}

type labelScore struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

func newAnswer(row dataset.Row, scores []runtime.Score, o LineOptions) *answer {
	a := &answer{ID: json.RawMessage(row.ID)}
	if o.WithText {
		a.Text, a.Pair = &row.Text, row.Pair
	}
	for _, score := range scores {
		a.Scores = append(a.Scores, labelScore{score.Label, score.Value})
	}
	a.Label, a.Score = a.Scores[0].Label, a.Scores[0].Score
	return a
}

// Lines classifies the rows that a reader has left and writes one JSON line to w for
// each, in order, with the row's id if it has one. Texts that are too long for the model
// are truncated. w gets the lines of a batch at once. On an error, the lines of the
// batches before it have been written.
func (c *Classifier) Lines(ctx context.Context, in *dataset.Reader, w io.Writer, o LineOptions) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	return c.Stream(ctx, in, runtime.Options{Truncate: true, Raw: o.Raw}, func(b *Batch) error {
		lines.Reset()
		for i, row := range b.Rows {
			if err := encoder.Encode(newAnswer(row, b.Result.Top(i, o.TopK), o)); err != nil {
				return fmt.Errorf("classify: %w", in.At(row, err))
			}
		}
		if _, err := w.Write(lines.Bytes()); err != nil {
			return fmt.Errorf("classify: write: %w", err)
		}
		if o.Journal != nil {
			if err := o.Journal.add(b.Rows, lines.Bytes()); err != nil {
				return fmt.Errorf("classify: write: %w", err)
			}
		}
		if o.Progress != nil {
			o.Progress(b)
		}
		return nil
	})
}
