package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"kenserve/dataset"
	"kenserve/runtime"
)

// LineOptions are the options of [Classifier.Lines].
type LineOptions struct {
	TopK     int          // number of labels to write for each text; 0 means all
	Raw      bool         // write logits instead of probabilities
	WithText bool         // write the text, and the second one if there is one
	Progress func(*Batch) // called after each batch was written; may be nil
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
		if o.Progress != nil {
			o.Progress(b)
		}
		return nil
	})
}

// Written is what an earlier run has written to a file of [Classifier.Lines].
type Written struct {
	Lines int    // complete lines
	Bytes int64  // of these lines
	last  string // the last one of them, without its line end
}

// ScanLines reads the lines that an earlier run has written. A last line without an end,
// as a killed run leaves it, does not count.
func ScanLines(in io.Reader) (Written, error) {
	var w Written
	b := bufio.NewReaderSize(in, 1<<20)
	var line []byte // its parts so far
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			w.Lines++
			w.Bytes += int64(len(line))
			w.last = string(line[:len(line)-1])
			line = line[:0]
		case errors.Is(err, io.EOF):
			return w, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return w, err
		}
	}
}

// Resume moves a reader past the rows that an earlier run has written. It classifies the
// last of them again: if its line is not like w.last, the input, the delta or the options
// are not those of the earlier run, which is an error.
func (c *Classifier) Resume(ctx context.Context, in *dataset.Reader, w Written, o LineOptions) error {
	for n := range w.Lines {
		row, err := in.Read()
		if err == io.EOF {
			return fmt.Errorf("the output has answers to %d texts, and the input only %d: it is another input", w.Lines, n)
		}
		if err != nil {
			return err
		}
		if n < w.Lines-1 {
			continue
		}
		r, err := c.classify(ctx, in, []dataset.Row{row}, runtime.Options{Truncate: true, Raw: o.Raw})
		if err != nil {
			return err
		}
		if !newAnswer(row, r.Top(0, o.TopK), o).isLike(w.last, r.Top(0, 0)) {
			return fmt.Errorf("line %d of the output is not the answer to the input's row %d: the input, the delta or the options are not those of the run that wrote it", w.Lines, w.Lines)
		}
	}
	return nil
}

// scoreTolerance is how much two runs' scores may differ: processors with other
// instructions round differently.
const scoreTolerance = 1e-4

// isLike reports whether a line is this answer. all has the scores of all labels.
func (a *answer) isLike(line string, all []runtime.Score) bool {
	var written answer
	decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&written); err != nil || len(written.Scores) != len(a.Scores) || len(a.Scores) == 0 {
		return false
	}
	var id bytes.Buffer
	if len(a.ID) > 0 && json.Compact(&id, a.ID) != nil {
		return false
	}
	if !bytes.Equal(written.ID, id.Bytes()) || !equalText(written.Text, a.Text) || !equalText(written.Pair, a.Pair) {
		return false
	}
	// Labels with almost equal scores may have changed places, so that the scores are
	// compared place by place, and label by label.
	if written.Label != written.Scores[0].Label || written.Score != written.Scores[0].Score {
		return false
	}
	for i, score := range written.Scores {
		ofLabel := func(s runtime.Score) bool { return s.Label == score.Label && isClose(score.Score, s.Value) }
		if !isClose(score.Score, a.Scores[i].Score) || !slices.ContainsFunc(all, ofLabel) {
			return false
		}
	}
	return true
}

func isClose(written, now float32) bool {
	difference := math.Abs(float64(written) - float64(now))
	return difference <= scoreTolerance*max(1, math.Abs(float64(written)))
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
