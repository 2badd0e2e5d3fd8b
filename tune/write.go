package tune

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/safetensors"
	"kenserve/tune/internal/train"
)

// writeDelta writes what the model has learnt as a delta.
func (b *base) writeDelta(path string, m *train.Model, info delta.Info) error {
	w, err := delta.Create(path)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, weight := range m.Weights() {
		if err := b.writeWeight(w, weight); err != nil {
			return fmt.Errorf("tune: write %s: %w", weight.Name, err)
		}
	}
	return w.Finish(info)
}

func (b *base) writeWeight(w *delta.Writer, weight *train.Weight) error {
	if weight.OfHead {
		values := make([]float32, weight.Elements())
		weight.Read(values)
		name := weight.Name
		if !weight.Parameter.Head { // such as a pooler that the base lacks
			name = b.arch.Prefix() + name
		}
		t := &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: weight.Shape, Data: safetensors.Bytes(values)}
		return w.Coded(t, weight.Coding())
	}
	positions, values := weight.Kept()
	if len(positions) == 0 {
		return nil
	}
	name, t := b.find(weight.Parameter)
	rows, columns := t.Rows()
	height := delta.TileHeight(t.Shape, weight.Role == models.Embedding)
	words := (columns + 63) / 64
	tiles := make([]delta.Tile, 0, (rows+height-1)/height)
	before, after, keep := make([]float32, height*columns), make([]float32, height*columns), make([]uint64, height*words)
	for first := 0; first < rows; first += height {
		n := min(height, rows-first)
		before, after, keep := before[:n*columns], after[:n*columns], keep[:n*words]
		if err := t.Float32s(before, first*columns); err != nil {
			return err
		}
		copy(after, before)
		clear(keep)
		for len(positions) > 0 && positions[0] < (first+n)*columns {
			at := positions[0] - first*columns
			after[at] = values[0]
			keep[at/columns*words+at%columns/64] |= 1 << (at % columns % 64)
			positions, values = positions[1:], values[1:]
		}
		tile, err := delta.EncodeTile(weight.Coding(), height, columns, first/height, keep, after, before)
		if err != nil {
			return err
		}
		tiles = append(tiles, tile)
	}
	return w.Masked(name, weight.Coding(), height, columns, tiles)
}

// writeCheckpoint writes a Hugging Face folder with the tuned model, in float32.
func (b *base) writeCheckpoint(dir string, m *train.Model) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	var entries []safetensors.Entry
	for _, w := range m.Weights() {
		name := w.Name
		if !w.Parameter.Head {
			name = b.arch.Prefix() + name
		}
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: w.Shape, WriteTo: func(out io.Writer) error {
			values := make([]float32, w.Elements())
			w.Read(values)
			_, err := out.Write(safetensors.Bytes(values))
			return err
		}})
	}
	if err := safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), map[string]string{"format": "pt"}, entries); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, models.ConfigFile), []byte(b.info.Config), 0o644); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	return nil
}

// describe returns the delta's metadata for a recipe.
func (b *base) describe(r Recipe, o *Options, d *DataReport, best Point) (delta.Info, error) {
	info := b.info
	info.Producer, info.Notes = o.Producer, o.Notes
	info.Selection, info.Scope = "tuned", "all"
	if r.Method == Sparse {
		info.Selection, info.Keep, info.Budget = r.Mask, r.Share, "model"
	}
	info.Coding = r.Values
	if r.Vectors != r.Values {
		info.VectorCoding = r.Vectors
	}
	text, err := json.Marshal(Recorded{Recipe: r, Train: d.Train, Dev: d.Dev, Split: d.Split, Epoch: best.Epoch, Score: best.Score, Teacher: teacherName(o.Teacher)})
	if err != nil {
		return info, fmt.Errorf("tune: %w", err)
	}
	info.Recipe = string(text)
	return info, nil
}

// Recorded is the recipe in the metadata of a delta. It has no times: the same data and
// recipe give the same file.
type Recorded struct {
	Recipe
	Train   int     `json:"train_texts"`
	Dev     int     `json:"dev_texts"`
	Split   bool    `json:"dev_split,omitempty"`
	Epoch   float64 `json:"best_epoch"`
	Score   float64 `json:"dev_score"`
	Teacher string  `json:"teacher,omitempty"`
}

// String says in two sentences how a delta was tuned.
func (r Recorded) String() string {
	out := fmt.Sprintf("%s; score %.4f on %d dev texts at epoch %.3g, after training on %d texts", r.Recipe, r.Score, r.Dev, r.Epoch, r.Train)
	if r.Teacher != "" {
		out += fmt.Sprintf(" with the teacher %s", r.Teacher)
	}
	return out
}

func teacherName(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}
