// Package runtime serves many tasks over one base: it keeps the base in memory,
// loads tasks that are deltas of it, and computes their scores. Callers use
// [Engine].
//
// # Rooms
//
// The packages below do not import this one. Package storesync uses cache, and all
// use failure; they use nothing else of each other.
//
//	internal/cache      decides which tasks are in memory, and in which tier
//	internal/storesync  loads tasks, and takes up changes of the store
//	internal/sched      decides which texts are computed next, and computes them
//	internal/failure    errors that all of them share
//
// This package has the base, the weights of a task over it, and the path of a
// request: encode its texts, acquire its task, submit batches of texts.
//
// # Tiers
//
// A task lives in the store as a delta file, and is cold until a request asks for
// it. The request loads the delta: the task is warm, and its network reads the
// delta while it multiplies. A task with frequent requests becomes hot, in the
// background. The form of each of its matrices follows from the density of the
// delta (gemm.Changeable), whatever its tier, so its scores do not depend on
// the tier:
//
//	few kept values   added to the base's product; hot: expanded for the kernels
//	many              patched into the base's panels; hot: panels of its own
//
// All other weights are the base's, which never change.
//
// Base, activations, warm deltas and hot weights share one bound in bytes. If
// there is no room, the least recently used tasks move down, from hot to warm or
// from warm to cold. Hot weights and warm deltas are each sure of half of the
// room, and may borrow the rest. A task displaces a hot one only if its requests
// are more frequent. So requests for all tasks in turn do not evict the hot ones.
//
// However many requests wait for a task, it is loaded once. A failed load is
// remembered for a while. Requests for tasks in memory wait neither for loads nor
// for room. A task that a request uses stays valid until the request is done,
// even if the task is evicted, replaced or removed meanwhile.
//
// # Tokenizers and limits of tasks
//
// A delta can have more than weights: a tokenizer, tables with more rows than the
// base's, and a configuration with other limits. [Engine.Classify] tokenises and checks
// texts with the task's tokenizer and limits, and with the base's where the delta has
// none. Tasks with the same tokenizer share one copy. The copy is freed when the last of
// these tasks leaves the memory.
//
// # Changes
//
// The store is listed every few seconds. A new version of a task in memory is
// loaded beside the old one, which stays in service until the new one is loaded
// and checked, and permanently if that fails. Engine.Put, Copy and Remove change the
// store and take effect at once.
//
// # Scheduling
//
// Texts wait in a queue for each task and are computed in batches, bounded by
// tokens. A batch holds texts of any number of tasks with few kept values, if their
// configurations compute the same as the base's; or texts of one task. Tasks with
// waiting texts have equal shares; within that, and within a task, the earliest
// deadline is first. Every core has a batch of its own if there are enough texts, and
// otherwise helps with another core's batch. A small batch is computed between the
// steps of a large one that it would otherwise wait for. The requests and tokens that
// wait are bounded. No text's scores depend, in any bit, on the other texts of its
// batch or on how many cores compute it.
package runtime
