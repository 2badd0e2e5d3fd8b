// Package runtime is the engine: one base in memory, tasks that are deltas of
// it, and their execution.
//
// A task lives in a store as a delta file. The first request for it loads the
// file, patches the base's panels into panels of its own and binds a network
// over them; everything the delta leaves alone is shared with the base, whose
// bytes never change. Loaded tasks are kept, least recently used first out,
// within a budget in bytes. A task that is computing is never evicted, and
// however many requests wait for a task, it is loaded once.
package runtime
