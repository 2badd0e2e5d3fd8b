package runtime

import (
	"os"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/runtime/internal/storesync"
)

// planner makes tasks of delta files, for the loader. It implements
// storesync.Base.
type planner struct {
	base     *Base
	own      *tokenizers
	unpacked *store.Cache // where deltas in the small layout are unpacked; nil: they cannot be loaded
	room     *heapRoom
}

// Plan opens a delta in either layout and checks it against the base.
func (p planner) Plan(file store.File) (storesync.Plan, error) {
	if info, err := os.Stat(file.Path); err == nil {
		defer p.room.begin(info.Size())()
	}
	d, err := p.open(file)
	if err != nil {
		return nil, err
	}
	p.room.take(d.Size)
	plan, err := planTask(p.base, p.own, d)
	if err != nil {
		_ = d.Close()
		p.room.give(d.Size)
		return nil, err
	}
	plan.room = p.room
	return plan, nil
}

func (p planner) open(file store.File) (*delta.Delta, error) {
	if p.unpacked == nil {
		return file.Open()
	}
	return p.unpacked.OpenFile(file, p.base.Checkpoint, p.base.Fingerprint)
}

// OverheadBytes returns what a task takes beside its file if all its matrices are
// overlays.
func (p planner) OverheadBytes() int64 {
	return int64(len(p.base.names)) * (tensorBytes + patchBytes)
}

// WarmBytes returns what the loaded task takes.
func (p *plan) WarmBytes() int64 { return p.warmBytes }

// Load returns the task, which owns the delta from then on.
func (p *plan) Load() (storesync.Task, error) {
	defer p.room.begin(p.warmBytes - p.delta.Size)()
	t, err := p.load()
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Close releases the delta and the task's own tokenizer.
func (p *plan) Close() error {
	p.own.release()
	err := p.delta.Close()
	p.room.give(p.delta.Size)
	return err
}

// Labels returns the task's labels, in the order of its logits.
func (t *task) Labels() []string { return t.labels }

// Thresholds returns the probabilities from which each label is predicted; nil: none.
func (t *task) Thresholds() []float64 { return t.delta.Thresholds }

// Digest returns the SHA-256 of the delta, in hexadecimal.
func (t *task) Digest() string { return t.delta.SHA256 }

// HotBytes returns what a hot network takes beside the warm task.
func (t *task) HotBytes() int64 { return t.hotBytes }

// QuickToPromote tells that a hot network has few weights of its own: expanding a
// sparse change takes about as long as a forward pass that reads it, and so does copying
// panels of some megabytes.
func (t *task) QuickToPromote() bool { return t.sharesBatches || t.hotBytes <= 4<<20 }

// taskOf returns the task of a handle. The assertion holds because planner makes
// no other kind.
func taskOf(h storesync.Handle) *task { return h.Task().(*task) }
