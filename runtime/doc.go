// Package runtime is the engine: one base in memory, tasks that are deltas of
// it, and their execution.
//
// # Tiers
//
// A task lives in a store as a delta file. It is cold until a request asks for
// it, which loads the delta: the task is warm, and served at once from a network
// that patches the base's panels as it multiplies, with the delta as it lies in
// its file. One that is asked for often becomes hot, beside the requests: its
// weights are written out into panels of its own. Everything that a delta leaves
// alone is shared with the base, whose bytes never change.
//
// All of it is within one bound in bytes: base, activations, hot panels, warm
// deltas. Where there is no room, the least recently used tasks make way, hot to
// warm to cold; but hot networks and warm tasks each have half of the room before
// the other, and a task becomes hot in another's place only if it is asked for
// more often, so that a walk over all tasks does not flush the hot ones. However
// many requests wait for a task it is loaded once; what cannot be loaded is
// remembered for a while; and requests for tasks in memory wait neither for
// loads nor for room. What a request uses stays valid until it is done, also if
// the task is evicted, replaced or removed meanwhile.
//
// # Changes
//
// The store is looked through every few seconds. A new version of a task in
// memory is loaded beside the old one, which serves until the new one is
// complete and checked, and for good if it is not. Engine.Put, Copy and Remove
// change the store and take effect at once.
//
// # Scheduling
//
// Texts wait in a queue for each task and are computed in batches of one task,
// bounded by tokens. Tasks with work have equal shares; within that, and within a
// task, the earliest deadline is first. Every core has a batch of its own when
// there is work for all, and helps with another's when there is not; a small
// batch is computed between the steps of a large one that it would otherwise
// wait for. What waits is bounded in requests and tokens. No text's scores
// depend, in any bit, on what shares its batch or on how many cores compute it.
package runtime
