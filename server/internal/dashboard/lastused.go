package dashboard

import (
	"container/list"
	"sync"
)

// lastUsed is a cache of bytes by key, of limit bytes at most: what was used
// longest ago goes first.
type lastUsed struct {
	limit int

	mu    sync.Mutex
	size  int
	items map[string]*list.Element
	order list.List // of cached, the last used first
}

type cached struct {
	key  string
	body []byte
}

// bytes is what an item is counted with: its own, and about what keeps it.
func (c *cached) bytes() int { return len(c.key) + len(c.body) + 256 }

// get returns what was put under a key, or nil. It must not be written.
func (l *lastUsed) get(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	item := l.items[key]
	if item == nil {
		return nil
	}
	l.order.MoveToFront(item)
	return item.Value.(*cached).body
}

// put keeps a body, unless it is too large by itself.
func (l *lastUsed) put(key string, body []byte) {
	c := &cached{key, body}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.items == nil {
		l.items = map[string]*list.Element{}
	}
	if old := l.items[key]; old != nil {
		l.drop(old)
	}
	if c.bytes() > l.limit {
		return
	}
	for l.size+c.bytes() > l.limit {
		l.drop(l.order.Back())
	}
	l.items[key] = l.order.PushFront(c)
	l.size += c.bytes()
}

func (l *lastUsed) drop(item *list.Element) {
	c := l.order.Remove(item).(*cached)
	delete(l.items, c.key)
	l.size -= c.bytes()
}
