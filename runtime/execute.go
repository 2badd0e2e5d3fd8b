package runtime

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"kenserve/gemm"
	"kenserve/models"
)

// executor runs forward passes, one after the other in the order in which they
// were asked for, each on all cores.
type executor struct {
	pool *gemm.Pool
	turn *semaphore.Weighted // first come, first served

	// workspace belongs to whoever has the turn.
	workspace *models.Workspace

	mu         sync.Mutex
	waiting    int
	maxWaiting int
	batches    uint64
	tokens     uint64
}

func newExecutor(pool *gemm.Pool, maxWaiting int) *executor {
	return &executor{pool: pool, turn: semaphore.NewWeighted(1), workspace: models.NewWorkspace(pool), maxWaiting: maxWaiting}
}

// run waits for its turn and computes the batch's logits. A batch whose
// request has gone is dropped before it runs.
func (x *executor) run(ctx context.Context, task *entry, batch *models.Batch, logits []float32) (queue, inference time.Duration, err error) {
	start := time.Now()
	if err := x.wait(ctx); err != nil {
		return 0, 0, err
	}
	defer x.turn.Release(1)
	network, done := task.use()
	defer done()
	begin := time.Now()
	if err := network.Forward(x.workspace, batch, logits); err != nil {
		return 0, 0, err
	}
	x.mu.Lock()
	x.batches++
	x.tokens += uint64(len(batch.IDs))
	x.mu.Unlock()
	return begin.Sub(start), time.Since(begin), nil
}

func (x *executor) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.turn.TryAcquire(1) {
		return nil
	}
	x.mu.Lock()
	if x.waiting >= x.maxWaiting {
		x.mu.Unlock()
		return ErrBusy
	}
	x.waiting++
	x.mu.Unlock()
	err := x.turn.Acquire(ctx, 1)
	x.mu.Lock()
	x.waiting--
	x.mu.Unlock()
	return err
}

func (x *executor) addTo(s *Stats) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Batches, s.Tokens, s.Waiting = x.batches, x.tokens, x.waiting
}

func (x *executor) close() { x.pool.Close() }
