package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"kenserve/models"
	"kenserve/safetensors"
	"kenserve/tune/internal/adamw"
)

// state is what a checkpoint has beside tensors.
type state struct {
	Stage     int     `json:"stage"`
	Step      int     `json:"step"`    // of the stage; the next one
	Stopped   string  `json:"stopped"` // why the stage ended early
	History   []Point `json:"history"`
	Best      *Point  `json:"best"`
	Bad       int     `json:"bad"` // evaluations since the best one
	LossSum   float64 `json:"loss_sum"`
	LossSteps int     `json:"loss_steps"` // steps in LossSum
}

// Keys of the checkpoint's metadata.
const (
	checkpointFormat = "kenserve-tuning"
	keyFormat        = "format"
	keyFingerprint   = "fingerprint"
	keyState         = "state"
)

// Bounds on how often checkpoints are written if nobody says so.
const (
	saveInterval = 10 * time.Second
	saveShare    = 20 // times the duration of a save that training goes on between two
)

// checkpointClock decides when a checkpoint is due.
type checkpointClock struct {
	at   time.Time
	took time.Duration
}

// saveIfDue writes a checkpoint if it is time. When it is written has no effect on the result.
func (r *Run) saveIfDue(last bool) error {
	if r.config.Checkpoint == "" || r.plan[r.state.Stage].name == stageMeasure {
		return nil
	}
	now := time.Now()
	if r.saved.at.IsZero() {
		r.saved.at = now
	}
	due := now.Sub(r.saved.at) >= max(saveInterval, saveShare*r.saved.took)
	if r.config.CheckpointSteps > 0 {
		due = r.state.Step%r.config.CheckpointSteps == 0
	}
	if !due || last && !r.evaluates() {
		return nil
	}
	if err := r.save(); err != nil {
		return fmt.Errorf("train: write checkpoint: %w", err)
	}
	r.saved.at = time.Now()
	r.saved.took = r.saved.at.Sub(now)
	return nil
}

// save writes the checkpoint.
func (r *Run) save() error {
	text, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	var entries []safetensors.Entry
	floats := func(name string, x []float32) {
		if len(x) > 0 {
			entries = append(entries, entryOf(name, safetensors.F32, x))
		}
	}
	for at, positions := range r.positions {
		numbers := make([]uint32, len(positions))
		for i, p := range positions {
			numbers[i] = uint32(p)
		}
		entries = append(entries, entryOf(positionsName(at), safetensors.U32, numbers))
	}
	for i, w := range r.model.head.Weights() { // after the stage head, not those of the seed
		floats("head/"+strconv.Itoa(i), w.Initial())
	}
	states := r.optimizer.States()
	for i, w := range r.model.trained() {
		name := strconv.Itoa(i)
		floats("values/"+name, *w.values)
		floats("start/"+name, w.start)
		floats("mean/"+name, states[i].Mean)
		floats("square/"+name, states[i].Square)
		if r.best != nil {
			floats("best/"+name, r.best[i])
		}
		if w.encoder != nil && w.Role == models.Embedding && len(w.encoder.Rows()) > 0 {
			numbers := make([]uint32, len(w.encoder.Rows()))
			for j, row := range w.encoder.Rows() {
				numbers[j] = uint32(row)
			}
			entries = append(entries, entryOf("rows/"+name, safetensors.U32, numbers))
		}
	}
	metadata := map[string]string{keyFormat: checkpointFormat, keyFingerprint: r.config.Fingerprint, keyState: string(text)}
	return safetensors.WriteFile(r.config.Checkpoint, metadata, entries)
}

func positionsName(weight int) string { return "positions/" + strconv.Itoa(weight) }

func entryOf[T safetensors.Number](name string, dtype safetensors.DType, x []T) safetensors.Entry {
	return safetensors.Entry{Name: name, DType: dtype, Shape: []int{len(x)}, WriteTo: func(w io.Writer) error {
		_, err := w.Write(safetensors.Bytes(x))
		return err
	}}
}

// restore goes to the state of the checkpoint. It returns false if there is none.
func (r *Run) restore() (bool, error) {
	f, err := safetensors.Load(r.config.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("train: resume: %w", err)
	}
	defer f.Close()
	if err := r.read(f); err != nil {
		return false, fmt.Errorf("train: resume from %s: %w", r.config.Checkpoint, err)
	}
	return true, nil
}

// errOther means a checkpoint of another run.
var errOther = errors.New("it belongs to other data or other settings: repeat the command that was interrupted, or begin anew without --resume")

func (r *Run) read(f *safetensors.File) error {
	m := f.Metadata()
	if m[keyFormat] != checkpointFormat {
		return errors.New("it is not a checkpoint of a tuning")
	}
	if m[keyFingerprint] != r.config.Fingerprint {
		return errOther
	}
	var s state
	if err := json.Unmarshal([]byte(m[keyState]), &s); err != nil {
		return fmt.Errorf("its state cannot be read: %w", err)
	}
	if s.Stage < 0 || s.Stage >= len(r.plan) || s.Step < 0 || s.Step > r.plan[s.Stage].steps {
		return errOther
	}
	floats := func(name string) []float32 {
		t, ok := f.Tensor(name)
		if !ok || t.DType != safetensors.F32 {
			return nil
		}
		x, err := safetensors.View[float32](t)
		if err != nil {
			return nil
		}
		return append([]float32(nil), x...)
	}
	numbers := func(name string) []uint32 {
		t, ok := f.Tensor(name)
		if !ok || t.DType != safetensors.U32 {
			return nil
		}
		x, err := safetensors.View[uint32](t)
		if err != nil {
			return nil
		}
		return x
	}
	for i, w := range r.model.head.Weights() {
		if err := w.SetInitial(floats("head/" + strconv.Itoa(i))); err != nil {
			return err
		}
	}
	for at := range r.model.weights {
		if x := numbers(positionsName(at)); x != nil {
			if r.positions == nil {
				r.positions = map[int][]int{}
			}
			for _, p := range x {
				r.positions[at] = append(r.positions[at], int(p))
			}
		}
	}
	r.state, r.optimizer = s, nil
	if err := r.begin(); err != nil {
		return err
	}
	trained := r.model.trained()
	states := make([]adamw.State, len(trained))
	best := make([][]float32, len(trained))
	for i, w := range trained {
		name := strconv.Itoa(i)
		if rows := numbers("rows/" + name); rows != nil && w.encoder != nil {
			list := make([]int32, len(rows))
			for j, row := range rows {
				if int(row) >= w.Shape[0] {
					return fmt.Errorf("row %d of %s does not exist", row, w.Name)
				}
				list[j] = int32(row)
			}
			w.encoder.AddRows(list)
		}
		values := floats("values/" + name)
		if len(values) != len(*w.values) {
			return fmt.Errorf("it has %d values of %s, want %d", len(values), w.Name, len(*w.values))
		}
		copy(*w.values, values)
		w.start = floats("start/" + name)
		states[i] = adamw.State{Mean: floats("mean/" + name), Square: floats("square/" + name)}
		best[i] = floats("best/" + name)
	}
	if s.Best != nil {
		r.best = best
	}
	r.model.updated()
	return r.optimizer.Restore(states, s.Step)
}

// Remove removes the checkpoint of a run that is done.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("train: remove checkpoint: %w", err)
	}
	return nil
}
