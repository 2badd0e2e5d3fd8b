// Package trie maps strings to numbers. In one walk along a text it finds all strings that the text
// starts with.
package trie

import (
	"cmp"
	"math"
	"slices"
)

// A Trie maps strings to numbers. It is a double array (Aoe 1989): the child of node n for byte b is node
// base(n)+b if the parent of that node is n; otherwise there is no such child.
type Trie struct {
	nodes  []node
	values []int32 // by node: the number of the string that ends there, -1 if none ends there
}

// A node is only eight bytes: a walk reads one node for each byte of the text, in random order.
type node struct {
	base   int32 // base of the children; stored as ^base if a string ends here
	parent int32 // -1: the node is not in use
}

// Root is the node of the empty string.
const Root = int32(0)

// noParent marks the root as in use, although it has no parent.
const noParent = math.MaxInt32

// Child returns the child of node n for byte b, and whether there is one.
func (t *Trie) Child(n int32, b byte) (int32, bool) {
	base := t.nodes[n].base
	c := base ^ base>>31 + int32(b)
	return c, t.nodes[c].parent == n
}

// Ends reports whether a string of the trie ends at node n.
func (t *Trie) Ends(n int32) bool { return t.nodes[n].base < 0 }

// Value returns the number of the string that ends at node n, -1 if none ends there.
func (t *Trie) Value(n int32) int32 { return t.values[n] }

// Walk returns the node that text leads to from node n, and whether there is one.
func (t *Trie) Walk(n int32, text string) (int32, bool) {
	for i := range len(text) {
		var ok bool
		if n, ok = t.Child(n, text[i]); !ok {
			return 0, false
		}
	}
	return n, true
}

// Get returns the number of key, -1 if it is not in the trie.
func (t *Trie) Get(key string) int32 {
	n, ok := t.Walk(Root, key)
	if !ok {
		return -1
	}
	return t.values[n]
}

// GetBytes is Get for bytes.
func (t *Trie) GetBytes(key []byte) int32 {
	n := Root
	for _, b := range key {
		var ok bool
		if n, ok = t.Child(n, b); !ok {
			return -1
		}
	}
	return t.values[n]
}

// Bytes returns how much memory the trie holds.
func (t *Trie) Bytes() int64 { return 8*int64(cap(t.nodes)) + 4*int64(cap(t.values)) }

// An Entry maps the string Key to the number Value, which is not negative.
type Entry struct {
	Key   string
	Value int32
}

// New returns a trie of entries. Their keys must be distinct. It sorts entries in place.
func New(entries []Entry) *Trie {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	var b builder
	b.claim(Root, noParent)
	type task struct {
		node             int32
		from, to, length int // entries[from:to] start with the string of the node, which has this length
	}
	queue := []task{{Root, 0, len(entries), 0}}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		ends := t.from < t.to && len(entries[t.from].Key) == t.length
		if ends {
			b.values[t.node] = entries[t.from].Value
			b.nodes[t.node].base = ^0
			t.from++
		}
		b.children = b.children[:0]
		for i := t.from; i < t.to; i++ {
			if c := entries[i].Key[t.length]; len(b.children) == 0 || b.children[len(b.children)-1] != c {
				b.children = append(b.children, c)
			}
		}
		if len(b.children) == 0 {
			continue
		}
		base := b.findBase()
		b.nodes[t.node].base = base
		if ends {
			b.nodes[t.node].base = ^base
		}
		for _, c := range b.children {
			b.claim(base+int32(c), t.node)
		}
		for from := t.from; from < t.to; {
			c, to := entries[from].Key[t.length], from
			for to < t.to && entries[to].Key[t.length] == c {
				to++
			}
			queue = append(queue, task{base + int32(c), from, to, t.length + 1})
			from = to
		}
	}
	// Child does not check bounds, so all 256 possible children of each node must exist.
	b.grow(len(b.nodes) + 256)
	return &Trie{b.nodes, b.values}
}

// A builder keeps the unused nodes in a doubly linked list, so that the search for a base tries only
// those.
type builder struct {
	children []byte // next bytes of the strings below the current node, ascending
	nodes    []node
	values   []int32
	links    []freeLink // links[i+1] belongs to node i; links[0] is the head of the list
}

type freeLink struct{ next, previous int32 }

// grow extends the trie to at least n nodes.
func (b *builder) grow(n int) {
	if b.links == nil {
		b.links = []freeLink{{}}
	}
	for len(b.nodes) < n {
		k := int32(len(b.links))
		last := b.links[0].previous
		b.links = append(b.links, freeLink{0, last})
		b.links[last].next, b.links[0].previous = k, k
		b.nodes = append(b.nodes, node{parent: -1})
		b.values = append(b.values, -1)
	}
}

// claim removes node n from the list of unused nodes and sets its parent.
func (b *builder) claim(n, parent int32) {
	b.grow(int(n) + 1)
	l := b.links[n+1]
	b.links[l.previous].next, b.links[l.next].previous = l.next, l.previous
	b.nodes[n].parent = parent
}

// findBase returns a base at which the nodes of all children are unused. After a fixed number of tries it
// returns a base behind all nodes, which keeps the time linear.
func (b *builder) findBase() int32 {
	const tries = 128
	first := int32(b.children[0])
	k := b.links[0].next
	for range tries {
		if k == 0 {
			break
		}
		if base := k - 1 - first; base >= 0 && b.fits(base) {
			return base
		}
		k = b.links[k].next
	}
	return int32(len(b.nodes))
}

// fits reports whether the nodes of all children are unused at base.
func (b *builder) fits(base int32) bool {
	for _, c := range b.children {
		if n := int(base) + int(c); n < len(b.nodes) && b.nodes[n].parent >= 0 {
			return false
		}
	}
	return true
}
