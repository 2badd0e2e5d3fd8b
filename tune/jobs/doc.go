// Package jobs tunes classifiers for a server, one after the other, in a process of their
// own.
//
// A job is a folder: the labelled texts, the options, the checkpoint of the training, and the
// state that clients see. So it survives a restart: [Open] finds the jobs that had not ended,
// and they go on from their checkpoints, with the same result to the bit. The texts and the
// checkpoint are removed when a job ends; the state stays, for the last jobs.
//
//	Add     spools the texts, reads and checks them, and queues the job
//	Run     starts the process of the next job, follows it, and puts its delta into the store
//	Work    is what that process does
//
// # Serving comes first
//
// A job must not slow down requests. Its process has the lowest priority that the system
// has, fewer cores than the server, and waits between two forward passes while requests are
// computed. Its memory is reserved from that of the tasks before it starts. If memory runs
// out all the same, or the process fails in any way, the server is not affected.
package jobs
