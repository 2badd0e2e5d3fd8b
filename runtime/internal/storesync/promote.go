package storesync

import (
	"time"

	"kenserve/models"
	"kenserve/runtime/internal/cache"
)

// queuePromotionLocked hands a task to the promoter. If its queue is full, a
// later request for the task tries again.
func (l *Loader) queuePromotionLocked(e *cache.Entry) {
	select {
	case l.promotions <- e:
		l.cache.PromotionQueued(e)
	default:
	}
}

// promoteQueued makes tasks hot, one after the other, until the loader is closed.
func (l *Loader) promoteQueued() {
	for {
		select {
		case e := <-l.promotions:
			if !e.Task().QuickToPromote() {
				l.waitUntilIdle()
			}
			l.promote(e)
		case <-l.ctx.Done():
			return
		}
	}
}

// waitUntilIdle waits up to 20 ms for a moment in which nothing is computed. A
// copy of all weights takes as much memory bandwidth as several short texts, and
// it serves requests to come. The request that caused it, which may have waited
// for the task's load, comes first.
func (l *Loader) waitUntilIdle() {
	const step, steps = 2 * time.Millisecond, 10
	tick := time.NewTicker(step)
	defer tick.Stop()
	for range steps {
		select {
		case <-tick.C:
			if l.config.Idle() {
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// promote makes a warm task hot if there is room, or if others make room.
func (l *Loader) promote(e *cache.Entry) {
	l.mu.Lock()
	if !l.cache.BeginPromotion(e) {
		l.wakeLocked() // it may have made some room
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	network, err := recovered(func() (models.Network, error) { return taskOf(e).Hot() })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.EndPromotion(e, network, err)
	l.wakeLocked()
	if err != nil {
		l.log.Error("task not made hot", "task", e.Name(), "error", err)
	}
}
