// Package parallel shares work among goroutines. A [Work] splits into independent parts;
// a [Pool] runs the parts on the calling goroutine and on whichever other goroutines of
// the pool are idle.
//
// # Idea
//
// A goroutine that runs a work publishes it as a [Job] and begins with the first part.
// Idle goroutines (helpers) join, part by part. A work that nobody joins costs a few
// atomic operations more than a loop. So the same code serves one batch for each core and
// one batch for all cores: which of them it is depends on who is idle.
//
// Each goroutine that shares a job begins with a range of parts of its own, and takes
// parts of other ranges only when its own is done. So consecutive parts run on the same
// goroutine, what it writes is contiguous, and it can ask for the part that it will
// probably run next, to prefetch its data.
package parallel
