package dashboard

import (
	"container/list"
	"sync"
)

// lruCache caches bodies by key, at most limit bytes. The least recently used body
// is evicted first.
type lruCache struct {
	limit int

	mu    sync.Mutex
	size  int
	items map[string]*list.Element
	order list.List // of *cached, the most recently used first
}

type cached struct {
	key  string
	body []byte
}

// bytes is the memory of an item: its own, and about 256 bytes of bookkeeping.
func (c *cached) bytes() int { return len(c.key) + len(c.body) + 256 }

// get returns the body of a key, or nil. The caller must not write it.
func (l *lruCache) get(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	item := l.items[key]
	if item == nil {
		return nil
	}
	l.order.MoveToFront(item)
	return item.Value.(*cached).body
}

// put adds or replaces the body of a key. It does not keep a body that is larger
// than the limit.
func (l *lruCache) put(key string, body []byte) {
	c := &cached{key, body}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.items == nil {
		l.items = map[string]*list.Element{}
	}
	if old := l.items[key]; old != nil {
		l.dropLocked(old)
	}
	if c.bytes() > l.limit {
		return
	}
	for l.size+c.bytes() > l.limit {
		l.dropLocked(l.order.Back())
	}
	l.items[key] = l.order.PushFront(c)
	l.size += c.bytes()
}

// dropLocked removes an item. The caller holds l.mu.
func (l *lruCache) dropLocked(item *list.Element) {
	c := l.order.Remove(item).(*cached)
	delete(l.items, c.key)
	l.size -= c.bytes()
}
