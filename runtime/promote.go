package runtime

import (
	"math"
	"time"

	"kenserve/models"
)

// popularity counts a task's requests, the older ones less: a request that lies
// halfLife requests back (for any task) counts half. It is the frequency of
// TinyLFU (Einziger, Friedman, Manes, 2017), which a sketch would estimate, kept
// exactly, since what is known of a task takes more than a counter anyway; the
// continuous decay takes the place of the sketch's halving.
type popularity struct {
	count float64
	at    uint64 // request of the last change
}

const halfLife = 1 << 13

func (p *popularity) add(now uint64) { *p = popularity{p.value(now) + 1, now} }

func (p *popularity) value(now uint64) float64 {
	return p.count * math.Exp2(-float64(now-p.at)/halfLife)
}

// When a task becomes hot: it is asked for often enough to be worth the copy of
// its weights, and, where another has to make way, so much more often than that
// one that they do not change places by chance.
const (
	hotCount  = 4
	hotMargin = 1.5
)

// admits tells whether a warm task should become hot now.
func (r *residency) admits(e *entry) bool {
	if e.network != nil || e.gone || e.wanted || e.cannot || e.task == nil || e.task.hotBytes == 0 {
		return false
	}
	if r.pinned[e.name] {
		return true
	}
	u := r.tasks[e.name]
	if u == nil || u.popularity.value(r.clock) < hotCount {
		return false
	}
	need, budget := e.task.hotBytes, r.budget()
	if r.used+need <= budget || r.hotBytes+need <= budget/hotShare {
		return true
	}
	_, victim, ok := r.hot.GetOldest()
	return ok && r.yields(victim, e)
}

// yields tells whether a hot task makes way for a warm one.
func (r *residency) yields(victim, e *entry) bool {
	if r.pinned[victim.name] || victim.users > 0 {
		return false
	}
	if r.pinned[e.name] {
		return true
	}
	v, u := r.tasks[victim.name], r.tasks[e.name]
	return v == nil || u != nil && v.popularity.value(r.clock)*hotMargin+1 < u.popularity.value(r.clock)
}

// want hands a task to the promoter. If it has enough to do already, a later
// request tries again.
func (r *residency) want(e *entry) {
	select {
	case r.wanted <- e:
		e.wanted = true
	default:
	}
}

// promoter makes tasks hot, one after the other.
func (r *residency) promoter() {
	for {
		select {
		case e := <-r.wanted:
			r.pause()
			r.promote(e)
		case <-r.ctx.Done():
			return
		}
	}
}

// pause waits, a little, for a moment in which nothing is computed. A copy of all
// weights takes as much of the memory's time as several short texts, and is for
// requests to come: the one that asked for it, which may have waited for the
// task to be loaded, comes first.
func (r *residency) pause() {
	const step, steps = 2 * time.Millisecond, 10
	tick := time.NewTicker(step)
	defer tick.Stop()
	for range steps {
		select {
		case <-tick.C:
			if r.quota.idle == nil || r.quota.idle() {
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// promote makes a warm task hot if there is room, or others make way.
func (r *residency) promote(e *entry) {
	r.mu.Lock()
	e.wanted = false
	if !r.admits(e) {
		r.mu.Unlock()
		return
	}
	e.refs++ // the delta stays while room is made and its weights are copied
	if !r.makeRoomToPromote(e) {
		r.mu.Unlock()
		r.release(e)
		return
	}
	bytes := e.task.hotBytes
	r.used += bytes
	r.hotBytes += bytes
	r.mu.Unlock()

	network, err := contained(func() (models.Network, error) { return e.task.hot() })
	r.mu.Lock()
	switch {
	case err != nil:
		r.used -= bytes
		r.hotBytes -= bytes
		e.cannot = true
		r.log.Error("task not made hot", "task", e.name, "error", err)
	case e.gone:
		r.used -= bytes
		r.hotBytes -= bytes
	default:
		e.network = network
		r.hot.Add(e.name, e)
		r.stats.Promotions++
		if u := r.tasks[e.name]; u != nil {
			u.promotions++
		}
	}
	r.mu.Unlock()
	r.release(e)
}

// makeRoomToPromote drops what yields to a task that is to become hot. It does
// not wait, and no task in use leaves.
func (r *residency) makeRoomToPromote(e *entry) bool {
	need, budget := e.task.hotBytes, r.budget()
	for r.used+need > budget {
		if r.hotBytes+need <= budget/hotShare || r.pinned[e.name] {
			if r.evictIdle() {
				continue
			}
		}
		_, victim, ok := r.hot.GetOldest()
		if !ok || !r.yields(victim, e) {
			return false
		}
		r.demote(victim)
	}
	return true
}
