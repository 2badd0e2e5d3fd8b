package runtime

import (
	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/runtime/internal/storesync"
)

// planner makes tasks over a base for the loader. It implements storesync.Base.
type planner struct {
	base     *Base
	unpacked *store.Cache // where deltas in the small layout are unpacked; nil: they are refused
}

// Plan opens a delta in either layout and checks it against the base.
func (p planner) Plan(file store.File) (storesync.Plan, error) {
	d, err := p.open(file)
	if err != nil {
		return nil, err
	}
	plan, err := planTask(p.base, d)
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return plan, nil
}

func (p planner) open(file store.File) (*delta.Delta, error) {
	if p.unpacked == nil {
		return file.Open()
	}
	return p.unpacked.OpenFile(file, p.base.Checkpoint, p.base.Fingerprint)
}

// OverheadBytes returns what a task takes beside its file if all its matrices
// are patched as they are multiplied.
func (p planner) OverheadBytes() int64 {
	return int64(len(p.base.names)) * (tensorBytes + patchBytes)
}

// WarmBytes, Load and Close implement storesync.Plan.

func (p *plan) WarmBytes() int64 { return p.warmBytes }

func (p *plan) Load() (storesync.Task, error) {
	t, err := p.load()
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (p *plan) Close() error { return p.delta.Close() }

// Labels, HotBytes and Close implement storesync.Task, with Warm and Hot.

func (t *task) Labels() []string { return t.labels }
func (t *task) HotBytes() int64  { return t.hotBytes }

// taskOf returns the task of a handle; planner makes no other kind.
func taskOf(h storesync.Handle) *task { return h.Task().(*task) }
