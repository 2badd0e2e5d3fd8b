package dashboard

import (
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

// stats is the wire type of the answer of GET /stats: the server's present work, for
// the page. Monitoring uses /metrics.
type stats struct {
	Object   string    `json:"object"` // "stats"
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Base     string    `json:"base"`
	Ready    bool      `json:"ready"`
	InFlight int64     `json:"in_flight"` // requests to all routes, this one too

	BaseBytes   int64 `json:"base_bytes"`
	HotBytes    int64 `json:"hot_bytes"` // memory of hot tasks
	WarmBytes   int64 `json:"warm_bytes"`
	BudgetBytes int64 `json:"budget_bytes"` // bound on hot and warm together
	Waiting     int   `json:"waiting"`      // requests in the queue

	Hits       uint64 `json:"hits"`   // requests that found their task in memory
	Misses     uint64 `json:"misses"` // requests that waited for their task to be loaded
	Loads      uint64 `json:"loads"`
	LoadErrors uint64 `json:"load_errors"`
	Promotions uint64 `json:"promotions"` // warm to hot
	Demotions  uint64 `json:"demotions"`  // hot to warm
	Evictions  uint64 `json:"evictions"`  // warm to cold

	Span   int      `json:"span"`   // length of the window in seconds
	Recent []second `json:"recent"` // seconds with requests, oldest first
}

// getStats answers GET /stats.
func (d *Dashboard) getStats(c *gin.Context, _ *core.RequestState) error {
	now := d.core.Now()
	e := d.engine.Stats()
	return route.Marshal(c, stats{
		Object: "stats", Time: now.UTC().Truncate(time.Millisecond),
		Version: d.core.About.Version, Base: d.core.About.Base,
		Ready: d.core.Ready() == nil, InFlight: d.inFlight(),
		BaseBytes: e.BaseBytes, HotBytes: e.HotBytes, WarmBytes: e.WarmBytes, BudgetBytes: e.BudgetBytes, Waiting: e.Waiting,
		Hits: e.Hits, Misses: e.Misses, Loads: e.Loads, LoadErrors: e.LoadErrors,
		Promotions: e.Promotions, Demotions: e.Demotions, Evictions: e.Evictions,
		Span: windowSpan, Recent: d.window.list(now),
	})
}
