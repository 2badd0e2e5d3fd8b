package cache

import (
	"math"

	"kenserve/models"
)

// popularity counts a task's requests with exponential decay: a request counts
// half once halfLife further requests (for any task) have come. It is the
// frequency of TinyLFU (Einziger, Friedman and Manes, 2017). TinyLFU estimates
// it with a sketch that it halves now and then; here it is exact, because the
// cache keeps more than a counter for each task anyway.
type popularity struct {
	count float64
	at    uint64 // request of the last change
}

const halfLife = 1 << 13

func (p *popularity) add(now uint64) { *p = popularity{p.value(now) + 1, now} }

func (p *popularity) value(now uint64) float64 {
	return p.count * math.Exp2(-float64(now-p.at)/halfLife)
}

const (
	// minHotPopularity is the popularity from which a copy of all weights pays.
	minHotPopularity = 4
	// minQuickPopularity is that of a network that is quick to make: the second request
	// within half a halfLife has it.
	minQuickPopularity = 1.5
	// spareShare is the share of the budget, one in spareShare, that must stay unused if a
	// network that is quick to make takes room without that popularity.
	spareShare = 8
	// hotMargin is the factor by which a task must be more popular than the hot
	// one that it displaces, so that two tasks do not change places by chance.
	hotMargin = 1.5
)

// shouldPromote tells whether a warm task should become hot now.
func (c *Cache) shouldPromote(e *Entry) bool {
	if e.network != nil || e.detached || e.promotionQueued || e.promotionFailed || e.task == nil || e.task.HotBytes() == 0 {
		return false
	}
	if c.pinned[e.name] {
		return true
	}
	u := c.usage[e.name]
	need, budget := e.task.HotBytes(), c.budget()
	least := float64(minHotPopularity)
	if e.task.QuickToPromote() {
		least = minQuickPopularity
		// Until it is hot, each of its requests expands the change again, and the room
		// is not needed.
		if u != nil && e.requests > 1 && c.usedBytes+need <= budget-budget/spareShare {
			return true
		}
	}
	if u == nil || u.popularity.value(c.requests) < least {
		return false
	}
	if c.usedBytes+need <= budget || c.hotBytes+need <= budget/hotShare {
		return true
	}
	_, victim, ok := c.hot.GetOldest()
	return ok && c.displaces(e, victim)
}

// displaces tells whether a warm task may take the room of a hot one.
func (c *Cache) displaces(e, victim *Entry) bool {
	if c.pinned[victim.name] || victim.networkUsers > 0 {
		return false
	}
	if c.pinned[e.name] {
		return true
	}
	v, u := c.usage[victim.name], c.usage[e.name]
	return v == nil || u != nil && v.popularity.value(c.requests)*hotMargin+1 < u.popularity.value(c.requests)
}

// PromotionQueued records that BeginPromotion will be called for the entry.
func (c *Cache) PromotionQueued(e *Entry) { e.promotionQueued = true }

// BeginPromotion makes room for a hot network and takes its bytes. It returns
// false if the task should not become hot any more, or if there is no room: it
// does not wait, and detaches no task in use. Otherwise the caller makes the
// network and calls EndPromotion. The entry is referenced in between.
func (c *Cache) BeginPromotion(e *Entry) bool {
	e.promotionQueued = false
	if !c.shouldPromote(e) {
		return false
	}
	e.references++ // so that makeRoomToPromote does not evict it
	if !c.makeRoomToPromote(e) {
		c.Release(e)
		return false
	}
	c.usedBytes += e.task.HotBytes()
	c.hotBytes += e.task.HotBytes()
	return true
}

// EndPromotion makes the task hot, or records that its network could not be
// made, and gives the reference of BeginPromotion back.
func (c *Cache) EndPromotion(e *Entry, network models.Network, err error) {
	switch {
	case err != nil || e.detached:
		c.usedBytes -= e.task.HotBytes()
		c.hotBytes -= e.task.HotBytes()
		e.promotionFailed = err != nil
	default:
		e.network = network
		c.hot.Add(e.name, e)
		c.stats.Promotions++
		if u := c.usage[e.name]; u != nil {
			u.promotions++
		}
	}
	c.Release(e)
}

// makeRoomToPromote makes room for the hot network of e, and tells whether it
// could. Warm tasks are evicted only while hot ones have less than their share.
func (c *Cache) makeRoomToPromote(e *Entry) bool {
	need, budget := e.task.HotBytes(), c.budget()
	for c.usedBytes+need > budget {
		if c.hotBytes+need <= budget/hotShare || c.pinned[e.name] {
			if c.evictIdle() {
				continue
			}
		}
		_, victim, ok := c.hot.GetOldest()
		if !ok || !c.displaces(e, victim) {
			return false
		}
		c.demote(victim)
	}
	return true
}
