package tokenizer

import (
	"cmp"
	"math"
	"slices"
)

// A trie maps strings to numbers and finds the strings that a text starts with in one walk. It is a
// double array (Aoe 1989): the child of node n for byte b is node base(n)+b, provided that node's
// parent is n.
type trie struct {
	nodes  []trieNode
	values []int32 // by node: what the string that ends there maps to, -1: none does
}

// A trieNode is eight bytes: a walk touches one for every byte of the text, at random.
type trieNode struct {
	base   int32 // of the children; ^base where a string of the trie ends
	parent int32 // -1: the node is not in use
}

// trieRoot is the node of the empty string.
const trieRoot = int32(0)

// noParent is the root's parent: no node, but the root is in use.
const noParent = math.MaxInt32

// child returns the node for byte b after node n.
func (t *trie) child(n int32, b byte) (int32, bool) {
	base := t.nodes[n].base
	c := base ^ base>>31 + int32(b)
	return c, t.nodes[c].parent == n
}

// ends reports whether a string of the trie ends at node n.
func (t *trie) ends(n int32) bool { return t.nodes[n].base < 0 }

// walk returns the node for text after node n.
func (t *trie) walk(n int32, text string) (int32, bool) {
	for i := range len(text) {
		var ok bool
		if n, ok = t.child(n, text[i]); !ok {
			return 0, false
		}
	}
	return n, true
}

// get returns what key maps to, -1 if it is not in the trie.
func (t *trie) get(key string) int32 {
	n, ok := t.walk(trieRoot, key)
	if !ok {
		return -1
	}
	return t.values[n]
}

// getBytes is get for bytes.
func (t *trie) getBytes(key []byte) int32 {
	n := trieRoot
	for _, b := range key {
		var ok bool
		if n, ok = t.child(n, b); !ok {
			return -1
		}
	}
	return t.values[n]
}

// A trieEntry is a string and the number, not negative, that it maps to.
type trieEntry struct {
	key   string
	value int32
}

// newTrie returns a trie of entries, which it sorts; their keys are distinct.
func newTrie(entries []trieEntry) *trie {
	slices.SortFunc(entries, func(a, b trieEntry) int { return cmp.Compare(a.key, b.key) })
	var b trieBuilder
	b.use(trieRoot, noParent)
	type task struct {
		node             int32
		from, to, length int // entries[from:to] are those that start with the node's string
	}
	queue := []task{{trieRoot, 0, len(entries), 0}}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		ends := t.from < t.to && len(entries[t.from].key) == t.length
		if ends {
			b.values[t.node] = entries[t.from].value
			b.nodes[t.node].base = ^0
			t.from++
		}
		b.children = b.children[:0]
		for i := t.from; i < t.to; i++ {
			if c := entries[i].key[t.length]; len(b.children) == 0 || b.children[len(b.children)-1] != c {
				b.children = append(b.children, c)
			}
		}
		if len(b.children) == 0 {
			continue
		}
		base := b.place()
		b.nodes[t.node].base = base
		if ends {
			b.nodes[t.node].base = ^base
		}
		for _, c := range b.children {
			b.use(base+int32(c), t.node)
		}
		for from := t.from; from < t.to; {
			c, to := entries[from].key[t.length], from
			for to < t.to && entries[to].key[t.length] == c {
				to++
			}
			queue = append(queue, task{base + int32(c), from, to, t.length + 1})
			from = to
		}
	}
	// Whatever a node's base, all 256 possible children must be there to be asked.
	b.grow(len(b.nodes) + 256)
	return &trie{b.nodes, b.values}
}

// A trieBuilder keeps the nodes that are not in use in a list, so that finding a place for a node's
// children tries only those.
type trieBuilder struct {
	children []byte // first bytes of the strings below the node in hand, rising
	nodes    []trieNode
	values   []int32
	links    []freeLink // of node i-1; links[0] is the head of the list
}

type freeLink struct{ next, previous int32 }

// grow makes at least n nodes.
func (b *trieBuilder) grow(n int) {
	if b.links == nil {
		b.links = []freeLink{{}}
	}
	for len(b.nodes) < n {
		k := int32(len(b.links))
		last := b.links[0].previous
		b.links = append(b.links, freeLink{0, last})
		b.links[last].next, b.links[0].previous = k, k
		b.nodes = append(b.nodes, trieNode{parent: -1})
		b.values = append(b.values, -1)
	}
}

// use takes node n out of the list and gives it to parent.
func (b *trieBuilder) use(n, parent int32) {
	b.grow(int(n) + 1)
	l := b.links[n+1]
	b.links[l.previous].next, b.links[l.next].previous = l.next, l.previous
	b.nodes[n].parent = parent
}

// place returns a base at which none of the children's nodes is in use. It tries so many places and
// then takes one behind all others, which keeps the time linear.
func (b *trieBuilder) place() int32 {
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

func (b *trieBuilder) fits(base int32) bool {
	for _, c := range b.children {
		if n := int(base) + int(c); n < len(b.nodes) && b.nodes[n].parent >= 0 {
			return false
		}
	}
	return true
}
